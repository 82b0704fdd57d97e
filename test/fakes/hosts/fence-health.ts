import { clusterHostSchema } from '../../../node/contract/cluster.ts';
import { etcdKeys } from '../../../node/contract/etcd.ts';
import { fenceDeviceSchema, fenceHealthSchema, fenceKeys } from '../../../node/contract/fence.ts';
import { haKeys } from '../../../node/contract/ha.ts';
import { type Health, makeHealth } from '../../../node/fence/health.ts';
import { silentLog } from '../../../node/log/log.ts';
import { openFence } from './handlers-fence.ts';
import { type FakeHost, type FakeWorld, hostById, hostNow } from './model.ts';
import { askPower } from './power.ts';

export type FenceHealthAgents = {
  /** as if the hour were over */
  askAll(): Promise<void>;
  stop(): void;
};

/** The hourly check of fence devices, by the hosts' own code over the world's etcd; a changed device is asked at once. */
export function startFenceHealth(world: FakeWorld): FenceHealthAgents {
  const checks = new Map<FakeHost, Health>();
  const stop = new AbortController();
  let skippedMs = 0;
  let notes = 1_000_000;
  let working: Promise<void> = Promise.resolve();

  const valuesUnder = (prefix: string): unknown[] =>
    world.etcd.withPrefix(prefix).flatMap(([, { value }]) => {
      try {
        return [JSON.parse(value)];
      } catch {
        return [];
      }
    });
  const those = <T>(
    prefix: string,
    schema: { safeParse(value: unknown): { success: true; data: T } | { success: false } },
  ): T[] =>
    valuesUnder(prefix).flatMap((value) => {
      const parsed = schema.safeParse(value);
      return parsed.success ? [parsed.data] : [];
    });
  const members = () => those(etcdKeys.hosts, clusterHostSchema);

  const newCheck = (host: FakeHost): Health =>
    makeHealth({
      own: host.id,
      log: silentLog,
      clock: { now: () => performance.now() + skippedMs, sleep: async () => {} },
      now: () => hostNow(world, host),
      openSecrets: (device) => openFence(host, device),
      agents: { status: async ({ options, secrets }) => askPower(world, host.id, options, secrets) },
      look: async () => ({
        view: {
          members: members().map(({ id }) => id),
          online: members().flatMap(({ id }) => (hostById(world, id)?.powered === true ? [id] : [])),
          leader: undefined,
        },
        devices: those(fenceKeys.devices, fenceDeviceSchema),
        healths: those(fenceKeys.healths, fenceHealthSchema),
        names: new Map(members().map(({ id, name }) => [id, name])),
      }),
      note: async (note) => {
        notes += 1;
        const at = hostNow(world, host).toISOString();
        world.etcd.set(haKeys.note(at, host.id, notes), JSON.stringify({ v: 1, at, by: host.id, ...note }));
      },
      write: async (health) => void world.etcd.set(fenceKeys.health(health.device), JSON.stringify(health)),
      remove: async (id) => void world.etcd.delete(fenceKeys.health(id)),
    });

  const round = async () => {
    for (const { id } of members()) {
      const host = hostById(world, id);
      if (host?.powered !== true || stop.signal.aborted) continue;
      const check = checks.get(host) ?? newCheck(host);
      checks.set(host, check);
      await check.tick(stop.signal);
    }
  };
  const soon = () => {
    working = working.then(round, round);
    return working;
  };
  let seen = '';
  const off = world.etcd.onChange(() => {
    const now = JSON.stringify(
      world.etcd.withPrefix(fenceKeys.devices).map(([key, { revision }]) => [key, revision]),
    );
    if (now === seen) return;
    seen = now;
    void soon();
  });
  return {
    askAll() {
      skippedMs += 3_600_000;
      return soon();
    },
    stop() {
      stop.abort();
      off();
    },
  };
}
