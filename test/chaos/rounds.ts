import type { ClusterFile } from '../lab/cluster-file.ts';
import { waitForEngine } from '../lab/engine.ts';
import { untilCalm } from '../lab/ha.ts';
import type { Lab } from '../lab/lab.ts';
import type { Random } from '../sim/random.ts';
import { type Blow, drawRound } from './draw.ts';
import { type FaultName, faultOf } from './faults.ts';
import { startWitnesses } from './witnesses.ts';

export type Round = {
  number: number;
  blows: Blow[];
  /** from the end of the last blow until all hosts, volumes and VMs were as before */
  calmMs?: number;
  /** after that, until the engine said that it is ready */
  engineMs?: number;
  /** what was lost, doubled, or not well again, in sentences */
  wrong: string[];
};

export type ChaosOptions = {
  lab: Lab;
  engine: Pick<ClusterFile['engine'], 'url' | 'ca'>;
  random: Random;
  minutes: number;
  allowed?: readonly FaultName[];
  say(text: string): void;
};

const calmMs = 300_000;
const engineMs = 180_000;
/** Longer than a lease and than the looks at volumes are apart. */
const noticeMs = 12_000;
const seconds = (ms: number) => (ms / 1000).toFixed(1);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Everything of a round is ended, whatever happened: the next one, or whoever comes after, finds hosts that can be well. */
async function strike(lab: Lab, blows: readonly Blow[]): Promise<string[]> {
  const wrong: string[] = [];
  await Promise.all(
    blows.map(async ({ fault, host, afterSeconds, seconds: lasts }) => {
      await pause(afterSeconds * 1_000);
      const target = lab.host(host);
      // What cannot be done to a host, e.g. because it has no power at that moment, has not happened.
      await faultOf(fault)
        .begin(target, lab)
        .catch(() => {});
      await pause(lasts * 1_000);
    }),
  );
  // A host must have power before its networks or its processes can be set right.
  const power = (blow: Blow) => (blow.fault.endsWith('power off') || blow.fault === 'stands still' ? 0 : 1);
  for (const { fault, host } of [...blows].sort((a, b) => power(a) - power(b)))
    await faultOf(fault)
      .end(lab.host(host), lab)
      .catch((error: unknown) => wrong.push(`"${fault}" of ${host} did not end: ${error}`));
  return wrong;
}

/** Random faults, one round after the other, until the time is over or something is wrong. */
export async function runChaos(options: ChaosOptions): Promise<Round[]> {
  const { lab, random, say } = options;
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('a lab without hosts');
  const names = lab.hosts.map(({ plan }) => plan.name);
  const rounds: Round[] = [];
  await untilCalm(lab);
  const witnesses = await startWitnesses(lab, 2);
  try {
    await untilCalm(lab);
    await witnesses.look(first);
    const end = performance.now() + options.minutes * 60_000;
    for (let number = 1; performance.now() < end; number += 1) {
      const round: Round = { number, blows: drawRound(random, names, options.allowed), wrong: [] };
      rounds.push(round);
      const told = round.blows.map(
        (blow) =>
          `${blow.afterSeconds > 0 ? `${blow.afterSeconds} s later ` : ''}${blow.host} ${blow.fault}${blow.seconds > 0 ? ` ${blow.seconds} s` : ''}`,
      );
      say(`${number}: ${told.join('; ')}`);
      round.wrong.push(...(await strike(lab, round.blows)));
      await check(round);
      say(
        round.wrong.length === 0
          ? `   well after ${seconds(round.calmMs ?? 0)} s, the engine ${seconds(round.engineMs ?? 0)} s later`
          : `   ${round.wrong.join('\n   ')}`,
      );
      if (round.wrong.length > 0) break;
    }
  } finally {
    await witnesses.remove().catch((error) => say(`VMs of this run are left: ${error}`));
  }
  return rounds;

  async function check(round: Round): Promise<void> {
    try {
      // What a cluster has not noticed yet looks like calm.
      await pause(noticeMs);
      round.calmMs = noticeMs + (await untilCalm(lab, calmMs));
      const began = performance.now();
      await waitForEngine(options.engine, engineMs);
      round.engineMs = performance.now() - began;
      if (first !== undefined) round.wrong.push(...(await witnesses.look(first)));
    } catch (error) {
      round.wrong.push(error instanceof Error ? error.message : String(error));
    }
  }
}
