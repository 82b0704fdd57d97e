import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import type { Clock } from '../clock/clock.ts';
import { type Run, unreadable } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import type { Log } from '../log/log.ts';

export type CliEnv = { run: Run; clock: Clock; log: Log };

/** What every answer of the gluster command has; the rest is read by the parser of the question (parse.ts). */
const envelopeSchema = z.looseObject({
  opRet: z.string(),
  opErrno: z.string(),
  opErrstr: z.string().default(''),
});

/** Elements of which there may be one or many; the parser makes lists of them always. */
const lists = new Set(['peer', 'volume', 'brick', 'option', 'node', 'file']);
const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  isArray: (name) => lists.has(name),
});

/** Reads an answer: the content of cliOutput, or throws `gluster.refused`, `gluster.busy`, `gluster.down`, or unreadable. */
export function readAnswer(stdout: string, stderr: string): Record<string, unknown> {
  const said = `${stdout}\n${stderr}`;
  if (!stdout.includes('<cliOutput>')) {
    if (/is gluster daemon is operational|check if gluster daemon/i.test(said)) throw daemonDown();
    const sentence = said.trim().split('\n')[0] ?? '';
    if (sentence === '') throw unreadable('gluster', 'nothing was said');
    throw refused(sentence, undefined);
  }
  let tree: unknown;
  try {
    tree = parser.parse(stdout);
  } catch (error) {
    throw unreadable('gluster', 'no XML', error);
  }
  const parsed = z.object({ cliOutput: envelopeSchema }).safeParse(tree);
  if (!parsed.success) throw unreadable('gluster', 'an answer without a result', parsed.error);
  const answer = parsed.data.cliOutput;
  if (answer.opRet === '0') return answer;
  if (isBusy(answer.opErrstr)) throw busy(answer.opErrstr);
  throw refused(answer.opErrstr, Number(answer.opErrno));
}

/** The few commands that speak no XML say "... has been successful". */
export function readSentence(stdout: string, stderr: string): void {
  if (/ha(s|ve) been successful/.test(stdout)) return;
  const said = `${stderr}\n${stdout}`.trim();
  if (/is gluster daemon is operational|check if gluster daemon/i.test(said)) throw daemonDown();
  if (said === '') throw unreadable('gluster', 'nothing was said');
  const sentence = said.split('\n').join(' ');
  throw isBusy(said) ? busy(sentence) : refused(sentence, undefined);
}

const isBusy = (text: string): boolean =>
  /another transaction is in progress|locking failed|please try again after some ?time/i.test(text);

const refused = (sentence: string, opErrno: number | undefined): AppError =>
  new AppError({
    code: 'gluster.refused',
    family: 'conflict',
    message: `Gluster refused: ${sentence.trim() || 'it gave no reason'}`,
    details: { opErrstr: sentence, ...(opErrno === undefined ? {} : { opErrno }) },
  });

const busy = (sentence: string): AppError =>
  new AppError({
    code: 'gluster.busy',
    family: 'unavailable',
    message: 'Gluster is busy with another change of the cluster.',
    details: { opErrstr: sentence },
  });

const daemonDown = (): AppError =>
  new AppError({
    code: 'gluster.down',
    family: 'unavailable',
    message: 'The storage service of this host (glusterd) does not answer.',
    remedy: 'It is started again by itself; if this stays, restart the host.',
  });

/** The number that Gluster gives a refusal; "volume does not exist" is 30806. */
export const errnoOf = (error: unknown): number | undefined =>
  error instanceof AppError &&
  error.code === 'gluster.refused' &&
  typeof error.details?.['opErrno'] === 'number'
    ? error.details['opErrno']
    : undefined;
export const refusalOf = (error: unknown): string | undefined =>
  error instanceof AppError && error.code === 'gluster.refused'
    ? String(error.details?.['opErrstr'])
    : undefined;

export type Cli = {
  /** one command that takes the cluster's lock; one at a time, again while Gluster is busy */
  command(words: readonly string[]): Promise<Record<string, unknown>>;
  /** the same for the few that answer with a sentence */
  order(words: readonly string[]): Promise<void>;
  /** heal questions go through a client of their own and take no lock; they may be slow while a brick is away */
  ask(words: readonly string[]): Promise<Record<string, unknown>>;
};

const commandMs = 120_000;
const anyExit = Array.from({ length: 255 }, (_, index) => index + 1);
const busyPausesMs = [300, 600, 1_200, 2_400, 5_000, 5_000, 10_000, 10_000, 20_000];

/**
 * The gluster command of one host. Its exit code says little (a refusal may exit with 0), so the XML decides. glusterd
 * holds one lock for the whole cluster: commands of this process wait for each other, those of other hosts show as busy.
 */
export function makeCli(env: CliEnv): Cli {
  const run = (words: readonly string[], timeoutMs: number) =>
    env.run(['gluster', '--mode=script', ...words], { timeoutMs, okExitCodes: anyExit });
  const once = async (words: readonly string[], timeoutMs: number) => {
    const { stdout, stderr } = await run(['--xml', ...words], timeoutMs);
    return readAnswer(stdout, stderr);
  };
  const patiently = async <T>(words: readonly string[], work: () => Promise<T>): Promise<T> => {
    for (const pauseMs of busyPausesMs) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'gluster.busy') throw error;
        env.log.info('gluster is busy, waiting', { words: words.slice(0, 3), pauseMs });
        await env.clock.sleep(pauseMs);
      }
    }
    return work();
  };
  const lane = () => {
    let last: Promise<unknown> = Promise.resolve();
    return <T>(work: () => Promise<T>): Promise<T> => {
      const next = last.then(work, work);
      last = next.catch(() => {});
      return next;
    };
  };
  const commands = lane();
  const questions = lane();
  return {
    command: (words) => commands(() => patiently(words, () => once(words, commandMs))),
    order: (words) =>
      commands(() =>
        patiently(words, async () => {
          const { stdout, stderr } = await run(words, commandMs);
          readSentence(stdout, stderr);
        }),
      ),
    ask: (words) => questions(() => once(words, 30_000)),
  };
}
