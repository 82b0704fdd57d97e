import { AppError } from '../../node/contract/error.ts';
import { makeEngineClient, makeFetchSend } from '../contract/client.ts';
import type { CliEnv, SavedSession } from './env.ts';

export type LoginOptions = {
  url?: string | undefined;
  user?: string | undefined;
  ca?: string | undefined;
  fingerprint?: string | undefined;
};

const usage = (message: string, remedy: string): AppError =>
  new AppError({ code: 'cli.usage', family: 'invalid', message, remedy });

/** The cluster has its own authority: it is told by a file, or a person compares the certificate's fingerprint once. */
async function trustFor(env: CliEnv, url: string, options: LoginOptions): Promise<SavedSession['trust']> {
  if (options.ca !== undefined) return { kind: 'ca', pem: await env.readFile(options.ca) };
  const plain = (text: string) => text.replaceAll(':', '').toLowerCase();
  if (options.fingerprint !== undefined) return { kind: 'fingerprint', sha256: plain(options.fingerprint) };
  if (!url.startsWith('https:')) return { kind: 'system' };
  const sha256 = await env.fingerprintOf(url);
  if (!env.interactive)
    throw usage(
      `The engine's certificate is not known here; its SHA-256 is ${sha256}.`,
      'Give --ca FILE, or --fingerprint SHA256 after comparing it.',
    );
  env.err(`The engine at ${url} shows a certificate with the SHA-256\n  ${sha256}`);
  const answer = await env.ask('Is this the one? Type yes: ');
  if (answer.trim().toLowerCase() !== 'yes')
    throw usage('Not logged in.', 'Compare the fingerprint with what the console of the first host shows.');
  return { kind: 'fingerprint', sha256 };
}

export async function login(env: CliEnv, options: LoginOptions): Promise<SavedSession> {
  const before = await env.load();
  const given = options.url ?? env.variable('TREFOIL_URL') ?? before?.url;
  if (given === undefined) throw usage('Say where the engine is.', 'trefoil login --url https://ENGINE');
  const url = new URL(given.includes('://') ? given : `https://${given}`).origin;
  const explicit = options.ca !== undefined || options.fingerprint !== undefined;
  const trust =
    !explicit && before !== undefined && before.url === url
      ? before.trust
      : await trustFor(env, url, options);
  const name = options.user ?? env.variable('TREFOIL_USER') ?? before?.user ?? 'admin';
  const password = env.variable('TREFOIL_PASSWORD') ?? (await askPassword(env, name));
  const client = makeEngineClient(makeFetchSend({ baseUrl: url, fetch: env.fetchWith(trust) }));
  const session = await client.call('createSession', { body: { name, password } });
  const saved = { url, user: session.user.name, token: session.token ?? '', trust };
  await env.save(saved);
  return saved;
}

async function askPassword(env: CliEnv, name: string): Promise<string> {
  if (env.interactive) return env.ask(`Password of ${name}: `, { secret: true });
  throw usage('There is nobody to ask for the password.', 'Set TREFOIL_PASSWORD.');
}
