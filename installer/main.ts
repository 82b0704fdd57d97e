import { randomBytes, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { argv, exit, kill, pid, stderr, stdin, stdout } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, asAppError, errorChain } from '../node/contract/error.ts';
import { makeHosts } from './agents/hosts.ts';
import { hashPassword } from './answers/hash.ts';
import { type Command, parseCommand, usage } from './cli/arguments.ts';
import { runCommand } from './cli/commands.ts';
import { jsonReport, textReport } from './cli/report.ts';
import { makeEngine } from './engine/engine.ts';
import { makeStore } from './etcd/store.ts';
import type { ImageSource } from './preflight/model.ts';
import { stateDirectory } from './preflight/questions.ts';
import type { FormationEnv } from './run/env.ts';

const graceMs = 3_000;
const productDirectory = '/usr/lib/trefoil';
const imageName = /^(?<name>[A-Za-z0-9][A-Za-z0-9._-]*)\.(?<format>qcow2|raw)$/;

async function imagesIn(directory: string): Promise<ImageSource[]> {
  const files = await readdir(directory).catch(() => []);
  return files.toSorted().flatMap((file): ImageSource[] => {
    const { name, format } = imageName.exec(file)?.groups ?? {};
    if (name === undefined || (format !== 'qcow2' && format !== 'raw')) return [];
    return [{ name, format, file: `${directory}/${file}` }];
  });
}

/** Reads stdin to its end. */
async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

const killed = (command: Command): FormationEnv['checkpoint'] => {
  const at = command.name === 'form' ? command.killAt : undefined;
  return async (step, when) => {
    if (at?.step !== step) return;
    if (at.when === when) kill(pid, 'SIGKILL');
    else if (typeof at.when === 'object' && when === 'before')
      setTimeout(() => kill(pid, 'SIGKILL'), at.when.during).unref();
  };
};

async function main(): Promise<number> {
  let command: Command;
  const terminal = { isTerminal: stdout.isTTY, write: (text: string) => void stdout.write(text) };
  const errors = { isTerminal: stderr.isTTY, write: (text: string) => void stderr.write(text) };
  const text = textReport(terminal, errors);
  try {
    command = parseCommand(argv.slice(2));
  } catch (thrown) {
    text.error(asAppError(thrown, 'reading the command line'));
    return 2;
  }
  if (command.name === 'help') {
    stdout.write(usage);
    return 0;
  }
  if (command.name === 'version') {
    stdout.write(await readFile(`${productDirectory}/version`, 'utf8').catch(() => 'unknown\n'));
    return 0;
  }
  const report = 'json' in command && command.json ? jsonReport(terminal) : text;
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      const stopped = new AppError({
        code: 'formation.stopped',
        family: 'unavailable',
        message: 'Stopped by request.',
        remedy: 'Start it again to go on.',
      });
      stop.abort(stopped);
      // A host may take its time to answer; to be ended anywhere is what the journal is for.
      setTimeout(() => {
        report.error(stopped);
        exit(1);
      }, graceMs).unref();
    });
  const formation: FormationEnv = {
    now: () => new Date(),
    monotonic: () => performance.now(),
    sleep: async (ms, signal) => {
      await delay(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
    },
    uuid: randomUUID,
    randomBytes: (count) => randomBytes(count),
    hashPassword: (password) => hashPassword(password, randomBytes(16)),
    hosts: makeHosts(),
    store: makeStore,
    engine: makeEngine,
    images: () => imagesIn(`${productDirectory}/images`),
    directory: `${stateDirectory}/formation`,
    checkpoint: killed(command),
    progress: report.progress,
  };
  try {
    return await runCommand({ formation, report, signal: stop.signal, stdin: readStdin }, command);
  } catch (thrown) {
    const error = asAppError(thrown, `doing "${command.name}"`);
    report.error(error);
    // What we did not foresee: the person who reports it needs the whole chain.
    if (error.family === 'bug') stderr.write(`  ${errorChain(thrown)}\n`);
    return error.code === 'formation.running' ? 3 : error.code.startsWith('usage.') ? 2 : 1;
  }
}

exit(await main());
