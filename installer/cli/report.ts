import type { AppError } from '../../node/contract/error.ts';
import type { Problem } from '../contract/problems.ts';
import { duration } from '../plan/print.ts';
import type { Progress } from '../run/env.ts';

/** What the installer says, for a person or, with --json, one JSON value a line. */
export type Report = {
  progress(event: Progress): void;
  problems(problems: readonly Problem[]): void;
  error(error: AppError): void;
  /** the result: text for a person, a value for a machine */
  result(text: string, value: Record<string, unknown>): void;
};
export type Output = { write(text: string): void; isTerminal: boolean };

export function jsonReport(out: Output): Report {
  const line = (value: unknown) => out.write(`${JSON.stringify(value)}\n`);
  return {
    progress: line,
    problems: (problems) => {
      for (const problem of problems) line({ event: 'problem', ...problem });
    },
    error: (error) => line({ event: 'error', ...error.toBody().error }),
    result: (_, value) => line({ event: 'result', ...value }),
  };
}

const clearLine = '\r\u001b[K';
const titleWidth = 46;

const took = ({ seconds = 0 }: { seconds?: number }): string => `${seconds.toFixed(1)} s`.padStart(8);

/** Elsewhere than on a terminal a step that lasts says now and then what it waits for. */
const detailMs = 15_000;

/** A line a step; on a terminal the running step is shown on the last line, with what it does just now. */
export function textReport(out: Output, err: Output, now: () => number = () => performance.now()): Report {
  let shown = false;
  let running = '';
  let lastDetail = '';
  let lastLineAt = now();
  const clear = () => {
    if (shown) out.write(clearLine);
    shown = false;
  };
  const passing = (text: string) => {
    if (!out.isTerminal) return;
    clear();
    out.write(text.slice(0, 110));
    shown = true;
  };
  const line = (text: string) => {
    clear();
    out.write(`${text}\n`);
    lastLineAt = now();
  };
  const step = (event: Extract<Progress, { event: 'step' }>) => {
    const number = `${String(event.number).padStart(3)}/${event.of}`;
    running = `${number}  ${event.title}`;
    lastDetail = '';
    const left =
      event.secondsLeft === undefined || event.secondsLeft <= 0
        ? ''
        : `about ${duration(event.secondsLeft)} left`;
    switch (event.state) {
      case 'running':
        lastLineAt = now();
        return passing(`${running} ...  ${left}`);
      case 'done':
        return line(`${number}  ${event.title.padEnd(titleWidth)} ${took(event)}   ${left}`.trimEnd());
      case 'undone':
        return line(`${number}  undo: ${event.title.padEnd(titleWidth)} ${took(event)}`);
      case 'already':
        return line(`${number}  ${event.title.padEnd(titleWidth)}  already   ${left}`.trimEnd());
      case 'failed':
        return line(`${number}  ${event.title.padEnd(titleWidth)}   failed`);
    }
  };
  return {
    progress: (event) => {
      switch (event.event) {
        case 'begin':
          return event.done > 0
            ? line(`Going on: ${event.done} of ${event.steps} steps are done.`)
            : undefined;
        case 'preflight':
          return line(`${event.text} ...`);
        case 'step':
          return step(event);
        case 'detail':
          if (event.text === lastDetail) return;
          if (out.isTerminal) passing(`${running}: ${event.text}`);
          else if (now() - lastLineAt < detailMs) return;
          else line(`         ${event.text}`);
          lastDetail = event.text;
      }
    },
    problems: (problems) => {
      clear();
      for (const { severity, path, reason, remedy } of problems) {
        const where = path === '' ? '' : `${path}: `;
        err.write(`${severity === 'error' ? 'error' : 'note '}  ${where}${reason}\n       ${remedy}\n`);
      }
    },
    error: (error) => {
      clear();
      err.write(`trefoil-installer: ${error.message}\n`);
      if (error.remedy !== undefined) err.write(`  ${error.remedy}\n`);
    },
    result: (text) => {
      clear();
      if (text !== '') out.write(text.endsWith('\n') ? text : `${text}\n`);
    },
  };
}
