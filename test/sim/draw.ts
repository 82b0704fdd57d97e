import { timings } from '../../node/ha/timings.ts';
import type { Random } from './random.ts';
import { type Command, readScenario, type Scenario } from './scenario.ts';

/** Draws schedules of trouble. */
const troubleMs = 60_000;

export function drawScenario(random: Random): Scenario {
  const hosts = random.pick([3, 3, 3, 4, 5]);
  const commands: Scenario['commands'] = [];
  const count = random.between(1, 14);
  for (let index = 0; index < count; index += 1) {
    const atMs = random.between(3_000, troubleMs);
    const backMs = atMs + random.between(200, 30_000);
    for (const [at, command] of drawCommands(random, hosts, atMs, backMs))
      if (at < troubleMs) commands.push({ atMs: at, ...command });
  }
  commands.sort((a, b) => a.atMs - b.atMs);
  const scenario = readScenario({
    hosts,
    vms: random.between(1, 5),
    engine: random.chance(0.5),
    slow: random.chance(0.7),
    bmc: random.chance(0.3),
    external: random.chance(0.25),
    ...(random.chance(0.4) ? { watchdogMs: timings.watchdogMs } : {}),
    ...(random.chance(0.2) ? { clockRates: { host1: 1.01, host2: 0.99 } } : {}),
    commands: [],
    untilMs: troubleMs,
  });
  return { ...scenario, commands };
}

function drawCommands(random: Random, hosts: number, at: number, back: number): [number, Command][] {
  // Troubles like company: more of them on one host say more than one on each.
  const host = `host${random.chance(0.4) ? 1 : random.between(1, hosts)}`;
  const vm = `vm${random.between(1, 5)}`;
  const both = (first: Command, second: Command): [number, Command][] => [
    [at, first],
    [back, second],
  ];
  const part = (net?: 'mgmt' | 'stor', direction?: 'in' | 'out') =>
    both({ do: 'cut', host, net, direction }, { do: 'mend', host, net, direction });
  switch (random.between(0, 18)) {
    case 0:
    case 1:
      return both({ do: 'power-off', host }, { do: 'power-on', host });
    case 2:
    case 3:
      return part();
    case 4:
      return part(random.pick(['mgmt', 'stor'] as const));
    case 5:
      return part(random.pick(['mgmt', 'stor'] as const), random.pick(['in', 'out'] as const));
    case 6:
    case 7:
      return both({ do: 'freeze', host }, { do: 'thaw', host });
    case 8:
      return [[at, { do: 'crash-agent', host, backInMs: random.between(500, 20_000) }]];
    case 9:
      return both({ do: 'stop-agent', host }, { do: 'go-on-agent', host });
    case 10:
      return both(
        {
          do: random.pick([
            'brick-down',
            'hang-ends',
            'fail-starts',
            'hang-libvirt',
            'kill-bmc',
            'lie-bmc',
            'slow-bmc',
            'etcd-stop',
            'maintenance',
          ] as const),
          host,
        },
        random.chance(0.5) ? { do: 'work-again', host } : { do: 'brick-up', host },
      );
    case 11:
      if (random.chance(0.2))
        return both({ do: 'disarm', forMs: random.between(5_000, 90_000) }, { do: 'arm' });
      if (random.chance(0.3)) return both({ do: 'all-off' }, { do: 'all-on' });
      return both({ do: 'etcd-down' }, { do: 'etcd-up' });
    case 12: {
      const from = `host${random.between(1, hosts)}`;
      if (from === host) return [];
      return both({ do: 'sever', host, from }, { do: 'join', host, from });
    }
    case 13:
      return both(
        { do: 'slow-disk', host, byMs: random.pick([100, 500, 1_500, 4_000]) },
        { do: 'slow-disk', host, byMs: 0 },
      );
    case 14:
      return [[at, { do: 'leftover', host, vm, epoch: 0 }]];
    case 15:
    case 16:
      return [[at, drawMove(random, host, vm)]];
    case 17:
      if (random.chance(0.4)) return both({ do: 'cut-engine' }, { do: 'mend-engine' });
      return [
        [
          at,
          {
            do: random.pick(['hang-engine', 'end-engine'] as const),
            backInMs: random.chance(0.5) ? random.between(500, 20_000) : undefined,
          },
        ],
      ];
    default:
      return [[at, { do: 'crash-vm', vm }]];
  }
}

const drawMove = (random: Random, to: string, vm: string): Command => ({
  do: 'migrate',
  vm,
  to,
  takesMs: random.between(300, 12_000),
  orderMs: random.chance(0.1) ? null : random.chance(0.1) ? random.between(1_000, 30_000) : 100,
  cancelMs: random.chance(0.15) ? random.between(0, 6_000) : undefined,
  answerIsLost: random.chance(0.3),
});
