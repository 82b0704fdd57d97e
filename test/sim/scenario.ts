import { z } from 'zod';
import { enginePriority } from '../../node/contract/ha.ts';
import type { HostId, VmId } from '../../node/contract/ids.ts';
import type { Plan } from './plan.ts';

/** A scenario is data (JSON): a small cluster, what happens to it when, and what must come of it. README.md has it all. */
const host = z.string();
const net = z.enum(['mgmt', 'stor']).optional();
const direction = z.enum(['in', 'out']).optional();
const vm = z.string();
const ms = z.number().nonnegative();
const as = z.string().optional();
const simpleCommands = [
  'power-off',
  'power-on',
  'freeze',
  'thaw',
  'stop-agent',
  'go-on-agent',
  'brick-down',
  'brick-up',
  'etcd-stop',
  'etcd-start',
  'hang-ends',
  'fail-starts',
  'hang-libvirt',
  'kill-bmc',
  'lie-bmc',
  'slow-bmc',
  'disarm-watchdog',
  'maintenance',
  'end-maintenance',
  'confirm-off',
  'work-again',
] as const;
export type SimpleCommand = (typeof simpleCommands)[number];
const allCommands = z.strictObject({
  do: z.enum(['all-off', 'all-on', 'etcd-down', 'etcd-up', 'arm', 'cut-engine', 'mend-engine']),
});
export const commandSchema = z.union([
  z.strictObject({ do: z.enum(simpleCommands), host, as }),
  allCommands,
  z.strictObject({ do: z.literal('disarm'), forMs: z.number().int().positive() }),
  z.strictObject({ do: z.enum(['hang-engine', 'end-engine']), backInMs: ms.optional() }),
  z.strictObject({ do: z.enum(['cut', 'mend']), host, as, net, direction }),
  z.strictObject({ do: z.enum(['sever', 'join']), host, as, from: host }),
  z.strictObject({ do: z.literal('flap'), host, as, net, downMs: ms, upMs: ms, times: z.number().int() }),
  z.strictObject({ do: z.literal('crash-agent'), host, as, backInMs: ms.default(2_000) }),
  z.strictObject({ do: z.literal('slow-disk'), host, as, byMs: ms }),
  z.strictObject({ do: z.literal('jump-clock'), host, as, byMs: z.number() }),
  z.strictObject({ do: z.enum(['crash-vm', 'shut-down-guest', 'stop-vm', 'start-vm', 'delete-vm']), vm }),
  z.strictObject({ do: z.literal('leftover'), host, as, vm, epoch: z.number().int() }),
  z.strictObject({
    do: z.literal('migrate'),
    vm,
    to: host,
    takesMs: ms.default(3_000),
    orderMs: ms.nullable().default(100),
    cancelMs: ms.optional(),
    answerIsLost: z.boolean().default(false),
  }),
  z.strictObject({ do: z.enum(['corrupt', 'newer', 'repair']), record: z.string() }),
]);

const vmSchema = z.strictObject({
  priority: z.number().int().optional(),
  startDelaySeconds: z.number().int().optional(),
  memoryMiB: z.number().int().default(1_024),
  allowedHosts: z.array(host).optional(),
  preferredHost: host.optional(),
});
export const scenarioSchema = z.strictObject({
  hosts: z.number().int().min(1).max(12).default(3),
  /** so many, or each by itself: vm1, vm2 ... */
  vms: z.union([z.number().int().min(0), z.array(vmSchema)]).default(3),
  /** vm1 is the engine's */
  engine: z.boolean().default(false),
  memoryMiB: z.number().int().default(8_192),
  watchdogMs: z.number().int().optional(),
  /** each host has a fence device */
  bmc: z.boolean().default(false),
  /** the VMs' disks are on storage outside the cluster, which cannot be refused to a host */
  external: z.boolean().default(false),
  /** now and then what a host does takes up to sixty times as long */
  slow: z.boolean().default(false),
  /** monotonic clocks that run faster or slower than the true one */
  clockRates: z.record(z.string(), z.number().positive()).default({}),
  commands: z.array(z.intersection(z.object({ atMs: ms }), z.looseObject({ do: z.string() }))),
  untilMs: z.number().positive(),
  /** of what is left to chance: how long things take */
  seed: z.number().int().default(1),
  /** what must be true at the end; the laws must hold in any case */
  expect: z
    .strictObject({
      /** VMs that run, and write to their disks */
      running: z.union([z.enum(['all', 'none']), z.array(vm)]).optional(),
      /** hosts that were ever called fenced, by the names that commands gave them too */
      fenced: z.array(host).optional(),
      /** VMs that got a new epoch after the first command */
      movedBy: z.enum(['nobody', 'failover', 'migration']).optional(),
      /** no VM was longer without a write than this */
      outageMs: z.number().optional(),
    })
    .default({}),
});
export type Command = z.infer<typeof commandSchema>;
export type Scenario = Omit<z.infer<typeof scenarioSchema>, 'commands'> & {
  commands: ({ atMs: number } & Command)[];
};

/** Throws what does not fit, with the command's number. */
export function readScenario(json: unknown): Scenario {
  const raw = scenarioSchema.parse(json);
  const commands = raw.commands.map(({ atMs, ...command }, index) => {
    const parsed = commandSchema.safeParse(command);
    if (!parsed.success)
      throw new Error(`command ${index + 1} (${command.do}) is none: ${z.prettifyError(parsed.error)}`);
    return { atMs, ...parsed.data };
  });
  return { ...raw, commands };
}

// The simulator's ids only have to be ids.
const idOf = (kind: string, number: number) =>
  `${kind}${String(number).padStart(7, '0')}-0000-4000-8000-000000000000`;
export const hostId = (number: number): HostId => idOf('0', number) as HostId;
export const vmId = (number: number): VmId => idOf('a', number) as VmId;
const hostIdOf = (name: string): HostId => hostId(Number(name.slice('host'.length)));

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

export function planOf(scenario: Scenario): Plan {
  const hosts = numbers(scenario.hosts).map((number) => ({
    id: hostId(number),
    name: `host${number}`,
    memoryMiB: scenario.memoryMiB,
    rate: scenario.clockRates[`host${number}`] ?? 1,
    bmc: scenario.bmc,
    ...(scenario.watchdogMs === undefined ? {} : { watchdogMs: scenario.watchdogMs }),
  }));
  // Three hosts to a replica set; with more hosts the sets overlap, as formation lays them.
  const replicaSets =
    scenario.hosts < 3
      ? [[hostId(1)]]
      : numbers(scenario.hosts).map((number) =>
          [0, 1, 2].map((step) => hostId(((number - 1 + step) % scenario.hosts) + 1)),
        );
  const vms = Array.isArray(scenario.vms)
    ? scenario.vms
    : numbers(scenario.vms).map(() => vmSchema.parse({}));
  return {
    hosts,
    slow: scenario.slow,
    volumes: [{ name: 'data', replicaSets: scenario.external ? [] : replicaSets }],
    vms: vms.map(({ priority, startDelaySeconds, memoryMiB, allowedHosts, preferredHost }, index) => ({
      id: vmId(index + 1),
      name: `vm${index + 1}`,
      priority: scenario.engine && index === 0 ? enginePriority : (priority ?? 99 - index),
      memoryMiB,
      volume: 'data',
      ...(startDelaySeconds === undefined ? {} : { startDelaySeconds }),
      ...(allowedHosts === undefined ? {} : { allowedHosts: allowedHosts.map(hostIdOf) }),
      ...(preferredHost === undefined ? {} : { preferredHost: hostIdOf(preferredHost) }),
    })),
  };
}
