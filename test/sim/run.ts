import { type Timings, timings } from '../../node/ha/timings.ts';
import { makeRandom, type Random } from './random.ts';
import { type Command, carryOut, planOf, type Scenario } from './scenario.ts';
import { World } from './world.ts';

/** Runs scenarios, made by hand or drawn at random, and says which laws were broken. */
export type Outcome = { broken: string[]; log: World['log'] };

export function runScenario(scenario: Scenario, seed: number, times: Timings = timings): Outcome {
  const world = new World(planOf(scenario), times, makeRandom(seed));
  for (const { atMs, ...command } of scenario.commands)
    world.at(atMs, () => carryOut(world, command as Command));
  world.runUntil(scenario.untilMs);
  return { broken: world.broken, log: world.log };
}

/** After all is well again, so long may it take until all VMs run: a boot, a fence lifted, the longest wait for a retry. */
const healMs = 150_000;

/** Random trouble for a minute, then all is mended, and in the end every VM must run and write. */
export function runRandom(seed: number, times: Timings = timings): Outcome & { scenario: Scenario } {
  const scenario = drawScenario(makeRandom(seed));
  return { scenario, ...runAndHeal(scenario, seed, times) };
}

export function runAndHeal(scenario: Scenario, seed: number, times: Timings = timings): Outcome {
  const world = new World(planOf(scenario), times, makeRandom(seed ^ 0x5bd1e995));
  for (const { atMs, ...command } of scenario.commands)
    world.at(atMs, () => carryOut(world, command as Command));
  world.runUntil(scenario.untilMs);
  world.say('--- all is mended');
  for (const machine of world.machines) {
    for (const command of ['mend', 'thaw', 'go-on-agent', 'brick-up', 'work-again', 'power-on'] as const)
      carryOut(world, { do: command, host: machine.name });
  }
  const endMs = scenario.untilMs + healMs;
  for (let now = scenario.untilMs; now < endMs && !world.allRun(); now += 1_000) world.runUntil(now + 1_000);
  const broken = [...world.broken];
  if (!world.allRun())
    broken.push(`${healMs / 1000} s after all was mended, not every VM runs: ${world.whatRuns()}`);
  return { broken, log: world.log };
}

const troubleMs = 60_000;

function drawScenario(random: Random): Scenario {
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
  return {
    hosts,
    vms: random.between(1, 5),
    memoryMiB: 8_192,
    slow: random.chance(0.7),
    bmc: random.chance(0.3),
    external: random.chance(0.25),
    ...(random.chance(0.4) ? { watchdogMs: timings.watchdogMs } : {}),
    commands,
    untilMs: troubleMs,
  };
}

function drawCommands(random: Random, hosts: number, at: number, back: number): [number, Command][] {
  // Troubles like company: more of them on one host say more than one on each.
  const host = `host${random.chance(0.4) ? 1 : random.between(1, hosts)}`;
  const both = (first: Command, second: Command): [number, Command][] => [
    [at, first],
    [back, second],
  ];
  switch (random.between(0, 11)) {
    case 0:
    case 1:
      return both({ do: 'power-off', host }, { do: 'power-on', host });
    case 2:
    case 3:
      return both({ do: 'cut', host }, { do: 'mend', host });
    case 4: {
      const net = random.pick(['mgmt', 'stor'] as const);
      return both({ do: 'cut', host, net }, { do: 'mend', host, net });
    }
    case 5: {
      const only = {
        net: random.pick(['mgmt', 'stor'] as const),
        direction: random.pick(['in', 'out'] as const),
      };
      return both({ do: 'cut', host, ...only }, { do: 'mend', host, ...only });
    }
    case 6:
    case 7:
      return both({ do: 'freeze', host }, { do: 'thaw', host });
    case 8:
      return [[at, { do: 'crash-agent', host, backInMs: random.between(500, 20_000) }]];
    case 9:
      return both({ do: 'stop-agent', host }, { do: 'go-on-agent', host });
    case 10:
      return both(
        { do: random.pick(['brick-down', 'hang-ends', 'fail-starts', 'kill-bmc'] as const), host },
        random.chance(0.5) ? { do: 'work-again', host } : { do: 'brick-up', host },
      );
    default:
      if (random.chance(0.2)) return both({ do: 'all-off' }, { do: 'all-on' });
      return [[at, { do: 'crash-vm', vm: `vm${random.between(1, 5)}` }]];
  }
}
