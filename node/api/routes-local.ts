import type { Hono } from 'hono';
import { AppError } from '../contract/error.ts';
import type { Membership } from '../contract/host.ts';
import type { HostId } from '../contract/ids.ts';
import { type Join, joinSchema } from '../contract/pairing.ts';
import { shownCode } from '../pairing/code.ts';
import { jsonBody } from './answer.ts';
import type { Bindings } from './app.ts';

export type LocalRoutesEnv = {
  membership(): Membership;
  identity: { id: HostId; fingerprint(): string; csr(): Promise<string>; join(join: Join): Promise<void> };
  code(): { code: string; triesLeft: number };
};

/** What only root on this host may ask, by the unix socket: the code, and the first host's own joining. */
export function mountLocal(app: Hono<Bindings>, env: LocalRoutesEnv): void {
  app.get('/local/v1/pairing', (c) => {
    if (env.membership().state === 'joined') throw noCode();
    const { code, triesLeft } = env.code();
    return c.json({ code: shownCode(code), triesLeft, fingerprint: env.identity.fingerprint() });
  });
  app.post('/local/v1/csr', async (c) => c.json({ hostId: env.identity.id, csr: await env.identity.csr() }));
  app.post('/local/v1/join', async (c) => {
    const limits = { limitBytes: 128 * 1024, deadlineMs: 10_000 };
    await env.identity.join(await jsonBody(c, joinSchema, limits));
    return c.body(null, 204);
  });
}

const noCode = (): AppError =>
  new AppError({
    code: 'pairing.already-joined',
    family: 'conflict',
    message: 'This host belongs to a cluster, so it has no pairing code.',
  });
