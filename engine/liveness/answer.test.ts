import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import type { Health } from '../contract/health.ts';
import { Conversation } from './answer.ts';

const test = suite('the engine at its VM’s channel');
const talk = (state: Health['state'] = 'ready') => {
  const conversation = new Conversation(async () => state);
  return async (bytes: string | Buffer) => (await conversation.take(Buffer.from(bytes))).toString('latin1');
};
const sync = '{"execute":"guest-sync","arguments":{"id":7}}\n';

test('libvirt gets into step with it, in both ways that it knows', async () => {
  const say = talk();
  assert.is(await say(sync), '{"return":7}\n');
  const delimited = Buffer.concat([Buffer.from([0xff]), Buffer.from(sync.replace('sync', 'sync-delimited'))]);
  assert.is(await say(delimited), '\xff{"return":7}\n');
  assert.is(await say('{"execute":"guest-ping"}\n'), '{"return":{}}\n');
});

test('it says how the engine is', async () => {
  assert.is(await talk()('{"execute":"trefoil-health"}\n'), '{"return":{"state":"ready"}}\n');
  const sick = await talk('database-down')('{"execute":"trefoil-health"}\n');
  assert.is(sick, '{"return":{"state":"database-down"}}\n');
});

test('a question may come in pieces, and several at once', async () => {
  const say = talk();
  assert.is(await say(sync.slice(0, 10)), '');
  assert.is(await say(`${sync.slice(10)}{"execute":"guest-ping"}\n`), '{"return":7}\n{"return":{}}\n');
});

test('what it does not know it refuses, so that a shutdown is tried by the power button', async () => {
  const answer: unknown = JSON.parse(await talk()('{"execute":"guest-shutdown"}\n'));
  assert.equal(answer, {
    error: { class: 'CommandNotFound', desc: 'the engine does not know guest-shutdown' },
  });
});

test('garbage is refused or forgotten, and the next question is answered', async () => {
  const say = talk();
  assert.match(await say('nonsense\n'), /that is no command/);
  assert.is(await say('x'.repeat(5_000)), '');
  assert.is(await say(`half a line${Buffer.from([0xff]).toString('latin1')}`), '');
  const again = Buffer.concat([Buffer.from('{"exec'), Buffer.from([0xff]), Buffer.from(sync)]);
  assert.is(await say(again), '{"return":7}\n');
});

test.run();
