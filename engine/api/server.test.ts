import { connect } from 'node:net';
import { Hono } from 'hono';
import { suite } from '../../test/support/suite.ts';
import type { ApiBindings } from './mount.ts';
import { serveApi } from './server.ts';

const test = suite('the HTTP server');

test('it stops although a console is open', async () => {
  const served = await serveApi({
    address: '127.0.0.1',
    port: 0,
    app: () => new Hono<ApiBindings>(),
    onUpgrade: (_request, socket) => void socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
  });
  const client = connect(served.port, '127.0.0.1');
  const ended = new Promise((resolve) => client.once('close', resolve));
  const opened = new Promise((resolve) => client.once('data', resolve));
  client.write('GET /console HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await opened;
  await served.stop();
  await ended;
});

test.run();
