import { createServer, type Server } from 'node:net';
import * as assert from 'uvu/assert';
import { vmId } from '../../../test/sim/scenario.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { suite } from '../../../test/support/suite.ts';
import { AppError } from '../../contract/error.ts';
import type { EngineSign } from '../model.ts';
import { askEngineApi, askEngineChannel, watchEngine } from './engine-signs.ts';

const test = suite('asking the engine how it is');
const ref = (id: number) => ({ name: 'engine', uuid: vmId(1), id });
const libvirtSays = (code: string) =>
  new AppError({ code, family: 'unavailable', message: 'The guest agent does not answer.' });
/** Time passes only in the question. */
const ask = (answer: () => string | undefined, tookMs = 100) => {
  let nowMs = 0;
  const clock = { now: () => nowMs, sleep: async () => {} };
  const agentCommand = async () => {
    nowMs += tookMs;
    return answer();
  };
  return askEngineChannel({ agentCommand }, ref(1), clock);
};
const fails = (code: string) => (): never => {
  throw libvirtSays(code);
};

test('the channel says what the engine says', async () => {
  assert.is(await ask(() => '{"return":{"state":"ready"}}'), 'ready');
  assert.is(await ask(() => '{"return":{"state":"starting"}}'), 'starting');
  assert.is(await ask(() => '{"return":{"state":"database-down"}}'), 'sick');
});

test('nobody there is said at once, nobody answering after a while, and a libvirt that is not well says nothing', async () => {
  assert.is(await ask(fails('libvirt.agent-unresponsive'), 50), 'gone');
  assert.is(await ask(fails('libvirt.agent-unresponsive'), 5_000), 'silent');
  for (const code of ['libvirt.connection-lost', 'libvirt.deadline', 'libvirt.busy'])
    assert.is(await ask(fails(code), 12_000), 'unknown');
  for (const garbage of ['', 'nonsense', '{}', '{"return":{"state":"superb"}}'])
    assert.is(await ask(() => garbage), 'unknown');
});

const listening = (server: Server): Promise<number> =>
  new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    }),
  );

test('an address at which nothing listens, or which takes the connection and says nothing, is silent', async () => {
  const mute = createServer((socket) => socket.on('error', () => {}).resume());
  const port = await listening(mute);
  assert.is(await askEngineApi('127.0.0.1', '', port), 'silent');
  await new Promise((resolve) => {
    mute.close(resolve);
  });
  assert.is(await askEngineApi('127.0.0.1', '', port), 'silent');
});

test('what answers and is not the engine, and an address that is not known, are no word about it', async () => {
  const other = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'));
  const port = await listening(other);
  assert.is(await askEngineApi('127.0.0.1', '', port), 'unknown');
  other.close();
  assert.is(await askEngineApi(undefined, ''), 'unknown');
});

test('a question that is never answered holds up nothing, and an answer of an earlier start counts for nothing', async () => {
  let number = 1;
  let answer: (sign: EngineSign) => void = () => {};
  const watch = watchEngine({
    engine: () => (number === 0 ? undefined : { vm: vmId(1), ref: ref(number) }),
    askApi: async () => 'ready',
    askChannel: () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
    clock: { now: () => 0, sleep: async () => {} },
  });
  assert.is(watch.signs(), undefined);
  watch.tick();
  const first = await eventually('the answer by its address', () => {
    const signs = watch.signs();
    return signs?.api === 'ready' ? signs : undefined;
  });
  assert.is(first.channel, 'unknown');
  const late = answer;
  number = 2;
  assert.is(watch.signs(), undefined);
  watch.tick();
  late('silent');
  const second = await eventually('the next start', () => {
    const signs = watch.signs();
    return signs?.api === 'ready' ? signs : undefined;
  });
  assert.is.not(second.run, first.run);
  assert.is(second.channel, 'unknown');
  number = 0;
  assert.is(watch.signs(), undefined);
});

test.run();
