import { type EngineSeed, engineSeedSchema } from '../../engine/contract/seed.ts';
import { AppError } from '../../node/contract/error.ts';
import {
  enginePriority,
  type HaSpec,
  type HaVm,
  haAssignmentSchema,
  haKeys,
} from '../../node/contract/ha.ts';
import { nameSchema } from '../../node/contract/ids.ts';
import { bridgeNameOf } from '../../node/contract/network.ts';
import type { Task } from '../../node/contract/tasks.ts';
import type { VmStatus } from '../../node/contract/vms.ts';
import { etcdPort } from '../etcd/store.ts';
import { addressOf } from '../net/ipv4.ts';
import { etcdMembersOf, firstOf } from '../plan/model.ts';
import { enginePaths } from '../plan/plan.ts';
import { storeOf } from './declare.ts';
import { agentOf, late, need, type StepContext, type StepWork, until } from './model.ts';

const copyMs = 20 * 60_000;
const startMs = 60_000;
const readyMs = 10 * 60_000;

/** Follows a host's task to its end. */
async function finished(context: StepContext, started: Task, what: string): Promise<void> {
  const agent = agentOf(context, firstOf(context.plan));
  const task = await until(
    context,
    {
      deadlineMs: copyMs,
      everyMs: 300,
      otherwise: late('task.slow', `${what} takes too long.`, 'See whether the storage is well.'),
    },
    async () => {
      const now =
        started.state === 'running' ? await agent.call('getTask', { params: { id: started.id } }) : started;
      if (now.state !== 'running') return now;
      context.detail(now.progress === undefined ? what : `${what}: ${Math.round(now.progress * 100)} %`);
      return undefined;
    },
  );
  if (task.state === 'done') return;
  throw task.error === undefined
    ? new AppError({ code: 'task.failed', family: 'unavailable', message: `${what} was broken off.` })
    : AppError.fromBody({ error: task.error });
}

export const engineDisks: StepWork = {
  run: async (context) => {
    const { systemDisk, dataDisk } = context.plan.engine;
    const agent = agentOf(context, firstOf(context.plan));
    const disk = { volume: enginePaths.volume, format: 'raw' } as const;
    const system = await agent.call('putDiskFile', {
      body: { ...disk, ...systemDisk, path: enginePaths.system, from: { kind: 'engine-image' } },
    });
    await finished(context, system, "Copying the engine's system");
    const data = await agent.call('putDiskFile', { body: { ...disk, ...dataDisk, path: enginePaths.data } });
    await finished(context, data, "Making the engine's data disk");
  },
};

function seedOf({ plan, open }: StepContext): EngineSeed {
  const { engine } = plan;
  const { engine: leaf } = open.secrets();
  return engineSeedSchema.parse({
    format: 1,
    generation: 1,
    cluster: plan.cluster,
    network: {
      address: engine.address,
      ...(engine.gateway === undefined ? {} : { gateway: engine.gateway }),
      dns: engine.dns,
      hostName: engine.hostName,
    },
    tls: {
      caCertificate: need(open.journal().authority, 'an authority'),
      certificate: need(leaf?.certificate, "the engine's certificate"),
      key: need(leaf?.key, "the engine's key"),
    },
    admin: plan.admin,
    hosts: plan.hosts.map(({ id, name, address, storageAddress }) => ({ id, name, address, storageAddress })),
    etcd: { endpoints: etcdMembersOf(plan).map(({ address }) => `https://${address}:${etcdPort}`) },
    timeServers: plan.timeServers.length > 0 ? plan.timeServers : plan.hosts.map(({ address }) => address),
    networks: firstOf(plan)
      .networks.filter((network) => network.bridge)
      .map(({ name }) => ({ name, bridge: bridgeNameOf(name) })),
    volumes: plan.volumes.map(({ name, forVms }) => ({ name, forVms })),
  });
}

/** The engine's key leaves this host's disk in `tidy`: until then the seed may have to be written again. */
export const engineSeed: StepWork = {
  run: async (context) => {
    await agentOf(context, firstOf(context.plan)).call('putEngineSeed', {
      body: { volume: enginePaths.volume, path: enginePaths.seed, seed: seedOf(context) },
    });
  },
};

/** Where the engine's VM runs, or was seen last: HA may have moved it since. */
export async function engineVm(context: StepContext): Promise<VmStatus | undefined> {
  const { plan } = context;
  const seen = await Promise.all(
    plan.hosts.map((host) =>
      agentOf(context, host)
        .call('getVms')
        .catch(() => []),
    ),
  );
  const all = seen.flat().filter((vm) => vm.id === plan.engine.spec.id);
  return all.find((vm) => vm.state === 'running') ?? all[0];
}

/** The engine's VM is the HA VM with the highest priority: it is declared, and the hosts start it and keep it running. */
function engineRecords({ plan }: StepContext, generation: number): [string, string][] {
  const { spec } = plan.engine;
  const vm: HaVm = {
    v: 1,
    id: spec.id,
    name: nameSchema.parse(spec.name),
    generation,
    wanted: 'running',
    priority: enginePriority,
    memoryMiB: spec.memoryMiB,
    volumes: [...new Set(spec.disks.map(({ volume }) => volume))],
    preferredHost: firstOf(plan).id,
  };
  const kept: HaSpec = { v: 1, id: spec.id, generation, spec };
  return [
    [haKeys.spec(spec.id), JSON.stringify(kept)],
    [haKeys.vm(spec.id), JSON.stringify(vm)],
  ];
}

async function wantEngine(context: StepContext): Promise<void> {
  const { id } = context.plan.engine.spec;
  const store = storeOf(context);
  if (await store.putAllOnce(haKeys.vm(id), engineRecords(context, 1))) return;
  // A guest that shut itself down stays off until it is wanted anew.
  const text = await store.get(haKeys.assignment(id));
  const assignment = text === undefined ? undefined : haAssignmentSchema.parse(JSON.parse(text));
  if (assignment?.state !== 'ended') return;
  for (const [key, value] of engineRecords(context, assignment.generation + 1)) await store.put(key, value);
}

export const engineStart: StepWork = {
  isDone: async (context) => (await engineVm(context))?.state === 'running',
  run: async (context) => {
    await wantEngine(context);
    await until(
      context,
      {
        deadlineMs: startMs,
        otherwise: late(
          'engine.not-started',
          "The engine's VM does not start.",
          'See "journalctl -u trefoil-ha" on the hosts.',
        ),
      },
      async () => ((await engineVm(context))?.state === 'running' ? true : undefined),
    );
  },
};

/** Guest images go onto the volume `data` while the engine boots. */
export const images: StepWork = {
  isDone: async (context) => (await missingImages(context)).length === 0,
  run: async (context) => {
    for (const image of await missingImages(context)) {
      context.detail(`Copying ${image.name}`);
      await context.env.hosts.upload({ ...image, volume: 'data' });
    }
  },
};

async function missingImages(context: StepContext) {
  const there = await agentOf(context, firstOf(context.plan)).call('getImages');
  return context.plan.images.filter((image) => !there.some((each) => each.id === image.id));
}

export const engineReady: StepWork = {
  run: async (context) => {
    const { env, plan, open } = context;
    // It may have ended since: whoever runs formation again wants it started again.
    if ((await engineVm(context))?.state !== 'running') await engineStart.run(context);
    const address = addressOf(plan.engine.address);
    const engine = env.engine(address, need(open.journal().authority, 'an authority'));
    await until(
      context,
      {
        deadlineMs: readyMs,
        everyMs: 1_000,
        otherwise: late(
          'engine.silent',
          `The engine at ${address} does not become ready.`,
          `See what it says on its console: /var/log/trefoil/console/${plan.engine.spec.id}.log on the first host.`,
        ),
      },
      async () => {
        const health = await engine.health();
        if (health?.state === 'ready') return true;
        const vm = await engineVm(context);
        if (vm?.state === 'off') throw notRunning(vm);
        const boots = vm?.state === 'running' ? 'it boots' : 'it is started again';
        context.detail(health === undefined ? boots : `it says: ${health.state}`);
        return undefined;
      },
    );
  },
};

const notRunning = (vm: VmStatus): AppError =>
  new AppError({
    code: 'engine.not-running',
    family: 'conflict',
    message: `The engine's VM is ${vm.state}${vm.reason === '' ? '' : `: ${vm.reason}`}.`,
    remedy: `See what it said on its console: /var/log/trefoil/console/${vm.id}.log on the first host.`,
  });
