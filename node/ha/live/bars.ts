import { z } from 'zod';
import type { Run } from '../../command/run.ts';
import type { HostId } from '../../contract/ids.ts';
import { hostIdSchema, ipv4Schema } from '../../contract/ids.ts';
import { readIfThere, writeFileAtomic } from '../../files/atomic.ts';
import type { Log } from '../../log/log.ts';
import { barRules, killSockets, unbarRules } from './rules.ts';

/**
 * The rules of this host against lost hosts. On disk before they are in force, in force before anybody is told; taken
 * from the kernel before they are taken from the disk. So a crash at any line leaves a rule too many, never one too few.
 */
export type Bars = {
  inForce(): ReadonlyMap<HostId, string>;
  bar(host: HostId, fence: string, addresses: readonly string[]): Promise<void>;
  unbar(host: HostId): Promise<void>;
  /** rules of before this start, also of before a boot; to be done before bricks may serve */
  restore(): Promise<void>;
};

const barSchema = z.object({
  host: hostIdSchema,
  fence: z.string().min(1),
  addresses: z.array(ipv4Schema).min(1),
});
const fileSchema = z.object({ format: z.literal(1), bars: z.array(barSchema) });
type Bar = z.infer<typeof barSchema>;

const nftMs = 5_000;

export function makeBars(env: { path: string; run: Run; log: Log }): Bars {
  const { run, log } = env;
  const kept = new Map<HostId, Bar>();
  const inForce = new Map<HostId, string>();

  const save = () =>
    writeFileAtomic(env.path, JSON.stringify({ format: 1, bars: [...kept.values()] }, null, 1));
  const nft = (rules: string) => run(['nft', '-f', '-'], { input: rules, timeoutMs: nftMs });
  const enforce = async ({ host, fence, addresses }: Bar) => {
    await nft(barRules(host, addresses));
    inForce.set(host, fence);
    // After the rules, or it would be connected again. What is not ended here ends by Gluster's own timeouts.
    await Promise.all(
      addresses.map((address) =>
        run(killSockets(address), { timeoutMs: nftMs }).catch((error) =>
          log.error('sockets to a lost host were not ended', error, { host, address }),
        ),
      ),
    );
  };

  return {
    inForce: () => inForce,
    async bar(host, fence, addresses) {
      const bar = barSchema.parse({ host, fence, addresses });
      kept.set(host, bar);
      await save();
      await enforce(bar);
      log.info(`host ${host} is refused at the storage of this host`, { fence, addresses });
    },
    async unbar(host) {
      await nft(unbarRules(host));
      inForce.delete(host);
      kept.delete(host);
      await save();
      log.info(`host ${host} may use the storage of this host again`);
    },
    async restore() {
      const text = await readIfThere(env.path);
      if (text === undefined) return;
      for (const bar of fileSchema.parse(JSON.parse(text)).bars) {
        kept.set(bar.host, bar);
        await enforce(bar);
      }
    },
  };
}
