import { Agent, fetch } from 'undici';
import { z } from 'zod';
import { eventually } from '../support/eventually.ts';
import type { ClusterFile } from './cluster-file.ts';
import type { Lab } from './lab.ts';

const healthSchema = z.object({ state: z.string(), version: z.string() });
export type EngineHealth = z.infer<typeof healthSchema>;

/** The cluster's authority, off the first host. */
export async function readAuthority(lab: Lab): Promise<string> {
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('a cluster needs a host');
  const { stdout } = await first.exec(['cat', '/var/lib/trefoil/identity/tls/ca.pem']);
  return stdout;
}

/** What the engine says of itself, or undefined when it does not answer (yet) or is not ready. */
export async function readyHealth(
  engine: Pick<ClusterFile['engine'], 'url' | 'ca'>,
): Promise<EngineHealth | undefined> {
  const dispatcher = new Agent({ connect: { ca: engine.ca }, headersTimeout: 5_000, bodyTimeout: 5_000 });
  try {
    const answer = await fetch(`${engine.url}/api/v1/health`, {
      dispatcher,
      signal: AbortSignal.timeout(5_000),
    });
    const health = healthSchema.safeParse(await answer.json());
    return answer.ok && health.success ? health.data : undefined;
  } catch {
    return undefined;
  } finally {
    await dispatcher.destroy();
  }
}

export const waitForEngine = (
  engine: Pick<ClusterFile['engine'], 'url' | 'ca'>,
  deadlineMs: number,
): Promise<EngineHealth> =>
  eventually(`the engine at ${engine.url}`, () => readyHealth(engine), { deadlineMs, everyMs: 500 });
