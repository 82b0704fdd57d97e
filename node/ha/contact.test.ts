import * as assert from 'uvu/assert';
import { contact, observation, view } from '../../test/sim/cluster.ts';
import { hostId } from '../../test/sim/scenario.ts';
import { suite } from '../../test/support/suite.ts';
import type { Heard } from './model.ts';

const test = suite('how sure a host is of the majority');
const nowMs = 100_000;
const heard = (...states: [number, Partial<Heard>][]) =>
  new Map(
    states.map(([number, state]) => [
      hostId(number),
      { atMs: nowMs - 300, answer: 'agent' as const, hasContact: false, ...state },
    ]),
  );
const alone = { contactMs: nowMs - 60_000 };

test('sure, then doubtful, then lost', () => {
  assert.is(contact(observation()), 'sure');
  assert.is(contact(observation({ contactMs: nowMs - 3_000 })), 'doubtful');
  assert.is(contact(observation({ contactMs: nowMs - 8_000 })), 'lost');
});

test('an agent that was just started doubts, and is lost when it finds nobody', () => {
  assert.is(contact(observation({ contactMs: undefined }), { startedMs: nowMs - 7_000 }), 'doubtful');
  assert.is(contact(observation({ contactMs: undefined }), { startedMs: nowMs - 8_000 }), 'lost');
});

test('a majority that is heard and has no contact either: etcd is gone for all, nothing is ended', () => {
  assert.is(contact(observation({ ...alone, heard: heard([2, {}]) })), 'doubtful');
  assert.is(contact(observation({ ...alone, heard: heard([2, {}], [3, {}]) })), 'doubtful');
});

test('others have contact for a while, and this host has not: it was left behind', () => {
  const behind = observation({ ...alone, heard: heard([2, {}], [3, { hasContact: true }]) });
  assert.is(contact(behind), 'doubtful');
  assert.is(contact(behind, {}, [['behind', nowMs - 2_900]]), 'doubtful');
  assert.is(contact(behind, {}, [['behind', nowMs - 3_000]]), 'lost');
});

test('its own time does not grow by that: the others had contact from the first', () => {
  const seen = observation({ contactMs: nowMs - 8_000, heard: heard([2, { hasContact: true }]) });
  assert.is(contact(seen, {}, [['behind', nowMs - 5_000]]), 'lost');
});

test('what was heard long ago, before it stood still, or from no agent counts for nothing', () => {
  assert.is(contact(observation({ ...alone, heard: heard([2, { atMs: nowMs - 2_700 }]) })), 'lost');
  assert.is(contact(observation({ ...alone, heard: heard([2, {}]) }), { steadySinceMs: nowMs }), 'lost');
  assert.is(contact(observation({ ...alone, heard: heard([2, { answer: 'refused' }]) })), 'lost');
});

test('a host that knows of its fence ends its VMs in any case', () => {
  const fence = { v: 1 as const, id: 'f', host: hostId(1), phase: 'fencing' as const, why: 'silent' };
  const seen = view({ fences: new Map([[hostId(1), { value: fence, revision: 5 }]]) });
  assert.is(contact(observation({ ...alone, view: seen, heard: heard([2, {}], [3, {}]) })), 'lost');
});

test.run();
