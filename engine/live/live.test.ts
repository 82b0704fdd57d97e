import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import type { Event } from '../contract/events.ts';
import { liveMessageSchema } from '../contract/events.ts';
import { makeHub } from './hub.ts';
import { liveStream, type StreamEnv } from './stream.ts';

const test = suite('live messages');

const later: Array<() => void> = [];
const beat = () => {
  for (const body of later.splice(0)) body();
};
const hubOf = () => makeHub({ beatMs: 1, later: (_, body) => void later.push(body) });
const eventOf = (id: number): Event => ({
  id,
  at: '2026-01-01T00:00:00.000Z',
  severity: 'info',
  code: 'test.event',
  message: `event ${id}`,
});
const gone = (id: string) => ({ kind: 'vm-gone', id }) as const;
const envOf = (hub: StreamEnv['hub'], parts: Partial<StreamEnv> = {}): StreamEnv => ({
  hub,
  now: () => new Date(0),
  keepAliveMs: 60_000,
  maxUnread: 10,
  mayGoOn: async () => true,
  ...parts,
});
const readerOf = (env: StreamEnv, signal = new AbortController().signal) => {
  const reader = liveStream(env, [signal]).getReader();
  const decoder = new TextDecoder();
  return {
    cancel: () => reader.cancel(),
    async next() {
      const { done, value } = await reader.read();
      if (done) return undefined;
      return decoder
        .decode(value)
        .split('\n\n')
        .filter((frame) => frame.startsWith('data: '))
        .map((frame) => liveMessageSchema.parse(JSON.parse(frame.slice(6))));
    },
  };
};

test('the first message is hello', async () => {
  const reader = readerOf(envOf(hubOf()));
  assert.equal(await reader.next(), [{ kind: 'hello', now: '1970-01-01T00:00:00.000Z' }]);
  await reader.cancel();
});

test('a thing that changes three times within a beat is told once, in its newest state', async () => {
  const hub = hubOf();
  const reader = readerOf(envOf(hub));
  await reader.next();
  let made = 0;
  for (const id of ['a', 'b', 'c'])
    hub.publish('vm:1', () => {
      made += 1;
      return gone(id);
    });
  beat();
  assert.equal(await reader.next(), [gone('c')]);
  assert.is(made, 1);
  await reader.cancel();
});

test('what is told again unchanged is no news', async () => {
  const hub = hubOf();
  const reader = readerOf(envOf(hub));
  await reader.next();
  const message = { kind: 'event', event: eventOf(1) } as const;
  hub.publish('x', () => message);
  beat();
  await reader.next();
  hub.publish('x', () => message);
  hub.publish('y', () => gone('y'));
  beat();
  assert.equal(await reader.next(), [gone('y')]);
  await reader.cancel();
});

test('a slow reader gets one message for each thing, not one for each change', async () => {
  const hub = hubOf();
  const reader = readerOf(envOf(hub));
  for (let round = 0; round < 50; round += 1) {
    hub.publish('vm:1', () => gone(`${round}`));
    beat();
  }
  const newest = JSON.stringify(gone('49'));
  let count = 0;
  for (let last = ''; last !== newest; count += 1) last = JSON.stringify((await reader.next())?.at(-1));
  assert.ok(count < 10, `${count} reads`);
  await reader.cancel();
});

test('a reader that leaves too many facts unread is dropped', async () => {
  const hub = hubOf();
  const reader = readerOf(envOf(hub));
  for (let id = 1; id <= 40; id += 1) {
    hub.tell({ kind: 'event', event: eventOf(id) });
    beat();
  }
  let ended = false;
  for (let count = 0; count < 40 && !ended; count += 1) ended = (await reader.next()) === undefined;
  assert.ok(ended);
  assert.is(hub.watchers(), 0);
});

test('a session that has ended takes its stream with it', async () => {
  const hub = hubOf();
  const reader = readerOf(envOf(hub, { keepAliveMs: 5, mayGoOn: async () => false }));
  let ended = false;
  for (let count = 0; count < 20 && !ended; count += 1) ended = (await reader.next()) === undefined;
  assert.ok(ended);
});

test('when nobody watches nothing is made', () => {
  const hub = hubOf();
  hub.publish('vm:1', () => {
    throw new Error('made for nobody');
  });
  beat();
});

test('who leaves is forgotten', async () => {
  const hub = hubOf();
  const reader = readerOf(envOf(hub));
  await reader.next();
  assert.is(hub.watchers(), 1);
  await reader.cancel();
  assert.is(hub.watchers(), 0);
});

test.run();
