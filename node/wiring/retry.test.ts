import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { silentLog } from '../log/log.ts';
import { untilDone } from './retry.ts';

const test = suite('retry');

test('tries with growing pauses until it is done', async () => {
  const pauses: number[] = [];
  let failures = 7;
  const clock = { now: () => 0, sleep: async (ms: number) => void pauses.push(ms) };
  await untilDone({ clock, log: silentLog, signal: new AbortController().signal }, 'x', async () => {
    if (failures-- > 0) throw new Error('not yet');
  });
  assert.equal(pauses, [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
});

test('ends when it is told to', async () => {
  const stop = new AbortController();
  const clock = {
    now: () => 0,
    sleep: async () => {
      stop.abort();
      stop.signal.throwIfAborted();
    },
  };
  await untilDone({ clock, log: silentLog, signal: stop.signal }, 'x', async () => {
    throw new Error('never');
  });
});

test.run();
