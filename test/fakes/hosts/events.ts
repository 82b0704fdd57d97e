import type { NodeEvent } from '../../../node/contract/events.ts';
import { hostHandlers } from './handlers-host.ts';
import { volumeStatusOf } from './handlers-storage.ts';
import { statisticsOf, vmHandlers } from './handlers-vms.ts';
import { type FakeHost, type FakeWorld, hostNow } from './model.ts';

/**
 * GET /v1/events: present states, `snapshot-done`, then changes; load, volumes and statistics every `everyMs`.
 * Returns the function that ends it.
 */
export async function streamEvents(
  world: FakeWorld,
  host: FakeHost,
  send: (event: NodeEvent) => void,
  everyMs = 5_000,
): Promise<() => void> {
  const call = { world, host, params: {}, body: undefined };
  const measured = async () => {
    send({ kind: 'load', load: await hostHandlers.getLoad(call) });
    for (const volume of world.volumes.values())
      send({ kind: 'volume', status: volumeStatusOf(world, host, volume) });
  };
  for (const status of await vmHandlers.getVms(call)) send({ kind: 'vm', status });
  for (const task of host.tasks.values()) send({ kind: 'task', task });
  await measured();
  send({ kind: 'snapshot-done' });
  host.events.on('event', send);
  const timer = setInterval(() => {
    void measured();
    send({ kind: 'vm-statistics', statistics: statisticsOf(world, host) });
    send({ kind: 'heartbeat', now: hostNow(world, host).toISOString() });
  }, everyMs);
  return () => {
    clearInterval(timer);
    host.events.off('event', send);
  };
}
