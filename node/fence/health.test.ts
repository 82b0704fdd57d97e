import * as assert from 'uvu/assert';
import { makeFakeClock } from '../../test/fakes/clock.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { type FenceDevice, type FenceHealth, fenceDeviceSchema } from '../contract/fence.ts';
import { hostIdSchema } from '../contract/ids.ts';
import { silentLog } from '../log/log.ts';
import { askerOf, dueDevices, type HealthView, makeHealth, sinceOf } from './health.ts';
import type { PowerState } from './said.ts';

const test = suite('the hourly check of fence devices');
const id = (number: number) => hostIdSchema.parse(`${number}1111111-1111-4111-8111-111111111111`);
const [one, two, three] = [id(1), id(2), id(3)];
const view = (over: Partial<HealthView> = {}): HealthView => ({
  members: [one, two, three],
  online: [],
  leader: undefined,
  ...over,
});
const device = (number: number, host = one, generation = 1): FenceDevice =>
  fenceDeviceSchema.parse({
    id: `aaaaaaaa-aaaa-4aaa-8aaa-00000000000${number}`,
    host,
    agent: 'fence_apc',
    options: {},
    secrets: { names: [], copies: {} },
    order: 0,
    generation,
  });

test('a device is asked by one host, not by the one that it powers', () => {
  assert.is(askerOf(one, view()), two);
  assert.is(askerOf(two, view()), one);
  assert.is(askerOf(two, view({ leader: three })), three);
  assert.is(askerOf(three, view({ leader: three })), one);
  assert.is(askerOf(one, view({ online: [one, three] })), three, 'host2 is away');
  assert.is(askerOf(one, view({ online: [one, two], leader: three })), two, 'the leader of before is away');
  assert.is(askerOf(one, view({ members: [one] })), one, 'a cluster of one host');
  assert.is(askerOf(one, view({ members: [] })), undefined);
});

test('for every device exactly one host is responsible, whoever is online', () => {
  for (let mask = 1; mask < 8; mask += 1)
    for (const leader of [undefined, one, two, three])
      for (const powered of [one, two, three]) {
        const online = [one, two, three].filter((_, bit) => (mask & (1 << bit)) !== 0);
        const responsible = online.filter(
          (own) => dueDevices(own, [device(1, powered)], view({ online, leader }), new Map(), 0).length === 1,
        );
        assert.is(responsible.length, 1, `${mask} ${leader} ${powered}`);
      }
});

test('asked at once, then hourly, and at once again when it was changed', () => {
  const asked = new Map([[device(1).id as string, { generation: 1, atMs: 1_000 }]]);
  const due = (generation: number, nowMs: number) =>
    dueDevices(two, [device(1, one, generation)], view(), asked, nowMs).length;
  assert.is(due(1, 1_000 + 3_599_999), 0);
  assert.is(due(1, 1_000 + 3_600_000), 1);
  assert.is(due(2, 2_000), 1);
  assert.is(dueDevices(two, [device(2)], view(), asked, 2_000).length, 1);
});

test('what a device answered is kept, a silent one too, and what is no device any more is forgotten', async () => {
  const fake = makeFakeClock();
  const kept = new Map<string, FenceHealth>();
  const notes: string[] = [];
  let devices = [device(1), device(2)];
  const answers: Record<string, () => PowerState> = {
    [device(1).id]: () => 'on',
    [device(2).id]: () => {
      throw new AppError({ code: 'fence.failed', family: 'unavailable', message: 'Nobody is there.' });
    },
  };
  let asking = '';
  const health = makeHealth({
    own: two,
    clock: fake.clock,
    now: () => new Date('2026-11-28T10:00:00Z'),
    log: silentLog,
    agents: { status: async () => answers[asking]?.() ?? 'off' },
    openSecrets: (which) => {
      asking = which.id;
      return {};
    },
    look: async () => ({
      view: view(),
      devices,
      healths: [...kept.values()],
      names: new Map([[one, 'host1']]),
    }),
    note: async ({ severity, text }) => void notes.push(`${severity}: ${text}`),
    write: async (record) => void kept.set(record.device, record),
    remove: async (gone) => void kept.delete(gone),
  });
  const { signal } = new AbortController();
  await health.tick(signal);
  assert.equal(
    [...kept.values()].map(({ state, says, by }) => `${state} ${says} ${by === two}`),
    ['on answered: on true', 'failed Nobody is there. true'],
  );
  answers[device(1).id] = () => 'off';
  await health.tick(signal);
  assert.is(kept.get(device(1).id)?.state, 'on', 'not asked again yet');
  await fake.advance(3_600_000);
  await health.tick(signal);
  assert.is(kept.get(device(1).id)?.state, 'off');
  assert.equal(
    notes.splice(0),
    ['warning: The fence device of host1 (fence_apc) does not answer: Nobody is there.'],
    'it is told once that it is silent',
  );
  answers[device(2).id] = () => 'on';
  await fake.advance(3_600_000);
  await health.tick(signal);
  assert.equal(notes.splice(0), ['info: The fence device of host1 (fence_apc) answers again.']);
  devices = [device(1)];
  await health.tick(signal);
  assert.equal([...kept.keys()], [device(1).id]);
});

test('since when it answers or fails is kept as long as it goes on', () => {
  const at = (minute: number, state: FenceHealth['state']): FenceHealth => ({
    v: 1,
    device: device(1).id,
    generation: 1,
    by: two,
    at: `2026-11-28T10:0${minute}:00Z`,
    state,
    says: '',
  });
  const on = sinceOf(undefined, at(0, 'on'));
  assert.is(on.since, at(0, 'on').at);
  const off = sinceOf(on, at(1, 'off'));
  assert.is(off.since, on.at, 'off is an answer too');
  const failed = sinceOf(off, at(2, 'failed'));
  assert.is(failed.since, failed.at);
  assert.is(sinceOf(failed, at(3, 'failed')).since, failed.at);
  assert.is(sinceOf(at(4, 'failed'), at(5, 'failed')).since, at(4, 'failed').at, 'of an older program');
});

test.run();
