import { setTimeout as delay } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { largestBodyBytes, readJson } from './request.ts';

const test = suite('what comes in from outside');

const request = (body: ReadableStream<Uint8Array> | string, headers: Record<string, string> = {}) =>
  new Request('https://engine/api/v1/sessions', {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
    duplex: 'half',
  } as RequestInit);
/** A byte every few milliseconds, for ever; `ended` says that nobody reads any more. */
function trickle(byteEveryMs: number) {
  let ended = false;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await delay(byteEveryMs);
      if (!ended) controller.enqueue(new Uint8Array([32]));
    },
    cancel() {
      ended = true;
    },
  });
  return { body, ended: () => ended };
}

test('JSON is read, and only what says that it is JSON', async () => {
  assert.equal(await readJson(request('{"a":1}')), { a: 1 });
  assert.equal(await readJson(request('')), {});
  assert.is((await refused(readJson(request('{"a":')))).code, 'request.not-json');
  const form = request('{"a":1}', { 'content-type': 'text/plain' });
  assert.is((await refused(readJson(form))).code, 'request.not-json');
});

test('a body that trickles in is given up as a whole, however steadily it comes', async () => {
  const slow = trickle(5);
  const before = performance.now();
  assert.is((await refused(readJson(request(slow.body), 100))).code, 'request.too-slow');
  assert.ok(performance.now() - before < 2_000);
  assert.ok(slow.ended(), 'it is not read any more');
});

test('a body that is too large is not read to its end, whatever its length is said to be', async () => {
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 65_536;
      controller.enqueue(new Uint8Array(65_536));
    },
  });
  assert.is((await refused(readJson(request(body)))).code, 'request.too-large');
  assert.ok(sent < largestBodyBytes * 2);
});

test.run();
