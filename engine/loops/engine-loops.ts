import type { ClusterFacts } from '../cluster/facts.ts';
import type { Db } from '../db/database.ts';
import { deleteEventsBefore } from '../events/store.ts';
import type { FenceSecrets } from '../fence/secrets.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { deleteJobsBefore } from '../jobs/store.ts';
import type { Images } from '../storage/images.ts';
import { deleteExpiredSessions } from '../users/store.ts';
import type { Reconciler } from '../vms/reconcile.ts';
import type { World } from '../world/world.ts';
import type { Loop } from './loops.ts';

export type EngineLoopsEnv = {
  db: Db;
  facts: ClusterFacts;
  fenceSecrets: FenceSecrets;
  hosts: Hosts;
  images: Images;
  reconciler: Reconciler;
  world: World;
  now(): Date;
};

const keepDays = 90;
const askMs = 8_000;
const within = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(askMs)]);

/** Everything that the engine does by itself, again and again. */
export function engineLoops(env: EngineLoopsEnv): Loop[] {
  return [
    {
      name: 'reconcile',
      purpose: 'compares each VM with what hosts report',
      periodMs: 5_000,
      run: async () => {
        const result = await env.reconciler.all();
        // It may have found strays, or a VM that runs twice.
        env.world.tellOverview();
        return result;
      },
    },
    {
      name: 'overview',
      purpose: 'tells whether everything is fine, when that may have changed',
      periodMs: 1_000,
      run: async () => {
        env.world.flushOverview();
        return 'told';
      },
    },
    {
      name: 'etcd',
      purpose: 'asks the hosts how the cluster’s store is',
      periodMs: 5_000,
      run: async (signal) => {
        const result = await env.facts.askEtcd(within(signal));
        env.world.tellOverview();
        return result;
      },
    },
    {
      name: 'cluster-document',
      purpose: 'reads what the hosts know together',
      periodMs: 60_000,
      run: () => env.facts.readStore(),
    },
    {
      name: 'host-facts',
      purpose: 'asks the hosts what hardware they have',
      periodMs: 30_000,
      run: async (signal) => {
        const answers = await Promise.allSettled(
          env.hosts.online().map(async ({ link, picture }) => {
            const info = await link.client.call('getHost', {}, { signal: within(signal) });
            if (picture !== undefined) picture.info = info;
          }),
        );
        return `${answers.filter(({ status }) => status === 'fulfilled').length} of ${answers.length} hosts answered`;
      },
    },
    {
      name: 'images',
      purpose: 'looks for images on the volumes',
      periodMs: 15_000,
      run: (signal) =>
        env.images.refresh(
          env.facts.volumes.filter(({ forVms }) => forVms).map(({ name }) => name),
          within(signal),
        ),
    },
    {
      name: 'fence-secrets',
      purpose: 'gives hosts that lack them the passwords of fence devices',
      periodMs: 60_000,
      run: async (signal) => {
        const result = await env.fenceSecrets.spread(signal);
        env.world.tellHa();
        return result;
      },
    },
    {
      name: 'housekeeping',
      purpose: `forgets ended sessions, and events and jobs older than ${keepDays} days`,
      periodMs: 60 * 60_000,
      run: async () => {
        const now = env.now();
        const before = new Date(now.getTime() - keepDays * 24 * 60 * 60_000);
        await deleteExpiredSessions(env.db, now);
        await deleteEventsBefore(env.db, before);
        await deleteJobsBefore(env.db, before);
        return 'done';
      },
    },
  ];
}
