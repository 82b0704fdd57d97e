/**
 * How long a VM is away when its host is lost, in a running lab: `npm run bench:failover`. See README.md.
 *   --cut NAME[,NAME]   see cuts.ts; all unless told
 *   --runs N            of each; 10 unless told
 *   --prefix X          another lab
 *   --json FILE
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { argv, exit, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { enginePriority, haKeys, haVmSchema } from '../../../node/contract/ha.ts';
import {
  assignmentOf,
  type DeclaredVm,
  declareVm,
  hostNames,
  readStore,
  removeVm,
  untilCalm,
} from '../../lab/ha.ts';
import { allLinesSince, type Line } from '../../lab/ha-log.ts';
import { type LabHost, openLab } from '../../lab/lab.ts';
import { faultsOf, longestStallMs, readDisk } from '../../lab/witness.ts';
import { eventually } from '../../support/eventually.ts';
import { type Cut, cuts } from './cuts.ts';
import { summarise } from './summary.ts';

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    cut: { type: 'string', default: Object.keys(cuts).join(',') },
    runs: { type: 'string', default: '10' },
    prefix: { type: 'string', default: 'tf' },
    json: { type: 'string', default: '.cache/bench/failover.json' },
  },
});
const say = (text: string) => void stdout.write(`${text}\n`);

type Run = {
  cut: string;
  host: string;
  awayMs: number;
  goneMs?: number;
  /** of a VM on another host */
  stallMs?: number;
  phases: Record<string, number>;
  faults: string[];
};

const lab = await openLab({ prefix: values.prefix });
const names = await hostNames(lab.host('host1'));

/** Any other host: the one that is cut may be the first. */
const otherThan = (host: LabHost): LabHost => {
  const other = lab.hosts.find((one) => one !== host);
  if (other === undefined) throw new Error('a failover needs another host');
  return other;
};

async function engineVm(): Promise<DeclaredVm> {
  const records = await readStore(lab.host('host1'), `${haKeys.prefix}vms/`);
  const vms = [...records.values()].map((value) => haVmSchema.parse(value));
  const engine = vms.find(({ priority }) => priority === enginePriority);
  if (engine === undefined) throw new Error('there is no engine’s VM among the HA VMs');
  return { id: engine.id, name: engine.name, disk: '' };
}

const phaseNames: readonly [string, RegExp][] = [
  ['cut off', /is cut off from the storage/],
  ['refused', /is refused at the storage/],
  ['proven', /can write nothing any more/],
  ['given', / goes to host/],
];

async function once(name: string, cut: Cut, vm: DeclaredVm, survivor: DeclaredVm): Promise<Run> {
  await untilCalm(lab);
  const assignment = await assignmentOf(lab.host('host1'), vm.id);
  const host = lab.host(names.get(assignment?.host ?? '') ?? '');
  const others = cut.inPlace === true ? lab.hosts : lab.hosts.filter((one) => one !== host);
  const runsAgain = (line: Line) =>
    line.vm === vm.id &&
    line.message === 'vm starting -> running' &&
    others.some((one) => one.plan.name === line.host);
  const written = (await readDisk(otherThan(host), survivor)).at(-1)?.number ?? 0;
  const began = Date.now();
  await cut.do(host, vm.id);
  const lines = await eventually(
    `${vm.name} to run again`,
    async () => {
      const all = await allLinesSince(others, began);
      return all.some(runsAgain) ? all : undefined;
    },
    { deadlineMs: 120_000, everyMs: 400 },
  );
  const again = lines.find(runsAgain);
  if (again === undefined) throw new Error('it ran, and now it does not');
  const phases: Record<string, number> = {};
  for (const [phase, pattern] of phaseNames) {
    const line = lines.find(({ message }) => pattern.test(message));
    if (line !== undefined) phases[phase] = line.atMs - began;
  }
  await cut.mend(host, lab);
  const run: Run = { cut: name, host: host.plan.name, awayMs: again.atMs - began, phases, faults: [] };
  if (cut.lives === true) {
    const gone = await eventually(
      'the old one to be gone',
      async () =>
        (await allLinesSince([host], began)).find(
          (line) => line.vm === vm.id && line.message.includes('-> gone'),
        ),
      { deadlineMs: 120_000, everyMs: 500 },
    );
    run.goneMs = gone.atMs - began;
  }
  await untilCalm(lab);
  if (cut.ofEngine !== true) run.faults = faultsOf(await readDisk(otherThan(host), vm));
  // Where it ran on the lost host itself it is no survivor: another boot writes.
  const survived = await readDisk(otherThan(host), survivor);
  run.faults.push(...faultsOf(survived));
  const stallMs = longestStallMs(survived, written);
  if (stallMs !== undefined && cut.inPlace !== true) run.stallMs = stallMs;
  return run;
}

const runs: Run[] = [];
const chosen = values.cut.split(',').map((name) => {
  const cut = cuts[name];
  if (cut === undefined)
    throw new Error(`there is no cut ${name}; there are ${Object.keys(cuts).join(', ')}`);
  return [name, cut] as const;
});
await untilCalm(lab);
const vm = await declareVm(lab.host('host1'), 'bench-failover');
const survivor = await declareVm(lab.host('host1'), 'bench-survivor');
try {
  for (const [name, cut] of chosen) {
    const target = cut.ofEngine === true ? await engineVm() : vm;
    for (let number = 1; number <= Number(values.runs); number += 1) {
      const run = await once(name, cut, target, survivor);
      runs.push(run);
      const phases = Object.entries(run.phases).map(([phase, ms]) => `${phase} ${ms}`);
      const stall = run.stallMs === undefined ? '' : `, another VM's disk stood still ${run.stallMs} ms`;
      const gone = run.goneMs === undefined ? '' : `, old one gone ${run.goneMs} ms`;
      say(
        `${name} ${number}: ${run.awayMs} ms (${run.host}; ${phases.join(', ')}${gone}${stall}) ${run.faults.join('; ')}`,
      );
    }
  }
} finally {
  for (const one of [vm, survivor])
    await removeVm(lab, one).catch((error) => say(`a VM of the benchmark is left: ${error}`));
}

say('\n| cut | p50 s | p95 s | max s | goal p50 / p95 s |');
say('|---|---|---|---|---|');
for (const [name, cut] of chosen) {
  const { p50, p95, max } = summarise(runs.filter((run) => run.cut === name).map(({ awayMs }) => awayMs));
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  say(
    `| ${cut.title} | ${seconds(p50)} | ${seconds(p95)} | ${seconds(max)} | ${seconds(cut.goalMs.p50)} / ${seconds(cut.goalMs.p95)} |`,
  );
}
const stalls = runs.flatMap(({ stallMs }) => stallMs ?? []);
if (stalls.length > 0)
  say(`longest stall of another VM's disk: ${(Math.max(...stalls) / 1000).toFixed(1)} s (goal 3.5)`);
mkdirSync(dirname(values.json), { recursive: true });
writeFileSync(values.json, `${JSON.stringify({ at: new Date().toISOString(), runs }, undefined, 1)}\n`);
exit(runs.some(({ faults }) => faults.length > 0) ? 1 : 0);
