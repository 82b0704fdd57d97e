import { z } from 'zod';
import type { HostId, VmId } from '../../node/contract/ids.ts';
import type { Machine } from './machine.ts';
import type { World } from './world.ts';

/** A scenario is data (JSON): a small cluster, and what happens to it when. See README.md for each command. */
const host = z.string();
const net = z.enum(['mgmt', 'stor']);
const direction = z.enum(['in', 'out']);
export const commandSchema = z.discriminatedUnion('do', [
  z.object({ do: z.literal('power-off'), host }),
  z.object({ do: z.literal('power-on'), host }),
  z.object({ do: z.literal('all-off') }),
  z.object({ do: z.literal('all-on') }),
  z.object({ do: z.literal('cut'), host, net: net.optional(), direction: direction.optional() }),
  z.object({ do: z.literal('mend'), host, net: net.optional(), direction: direction.optional() }),
  z.object({ do: z.literal('freeze'), host }),
  z.object({ do: z.literal('thaw'), host }),
  z.object({ do: z.literal('crash-agent'), host, backInMs: z.number().default(2_000) }),
  z.object({ do: z.literal('stop-agent'), host }),
  z.object({ do: z.literal('go-on-agent'), host }),
  z.object({ do: z.literal('brick-down'), host }),
  z.object({ do: z.literal('brick-up'), host }),
  z.object({ do: z.literal('hang-ends'), host }),
  z.object({ do: z.literal('fail-starts'), host }),
  z.object({ do: z.literal('work-again'), host }),
  z.object({ do: z.literal('crash-vm'), vm: z.string() }),
  z.object({ do: z.literal('kill-bmc'), host }),
]);
export const scenarioSchema = z.object({
  hosts: z.number().int().min(1).max(12).default(3),
  vms: z.number().int().min(0).default(3),
  memoryMiB: z.number().int().default(8_192),
  watchdogMs: z.number().int().optional(),
  /** each host has a fence device */
  bmc: z.boolean().default(false),
  /** the VMs' disks are on storage outside the cluster, which cannot be refused to a host */
  external: z.boolean().default(false),
  /** now and then what a host does takes up to sixty times as long */
  slow: z.boolean().default(false),
  commands: z.array(z.object({ atMs: z.number().nonnegative() }).and(commandSchema)),
  untilMs: z.number().positive(),
});
export type Command = z.infer<typeof commandSchema>;
export type Scenario = z.infer<typeof scenarioSchema>;

// The simulator's ids only have to be ids.
const idOf = (kind: string, number: number) =>
  `${kind}${String(number).padStart(7, '0')}-0000-4000-8000-000000000000`;
export const hostId = (number: number): HostId => idOf('0', number) as HostId;
export const vmId = (number: number): VmId => idOf('a', number) as VmId;

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

export function planOf(scenario: Scenario): ConstructorParameters<typeof World>[0] {
  const hosts = numbers(scenario.hosts).map((number) => ({
    id: hostId(number),
    name: `host${number}`,
    memoryMiB: scenario.memoryMiB,
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
  return {
    hosts,
    slow: scenario.slow,
    volumes: [{ name: 'data', replicaSets: scenario.external ? [] : replicaSets }],
    vms: numbers(scenario.vms).map((number) => ({
      id: vmId(number),
      name: `vm${number}`,
      priority: 100 - number,
      memoryMiB: 1_024,
      volume: 'data',
    })),
  };
}

const cut = (
  machine: Machine,
  isThrough: boolean,
  only: { net?: string | undefined; direction?: string | undefined },
) => {
  for (const name of ['mgmt', 'stor'] as const)
    for (const way of ['in', 'out'] as const)
      if ((only.net ?? name) === name && (only.direction ?? way) === way) machine.nets[name][way] = isThrough;
};

export function carryOut(world: World, command: Command): void {
  const { do: what, ...rest } = command;
  world.say(`--- ${what} ${Object.values(rest).join(' ')}`.trimEnd());
  switch (command.do) {
    case 'all-off':
      for (const one of world.machines) world.powerOff(one);
      return;
    case 'all-on':
      for (const one of world.machines) world.powerOn(one);
      return;
    case 'crash-vm':
      world.crashVm(command.vm);
      return;
    default:
      carryOutOn(world, world.machine(command.host), command);
  }
}

function carryOutOn(world: World, machine: Machine, command: Extract<Command, { host: string }>): void {
  switch (command.do) {
    case 'power-off':
      world.powerOff(machine);
      return;
    case 'power-on':
      world.powerOn(machine);
      return;
    case 'cut':
      cut(machine, false, command);
      return;
    case 'mend':
      cut(machine, true, command);
      return;
    case 'freeze':
      machine.isFrozen = machine.isOn;
      return;
    case 'thaw':
      machine.isFrozen = false;
      return;
    case 'crash-agent':
      world.crashAgent(machine, command.backInMs);
      return;
    case 'stop-agent':
      machine.agentIsStopped = true;
      return;
    case 'go-on-agent':
      machine.agentIsStopped = false;
      return;
    case 'brick-down':
      machine.brickIsUp = false;
      return;
    case 'brick-up':
      machine.brickIsUp = true;
      return;
    case 'hang-ends':
      machine.endsHang = true;
      return;
    case 'fail-starts':
      machine.startsFail = true;
      return;
    case 'kill-bmc':
      machine.bmc = machine.bmc === 'none' ? 'none' : 'dead';
      return;
    case 'work-again':
      if (machine.bmc === 'dead') machine.bmc = 'works';
      machine.endsHang = false;
      machine.startsFail = false;
      return;
  }
}
