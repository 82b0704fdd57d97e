import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import type { Duplex } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { makeLog } from '../log/log.ts';
import { listenAndRelay, type Relay } from './relay.ts';

const test = suite('relay');

let directory = '';
const lines: string[] = [];
test.before(() => {
  directory = mkdtempSync(joinPath(tmpdir(), 'trefoil-relay-'));
});
test.beforeEach(() => {
  lines.length = 0;
});
test.after(() => rmSync(directory, { recursive: true, force: true }));

/** What any real server does when its client has gone. */
const answersEnd = (socket: Duplex) => void socket.resume().on('end', () => socket.end());

type Given = { path: string; relay: Relay; far: Server };

/** A relay whose far side is a server that does what the test says with each connection. */
async function withRelay(
  serve: (socket: Duplex) => void,
  body: (given: Given) => Promise<void>,
  open?: (farPath: string, signal: AbortSignal) => Promise<Duplex>,
): Promise<void> {
  const farPath = joinPath(directory, 'far');
  const path = joinPath(directory, 'near');
  const far = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => far.listen(farPath, resolve));
  const dial = open ?? (async () => connect({ path: farPath, allowHalfOpen: true }));
  const log = makeLog('test', (line) => lines.push(line));
  const relay = await listenAndRelay({ log }, { path, open: (signal) => dial(farPath, signal) });
  try {
    await body({ path, relay, far });
  } finally {
    await relay.close();
    await new Promise<void>((resolve) => far.close(() => resolve()));
  }
}

test('bytes pass both ways, and an end on one side is an end on the other, for that direction alone', async () => {
  await withRelay(
    (socket) => {
      // Answers only when the question has ended: a relay that closes both ways at once would lose the answer.
      void text(socket).then((question) => socket.end(`you said ${question}`));
    },
    async ({ path, relay }) => {
      const near = connect({ path, allowHalfOpen: true });
      near.end('hello');
      assert.is(await text(near), 'you said hello');
      await eventually('it is forgotten', () => relay.connections === 0);
    },
  );
});

test('much passes unharmed, and no faster than it is read', async () => {
  const size = 20_000_000;
  const sent = Buffer.alloc(size, 'trefoil');
  await withRelay(
    (socket) => socket.end(sent),
    async ({ path }) => {
      const near = connect({ path, allowHalfOpen: true });
      near.pause();
      await once(near, 'connect');
      near.end();
      const received = await buffer(near);
      assert.ok(received.equals(sent));
    },
  );
});

test('several connections at once do not mix', async () => {
  await withRelay(
    (socket) => void socket.pipe(socket),
    async ({ path, relay }) => {
      const answers = ['a', 'b', 'c'].map(async (word) => {
        const near = connect({ path, allowHalfOpen: true });
        near.end(word.repeat(1000));
        assert.is(await text(near), word.repeat(1000));
      });
      await Promise.all(answers);
      await eventually('all are forgotten', () => relay.connections === 0);
    },
  );
});

test('a far side that cannot be reached ends the connection', async () => {
  await withRelay(
    () => {},
    async ({ path, relay }) => {
      const near = connect(path);
      near.on('error', () => {});
      await once(near, 'close');
      await eventually('forgotten', () => relay.connections === 0);
      assert.match(lines.join(), 'does not answer');
    },
    async () => {
      throw new Error('the other host does not answer');
    },
  );
});

test('a far side that closes without a goodbye ends the near side too, and is no failure', async () => {
  await withRelay(
    (socket) => socket.destroy(),
    async ({ path, relay }) => {
      const near = connect(path);
      near.on('error', () => {});
      near.resume();
      await once(near, 'close');
      await eventually('forgotten', () => relay.connections === 0);
      assert.is(lines.join(), '');
    },
  );
});

test('a near side that goes away while the far side is being opened costs nothing', async () => {
  const opened = Promise.withResolvers<void>();
  await withRelay(
    answersEnd,
    async ({ path, relay }) => {
      const near = connect(path);
      await once(near, 'connect');
      near.destroy();
      opened.resolve();
      await eventually('forgotten', () => relay.connections === 0);
    },
    async (farPath) => {
      await opened.promise;
      return connect({ path: farPath, allowHalfOpen: true });
    },
  );
});

test('closing does not wait for a far side that never opens', async () => {
  await withRelay(
    () => {},
    async ({ path, relay }) => {
      const near = connect(path);
      near.on('error', () => {});
      near.resume();
      await eventually('connected', () => relay.connections === 1);
      const closed = once(near, 'close');
      await relay.close();
      await closed;
    },
    () => new Promise<Duplex>(() => {}),
  );
});

test('closing ends all connections and removes the socket; a stale one is replaced', async () => {
  writeFileSync(joinPath(directory, 'near'), 'left by a crash');
  await withRelay(answersEnd, async ({ path, relay }) => {
    assert.is(statSync(path).mode & 0o777, 0o600);
    const near = connect(path);
    near.on('error', () => {});
    near.resume();
    await eventually('connected', () => relay.connections === 1);
    const closed = once(near, 'close');
    await relay.close();
    await closed;
    assert.is(existsSync(path), false);
    assert.is(relay.connections, 0);
  });
});

test.run();
