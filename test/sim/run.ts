import { type Timings, timings } from '../../node/ha/timings.ts';
import type { Decide } from './agents.ts';
import { carryOut } from './commands.ts';
import { drawScenario } from './draw.ts';
import { engineIsHurt } from './engine.ts';
import type { Line } from './plan.ts';
import { makeRandom } from './random.ts';
import { type Command, planOf, type Scenario } from './scenario.ts';
import { World } from './world.ts';

/** Runs scenarios, made by hand or drawn at random, and says which laws were broken. */
export type Outcome = { broken: string[]; log: Line[] };
export type RunOptions = { times?: Timings; decide?: Decide };

function play(scenario: Scenario, seed: number, { times = timings, decide }: RunOptions): World {
  const world = new World(planOf(scenario), times, makeRandom(seed), decide);
  for (const { atMs, ...command } of scenario.commands)
    world.clock.at(atMs, () => carryOut(world, command as Command));
  world.clock.runUntil(scenario.untilMs);
  return world;
}

export function runScenario(scenario: Scenario, seed: number, options: RunOptions = {}): Outcome {
  const world = play(scenario, seed, options);
  world.say(`--- the end: ${world.whatRuns()}`);
  return { broken: [...world.broken, ...disappointments(world, scenario)], log: world.log };
}

/** What the scenario expected and did not come. */
function disappointments(world: World, { expect, commands }: Scenario): string[] {
  const missing: string[] = [];
  const running = world.plan.vms.filter(({ id }) => world.runs(id)).map(({ name }) => name);
  const wanted =
    expect.running === 'all'
      ? world.plan.vms.map(({ name }) => name)
      : expect.running === 'none'
        ? []
        : expect.running;
  if (wanted !== undefined && running.join() !== wanted.join())
    missing.push(
      `expected to run: ${wanted.join(', ') || 'none'}; there run: ${running.join(', ') || 'none'}`,
    );
  const fenced = world.machines.filter(({ name }) =>
    world.log.some(({ text }) => text.includes(`: ${name} can write nothing any more`)),
  );
  if (expect.fenced !== undefined) {
    const names = [...new Set(expect.fenced.map((name) => world.machine(name).name))].sort();
    const were = fenced.map(({ name }) => name).sort();
    if (names.join() !== were.join())
      missing.push(
        `expected to be fenced: ${names.join(', ') || 'none'}; were: ${were.join(', ') || 'none'}`,
      );
  }
  const firstMs = commands[0]?.atMs ?? 0;
  const later = world.log.filter(({ atMs }) => atMs >= firstMs);
  const isGiven = later.some(({ text }) => / goes to host\d+: (?!it is to run)/.test(text));
  const isMoved = later.some(({ text }) => /, moved$/.test(text));
  const movedBy = isGiven ? 'failover' : isMoved ? 'migration' : 'nobody';
  if (expect.movedBy !== undefined && expect.movedBy !== movedBy)
    missing.push(`expected to be moved by ${expect.movedBy}; it was by ${movedBy}`);
  const awayMs = world.disks.longestAwayMs();
  if (expect.outageMs !== undefined && awayMs > expect.outageMs)
    missing.push(`expected no VM to be away for ${expect.outageMs} ms; one was for ${awayMs} ms`);
  return missing;
}

/** After all is well again, so long may it take until all VMs run: a boot, a fence lifted, the longest wait for a retry. */
const healMs = 150_000;

/** Random trouble for a minute, then all is mended, and in the end every VM must run and write. */
export function runRandom(seed: number, options: RunOptions = {}): Outcome & { scenario: Scenario } {
  const scenario = drawScenario(makeRandom(seed));
  return { scenario, ...runAndHeal(scenario, seed, options) };
}

export function runAndHeal(scenario: Scenario, seed: number, options: RunOptions = {}): Outcome {
  const world = play(scenario, seed ^ 0x5bd1e995, options);
  world.say('--- all is mended');
  carryOut(world, { do: 'etcd-up' });
  carryOut(world, { do: 'arm' });
  carryOut(world, { do: 'mend-engine' });
  for (const machine of world.machines) {
    for (const command of ['thaw', 'go-on-agent', 'brick-up', 'work-again', 'power-on'] as const)
      carryOut(world, { do: command, host: machine.name });
    carryOut(world, { do: 'mend', host: machine.name, net: undefined, direction: undefined });
  }
  // An agent that began after the engine stood still takes it for one that boots, and gives it that time.
  const patienceMs = healMs + (engineIsHurt(world) ? 1.2 * world.times.engineUnreadyMs : 0);
  const endMs = scenario.untilMs + patienceMs;
  for (let now = scenario.untilMs; now < endMs && !world.allRun(); now += 1_000)
    world.clock.runUntil(now + 1_000);
  const broken = [...world.broken];
  if (!world.allRun())
    broken.push(`${patienceMs / 1000} s after all was mended, not every VM runs: ${world.whatRuns()}`);
  return { broken, log: world.log };
}
