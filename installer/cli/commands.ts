import { readFile } from 'node:fs/promises';
import { AppError } from '../../node/contract/error.ts';
import { exampleAnswers } from '../answers/example.ts';
import { hashPassword } from '../answers/hash.ts';
import { type Parsed, parseAnswers } from '../answers/parse.ts';
import type { Answers } from '../contract/answers.ts';
import { hasErrors, type Problem } from '../contract/problems.ts';
import { readJournal } from '../journal/journal.ts';
import { lockFormation } from '../journal/lock.ts';
import { addressOf } from '../net/ipv4.ts';
import { planText } from '../plan/print.ts';
import type { FormationEnv } from '../run/env.ts';
import { examine, form, undo } from '../run/form.ts';
import type { Command } from './arguments.ts';
import type { Report } from './report.ts';
import { statusOf } from './status.ts';

export type CommandEnv = {
  formation: FormationEnv;
  report: Report;
  signal: AbortSignal;
  stdin(): Promise<string>;
};

/** 0 done, 1 could not; wrong calls and locks are told by the caller from the error. */
export type ExitCode = 0 | 1;

async function readAnswers(file: string): Promise<Parsed> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new AppError({
      code: 'usage.no-file',
      family: 'invalid',
      message: `The answer file ${file} cannot be read.`,
      remedy: 'Name a file that is there; "trefoil-installer example" prints one.',
      cause,
    });
  }
  return parseAnswers(text);
}

export async function runCommand(
  env: CommandEnv,
  command: Exclude<Command, { name: 'help' | 'version' }>,
): Promise<ExitCode> {
  const { report, formation, signal } = env;
  switch (command.name) {
    case 'example':
      report.result(JSON.stringify(exampleAnswers, undefined, 2), {});
      return 0;
    case 'hash': {
      const [password] = (await env.stdin()).split('\n');
      report.result(await hashPassword(password ?? '', formation.randomBytes(16)), {});
      return 0;
    }
    case 'status': {
      const { text, value } = statusOf(await readJournal(formation.directory), await isRunning(formation));
      report.result(text, value);
      return 0;
    }
    case 'discover':
      return await discover(env);
    case 'validate':
      return await validate(env, command.file, command.live);
    case 'undo':
      return await locked(formation, async (): Promise<ExitCode> => {
        await undo(formation, signal);
        report.result('Everything is taken back; the hosts wait to be found again, with new pairing codes.', {
          state: 'undone',
        });
        return 0;
      });
    case 'form':
      return await formCommand(env, command);
    default:
      return assertNever(command);
  }
}

const assertNever = (command: never): never => {
  throw new Error(`no such command: ${JSON.stringify(command)}`);
};

async function locked<T>(formation: FormationEnv, body: () => Promise<T>): Promise<T> {
  const lock = await lockFormation(formation.directory);
  try {
    return await body();
  } finally {
    await lock.release();
  }
}

async function isRunning(formation: FormationEnv): Promise<boolean> {
  try {
    await (await lockFormation(formation.directory)).release();
    return false;
  } catch {
    return true;
  }
}

async function validate(
  { report, formation, signal }: CommandEnv,
  file: string,
  live: boolean,
): Promise<ExitCode> {
  const { answers, problems } = await readAnswers(file);
  const sound = answers !== undefined && !hasErrors(problems);
  const all =
    live && sound ? [...problems, ...(await examine(formation, answers, signal)).problems] : problems;
  report.problems(all);
  const errors = all.filter((problem) => problem.severity === 'error').length;
  report.result(errors === 0 ? summary(all, live) : `${errors} ${errors === 1 ? 'problem' : 'problems'}.`, {
    valid: errors === 0,
    live,
    problems: all,
  });
  return errors === 0 ? 0 : 1;
}

const summary = (notes: readonly Problem[], live: boolean): string =>
  `${live ? 'The answers and the hosts are' : 'The answers are'} right${notes.length === 0 ? '' : '; see the notes'}.`;

async function discover({ report, formation }: CommandEnv): Promise<ExitCode> {
  const { hosts } = await formation.hosts.local.call('getDiscovered');
  const lines = hosts.map(
    (host) =>
      `${host.name.padEnd(16)} ${host.id}  ${host.machine}, ${host.cpuThreads} threads, ${Math.round(host.memoryMiB / 1024)} GiB, ${host.addresses.join(' ')}`,
  );
  report.result(lines.length === 0 ? 'No other host waits to be found on this network.' : lines.join('\n'), {
    hosts,
  });
  return 0;
}

async function formCommand(env: CommandEnv, command: Extract<Command, { name: 'form' }>): Promise<ExitCode> {
  const { report, formation, signal } = env;
  let answers: Answers | undefined;
  if (command.file !== undefined) {
    const parsed = await readAnswers(command.file);
    report.problems(parsed.problems);
    if (parsed.answers === undefined || hasErrors(parsed.problems)) return 1;
    answers = parsed.answers;
  }
  return await locked(formation, async (): Promise<ExitCode> => {
    const { dryRun, stopAfter } = command;
    const result = await form(formation, { answers, dryRun, stopAfter, signal });
    report.problems(result.problems);
    switch (result.kind) {
      case 'problems':
        report.result('Nothing was changed.', { state: 'problems' });
        return 1;
      case 'plan':
        report.result(planText(result.plan), { state: 'plan', plan: result.plan });
        return 0;
      case 'stopped':
        report.result('Stopped as asked; start again to go on.', { state: 'stopped' });
        return 0;
      case 'formed': {
        const { cluster, engine } = result.journal.plan;
        const address = addressOf(engine.address);
        report.result(`The cluster ${cluster.name} is formed. Its page: https://${address}/`, {
          state: 'formed',
          cluster,
          engine: address,
        });
        return 0;
      }
    }
  });
}
