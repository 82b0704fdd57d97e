import * as assert from 'uvu/assert';
import { diskIdSchema, imageIdSchema, vmIdSchema } from '../../node/contract/ids.ts';
import { makeFakeWorld } from '../../test/fakes/hosts/model.ts';
import { alikeHosts, answersFor, reportsOf, soundAnswers } from '../../test/fakes/hosts/practice.ts';
import { matchesGolden } from '../../test/support/golden.ts';
import { suite } from '../../test/support/suite.ts';
import type { AnswersInput } from '../contract/answers.ts';
import { judge } from '../preflight/judge.ts';
import { commonCpuModel } from './cpu.ts';
import { planSchema } from './model.ts';
import { type PlanIds, planFormation } from './plan.ts';
import { planText } from './print.ts';

const test = suite('plan');
const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const ids: PlanIds = {
  clusterId: uuid(1),
  etcdToken: 'stand-in-token',
  engineVm: vmIdSchema.parse(uuid(2)),
  engineMac: '52:54:00:00:00:01',
  systemDisk: diskIdSchema.parse(uuid(3)),
  dataDisk: diskIdSchema.parse(uuid(4)),
  image: (name) => imageIdSchema.parse(uuid(100 + name.length)),
};
const images = [
  { name: 'trefoil-guest', file: '/usr/lib/trefoil/images/trefoil-guest.qcow2', format: 'qcow2' as const },
];

async function planOf(count: number, change: (answers: AnswersInput) => AnswersInput = (same) => same) {
  const world = await makeFakeWorld(alikeHosts(count));
  const answers = soundAnswers(change(answersFor(world)));
  const reports = reportsOf(world, answers);
  assert.equal(
    judge(answers, reports).filter((problem) => problem.severity === 'error'),
    [],
  );
  return planFormation(answers, 'scrypt$1$1$1$aa$bb', reports, images, ids);
}
const file = (name: string) => new URL(`golden/${name}`, import.meta.url).pathname;

for (const [name, count, role] of [
  ['1-host', 1, 'full'],
  ['2-hosts-and-witness', 3, 'arbiter'],
  ['3-hosts', 3, 'full'],
  ['4-hosts', 4, 'full'],
  ['5-hosts', 5, 'full'],
  ['6-hosts', 6, 'full'],
  ['12-hosts', 12, 'full'],
] as const)
  test(`of ${name}`, async () => {
    const plan = await planOf(count, (answers) => ({
      ...answers,
      hosts: answers.hosts.map((host, index) => (index === 2 ? { ...host, role } : host)),
    }));
    assert.equal(planSchema.parse(JSON.parse(JSON.stringify(plan))), plan, 'it survives the journal');
    matchesGolden(file(`${name}.txt`), planText(plan));
    matchesGolden(file(`${name}.json`), `${JSON.stringify(plan, undefined, 1)}\n`);
  });

test('several disks a host make a set each, on the same hosts', async () => {
  const options = alikeHosts(3).map((host) => ({
    ...host,
    disks: ['A', 'B'].map((letter) => ({
      path: `/dev/sd${letter}`,
      model: 'Fake disk',
      serial: `${host.name}-${letter}`,
      sizeMiB: 100_000,
      rotational: false,
      use: letter === 'A' ? ('holds-data' as const) : ('free' as const),
      contents: 'ext4 file system, label backup',
    })),
  }));
  const world = await makeFakeWorld(options);
  const answers = soundAnswers(
    answersFor(world, {
      hosts: answersFor(world).hosts.map((host) => ({
        ...host,
        disks: [{ serial: `${host.name}-A` }, { serial: `${host.name}-B` }],
        eraseData: true,
      })),
    }),
  );
  const plan = planFormation(answers, 'scrypt$1$1$1$aa$bb', reportsOf(world, answers), [], ids);
  assert.equal(
    plan.volumes.map((volume) => volume.bricks.map((brick) => `${brick.host}/${brick.brick}`).join(' ')),
    [
      'host1/disk1 host2/disk1 host3/disk1',
      'host1/disk1 host2/disk1 host3/disk1 host1/disk2 host2/disk2 host3/disk2',
    ],
  );
  assert.equal(plan.hosts[0]?.bricks[0]?.place, { kind: 'disk', serial: 'host1-A', eraseData: true });
});

test('without a storage network all is on the management network', async () => {
  const plan = await planOf(3, (answers) => ({
    ...answers,
    networks: {},
    hosts: answers.hosts.map((host, index) => ({
      ...host,
      management: { addressing: { kind: 'static', address: `10.77.0.${11 + index}/24` } },
    })),
  }));
  assert.equal(
    plan.hosts.map((host) => host.storageAddress),
    ['10.77.0.11', '10.77.0.12', '10.77.0.13'],
  );
  assert.is(plan.hosts[0]?.networks.length, 1);
});

test('the CPU that all hosts can give', () => {
  const cpu = (model: string, usableModels: string[]) => ({
    vendor: 'x',
    model,
    features: ['a'],
    usableModels,
  });
  assert.is(commonCpuModel([cpu('one', []), cpu('one', [])]), 'host');
  assert.is(
    commonCpuModel([
      cpu('old', ['qemu64', 'Nehalem', 'Haswell-noTSX']),
      cpu('new', ['qemu64', 'Nehalem', 'Haswell-noTSX', 'Icelake-Server']),
    ]),
    'Haswell-noTSX',
  );
  assert.is(commonCpuModel([cpu('intel', ['Nehalem']), cpu('amd', ['EPYC'])]), undefined);
});

test.run();
