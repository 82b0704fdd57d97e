import { parseArgs } from 'node:util';
import { AppError, asAppError } from '../../node/contract/error.ts';
import { makeEngineClient, makeFetchSend } from '../contract/client.ts';
import { commands as commonCommands } from './commands.ts';
import { fenceCommands } from './commands-fence.ts';
import { haCommands } from './commands-ha.ts';
import { vmCommands } from './commands-vms.ts';
import type { CliEnv, Command, Context } from './env.ts';
import { haOfThisHost, hostStatus } from './local.ts';
import { login } from './login.ts';

/**
 * `trefoil COMMAND [ARGUMENTS] [OPTIONS]`. Speaks the public API and nothing else; but for `trefoil host status`, which
 * asks the agent of the host that it runs on, also when the engine is down. Exit codes: 0 done, 1 refused, 2 wrong usage.
 */
const commands: Record<string, Command> = {
  ...commonCommands,
  ...vmCommands,
  ...haCommands,
  ...fenceCommands,
};

const optionTable = {
  json: { type: 'boolean' },
  local: { type: 'boolean' },
  'no-wait': { type: 'boolean' },
  ha: { type: 'string' },
  priority: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  url: { type: 'string' },
  user: { type: 'string' },
  ca: { type: 'string' },
  fingerprint: { type: 'string' },
  name: { type: 'string' },
  minutes: { type: 'string' },
  reason: { type: 'string' },
  image: { type: 'string' },
  disk: { type: 'string' },
  cpus: { type: 'string' },
  memory: { type: 'string' },
  'user-data': { type: 'string' },
  off: { type: 'boolean' },
  active: { type: 'boolean' },
  agent: { type: 'string' },
  device: { type: 'string' },
  set: { type: 'string', multiple: true },
  secret: { type: 'string', multiple: true },
  order: { type: 'string' },
  follow: { type: 'boolean', short: 'f' },
} as const;

function help(env: CliEnv): void {
  env.out('trefoil COMMAND, where COMMAND is one of');
  const rows: Array<[string, string]> = [
    ['login [--url URL] [--user NAME] [--ca FILE]', 'log in; the password is asked for, or TREFOIL_PASSWORD'],
    ['logout', 'end the session'],
    ['host status', 'what this host says of itself, also when the engine is down (root)'],
    ['ha status --local', 'what the HA agent of this host knows, also when the engine is down (root)'],
    ...Object.values(commands).map((each): [string, string] => [each.usage, each.help]),
  ];
  for (const [usage, text] of rows) env.out(`  ${usage}\n      ${text}`);
  env.out('Everywhere: --json for programs, --no-wait to not wait for the job.');
}

const usageError = (message: string): AppError =>
  new AppError({ code: 'cli.usage', family: 'invalid', message, remedy: 'See trefoil --help.' });

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: optionTable, allowPositionals: true });
  } catch (cause) {
    throw usageError(cause instanceof Error ? `${cause.message.split('\n')[0]}.` : 'That is not understood.');
  }
}

/** `vms start x`: two words name it; `status`: one does; `vms` alone lists. */
function findCommand(words: readonly string[]): { command: Command; args: string[] } | undefined {
  const [first = '', second = ''] = words;
  const two = commands[`${first} ${second}`];
  if (two !== undefined) return { command: two, args: words.slice(2) };
  const one = commands[first] ?? (words.length === 1 ? commands[`${first} list`] : undefined);
  return one === undefined ? undefined : { command: one, args: words.slice(1) };
}

async function run(env: CliEnv, argv: readonly string[]): Promise<void> {
  const { values, positionals } = parse(argv);
  const [first, second] = positionals;
  if (first === undefined || first === 'help' || values.help === true) return help(env);
  if (first === 'login') {
    const { user, url } = await login(env, values);
    env.out(`Logged in to ${url} as ${user}.`);
    return;
  }
  if (first === 'host') {
    if (second !== 'status') throw usageError('Of a host there is only "host status".');
    return hostStatus(env, values.json === true);
  }
  const isHaStatus = first === 'ha' && second === 'status';
  if (isHaStatus && values.local === true) return haOfThisHost(env, values.json === true);
  const session = await env.load();
  // On a host nobody needs to be logged in to see why the engine is away.
  if (session === undefined && isHaStatus) return haOfThisHost(env, values.json === true);
  if (session === undefined)
    throw new AppError({
      code: 'session.required',
      family: 'denied',
      message: 'You are not logged in.',
      remedy: 'trefoil login --url https://ENGINE',
    });
  const client = makeEngineClient(
    makeFetchSend({ baseUrl: session.url, token: () => session.token, fetch: env.fetchWith(session.trust) }),
  );
  if (first === 'logout') {
    await client.call('deleteSession').catch(() => {});
    await env.save(undefined);
    env.out('Logged out.');
    return;
  }
  const found = findCommand(positionals);
  if (found === undefined) throw usageError(`There is no command "${positionals.join(' ')}".`);
  const context: Context = {
    env,
    client,
    session,
    json: values.json === true,
    wait: values['no-wait'] !== true,
    args: found.args,
    options: values,
  };
  try {
    await found.command.run(context);
  } catch (thrown) {
    if (!isHaStatus || asAppError(thrown, 'asking the engine').family !== 'unavailable') throw thrown;
    // The engine is away: on a host its own agent says what is known. Elsewhere the first failure is the one to read.
    await haOfThisHost(env, context.json).catch(() => {
      throw thrown;
    });
  }
}

export async function cli(env: CliEnv, argv: readonly string[]): Promise<number> {
  try {
    await run(env, argv);
    return 0;
  } catch (thrown) {
    if (env.signal.aborted) return 130;
    const error = asAppError(thrown, 'doing this');
    env.err(error.message);
    if (error.remedy !== undefined) env.err(error.remedy);
    if (error.code === 'internal.bug' && thrown instanceof Error) env.err(String(thrown.stack));
    return error.code === 'cli.usage' ? 2 : 1;
  }
}
