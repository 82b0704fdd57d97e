import * as assert from 'uvu/assert';
import {
  assignmentOf,
  type DeclaredVm,
  declareVm,
  hostNames,
  readStore,
  removeVm,
  runsOn,
  untilCalm,
} from '../../test/lab/ha.ts';
import { type LabHost, openLab } from '../../test/lab/lab.ts';
import { faultsOf, readDisk, type WitnessRecord } from '../../test/lab/witness.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { enginePriority, haKeys, haLeaderSchema, haNoteSchema, haVmSchema } from '../contract/ha.ts';

/** On three real hosts. The host of the engine's VM is left alone: other tests use that engine. */
const test = suite('HA on real hosts', { deadlineMs: 400_000 });
const lab = await openLab();
const first = lab.host('host1');
let vm: DeclaredVm;
let names: Map<string, string>;
let engineHost: string;

const hostOf = async (id: string, from: LabHost): Promise<LabHost> => {
  const host = await eventually('the VM to run', () => runsOn(from, id), {
    deadlineMs: 120_000,
    everyMs: 300,
  });
  return lab.host(names.get(host) ?? '');
};
const timeline = async (host: LabHost): Promise<string[]> =>
  [...(await readStore(host, haKeys.timeline)).values()].map((value) => haNoteSchema.parse(value).text);

test.before(async () => {
  names = await hostNames(first);
  const records = [...(await readStore(first, `${haKeys.prefix}vms/`)).values()];
  const engine = records
    .map((value) => haVmSchema.parse(value))
    .find(({ priority }) => priority === enginePriority);
  assert.ok(engine, 'the engine’s VM is an HA VM');
  engineHost = (await hostOf(engine.id, first)).plan.name;
  const free = lab.hosts.find((host) => host.plan.name !== engineHost);
  const id = [...names].find(([, name]) => name === free?.plan.name)?.[0];
  await untilCalm(lab);
  vm = await declareVm(first, 'ha-test', id);
});
test.after(async () => {
  if (vm !== undefined) await removeVm(lab, vm);
});

test('every host reports, and one of them leads', async () => {
  const leader = haLeaderSchema.parse((await readStore(first, haKeys.leader)).get(haKeys.leader));
  assert.ok(names.has(leader.host));
  assert.is((await readStore(first, `${haKeys.prefix}reports/`)).size, lab.hosts.length);
});

test('a VM whose QEMU is killed runs again in its place, in the same epoch', async () => {
  const host = await hostOf(vm.id, first);
  const before = await assignmentOf(first, vm.id);
  const pid = async () =>
    (await host.exec(['pgrep', '-f', `qemu.*${vm.id}`], { okExitCodes: [1] })).stdout.trim();
  const killed = await pid();
  await host.exec(['kill', '-KILL', killed]);
  await eventually('another QEMU', async () => ![killed, ''].includes(await pid()), {
    deadlineMs: 60_000,
    everyMs: 300,
  });
  assert.equal(await assignmentOf(first, vm.id), before);
});

test('a VM whose host loses its power runs elsewhere, and its disk was never written by two', async () => {
  await untilCalm(lab);
  const lost = await hostOf(vm.id, first);
  assert.is.not(lost.plan.name, engineHost);
  const records = () => readDisk(first === lost ? seer : first, vm);
  const bootsOf = (all: readonly WitnessRecord[]) => new Set(all.map(({ boot }) => boot)).size;
  const untilWritten = (what: string, enough: (all: readonly WitnessRecord[]) => boolean) =>
    eventually(
      what,
      async () => {
        const all = await records();
        return enough(all) && all;
      },
      { deadlineMs: 90_000, everyMs: 1_000 },
    );
  const seer = lab.hosts.find((host) => host !== lost) ?? first;
  const before = await assignmentOf(seer, vm.id);
  const then = await records();
  const last = await untilWritten('the guest to write', (all) => all.length > then.length);
  await lost.powerOff();
  await eventually(
    'it to run elsewhere',
    async () => {
      const host = await runsOn(seer, vm.id);
      return host !== undefined && host !== before?.host;
    },
    { deadlineMs: 90_000, everyMs: 300 },
  );
  assert.is((await assignmentOf(seer, vm.id))?.epoch, (before?.epoch ?? 0) + 1);
  const said = await timeline(seer);
  assert.ok(said.some((text) => text.startsWith(`${lost.plan.name} is cut off from the storage`)));
  assert.ok(said.some((text) => text.startsWith(`${lost.plan.name} can write nothing any more`)));

  await untilWritten('the new one to write', (all) => bootsOf(all) > bootsOf(last));

  await lost.powerOn();
  await lost.waitBooted();
  // Back means: its fence is lifted, no host refuses it, every mount has every brick, nothing is left to heal.
  await untilCalm(lab);
  await eventually('the timeline to tell it', async () =>
    (await timeline(seer)).includes(`${lost.plan.name} belongs to the cluster again.`),
  );
  assert.equal(faultsOf(await records()), []);
});

test.run();
