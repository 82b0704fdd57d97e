import * as assert from 'uvu/assert';
import { type FakeWorld, makeFakeWorld } from '../../test/fakes/hosts/model.ts';
import { alikeHosts, answersFor, reportsOf, soundAnswers } from '../../test/fakes/hosts/practice.ts';
import { suite } from '../../test/support/suite.ts';
import type { AnswersInput } from '../contract/answers.ts';
import { judge } from './judge.ts';
import { distinct } from './problems.ts';

const test = suite('judge');
type World = FakeWorld & { second: FakeWorld['hosts'][number] };

async function judged(
  change: (world: World) => void,
  answer: (answers: AnswersInput) => AnswersInput = (same) => same,
) {
  const world = await makeFakeWorld(alikeHosts(3));
  const [, second] = world.hosts;
  if (second === undefined) throw new Error('no second host');
  change({ ...world, second });
  const answers = soundAnswers(answer(answersFor(world)));
  return distinct(judge(answers, reportsOf(world, answers)));
}

const cases: [string, (world: World) => void, string[]][] = [
  ['nothing wrong', () => {}, []],
  [
    'another version',
    ({ second }) => Object.assign(second.options, { version: '9.9.9' }),
    ['host.other-version'],
  ],
  [
    'a clock far off',
    ({ second }) => Object.assign(second.options, { clockOffsetMs: -90_000 }),
    ['host.clock'],
  ],
  [
    'a clock a little off',
    ({ second }) => Object.assign(second.options, { clockOffsetMs: 4_000 }),
    ['host.clock?'],
  ],
  ['too little memory', ({ second }) => Object.assign(second.options, { memoryMiB: 1024 }), ['host.memory']],
  [
    'no virtualization',
    ({ second }) => Object.assign(second.options, { accelerator: 'tcg' }),
    ['host.no-kvm?'],
  ],
  ['a slow disk', ({ second }) => Object.assign(second.options, { fsyncP99Ms: 120 }), ['host.slow-disk?']],
  [
    'a far too slow disk',
    ({ second }) => Object.assign(second.options, { fsyncP99Ms: 3_000 }),
    ['host.slow-disk'],
  ],
  [
    'a full system disk',
    ({ second }) => Object.assign(second.options, { systemFreeMiB: 300 }),
    ['host.disk-full'],
  ],
  [
    'only used disks',
    ({ second }) => second.options.disks?.forEach((disk) => void Object.assign(disk, { use: 'holds-data' })),
    ['disk.none-free'],
  ],
  [
    'a small disk',
    ({ second }) => second.options.disks?.forEach((d) => void Object.assign(d, { sizeMiB: 4000 })),
    ['disk.small', 'hosts.uneven-sizes?'],
  ],
  [
    'a host out of reach',
    ({ hosts }) => void hosts[0]?.unreachable.add('10.77.0.12'),
    ['network.unreachable'],
  ],
  ['small packets only', ({ second }) => void second.smallPackets.add('10.77.0.13'), ['network.mtu']],
  [
    'storage out of reach',
    ({ hosts }) => {
      const address = hosts[2]?.kept.network.nics[1]?.addresses[0]?.split('/')[0];
      hosts[0]?.unreachable.add(address ?? '');
    },
    ['network.unreachable'],
  ],
  [
    'an address conflict',
    ({ second }) => void second.kept.conflicts.push({ address: '10.77.0.100', mac: '00:11:22:33:44:55' }),
    ['address.in-use'],
  ],
  [
    'no link',
    ({ second }) =>
      second.kept.network.nics.forEach((nic) => void Object.assign(nic, { linkUp: nic.name !== 'stor0' })),
    ['nic.which-storage'],
  ],
  [
    'another maker',
    ({ second }) => Object.assign(second.options, { cpuModel: 'Other', usableModels: ['EPYC'] }),
    ['hosts.no-common-cpu'],
  ],
  ['the same machine', ({ second, hosts }) => Object.assign(second, { id: hosts[0]?.id }), ['host.same']],
];

for (const [name, change, expected] of cases)
  test(name, async () => {
    const problems = await judged(change);
    assert.equal(
      problems.map((problem) => problem.code + (problem.severity === 'warning' ? '?' : '')),
      expected,
    );
    for (const { reason, remedy } of problems) {
      assert.match(reason, /^[A-Za-z0-9].*\.$/);
      assert.match(remedy, /^[A-Za-z0-9].*\.$/);
    }
  });

test('the problem names the way that is cut', async () => {
  const [problem] = await judged(({ hosts }) => void hosts[0]?.unreachable.add('10.77.0.12'));
  assert.is(problem?.reason, 'host1 cannot reach host2 on the management network.');
});

test('a disk that holds data is taken only when told, and never one in use', async () => {
  const used = ({ second }: World) => {
    const disk = second.options.disks?.[1];
    if (disk !== undefined)
      Object.assign(disk, { use: 'holds-data', contents: 'ext4 file system, label backup' });
  };
  const named = (eraseData: boolean, serial: string) => (answers: AnswersInput) => ({
    ...answers,
    hosts: answers.hosts.map((host) =>
      host.name === 'host2' ? { ...host, disks: [{ serial }], eraseData } : host,
    ),
  });
  const codes = async (eraseData: boolean, serial = 'HOST2-VDB') =>
    (await judged(used, named(eraseData, serial))).map((problem) => problem.code);
  assert.equal(await codes(false), ['disk.holds-data']);
  assert.equal(await codes(true), []);
  assert.equal(await codes(true, 'HOST2-VDA'), ['disk.in-use']);
  assert.equal(await codes(true, 'NOPE'), ['disk.missing']);
});

test("the engine must be in the hosts' subnet, with an address of its own", async () => {
  const engine = (address: string) => (answers: AnswersInput) => ({ ...answers, engine: { address } });
  assert.equal(
    (await judged(() => {}, engine('10.78.0.100/24'))).map((problem) => problem.code),
    ['nic.no-management', 'nic.no-management', 'nic.no-management'],
  );
  assert.ok(
    (await judged(() => {}, engine('10.77.0.12/24'))).some((problem) => problem.code === 'address.taken'),
  );
});

test.run();
