import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/**
 * The floor: a bare HTTPS server that answers each path with bytes that were made before. What it takes is what TLS,
 * HTTP and the machine take; the engine cannot be faster.
 */
export type FloorOrder =
  | { kind: 'start'; certificate: string; key: string }
  | { kind: 'answer'; path: string; body: string };

const answers = new Map<string, Buffer>();
process.on('message', (order: FloorOrder) => {
  if (order.kind === 'answer') {
    answers.set(order.path, Buffer.from(order.body));
    process.send?.({ kind: 'ready' });
    return;
  }
  const server = createServer({ cert: order.certificate, key: order.key }, (request, response) => {
    const body = answers.get(request.url ?? '');
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(body);
  });
  server.listen(0, '127.0.0.1', () => {
    // A listening TCP server has an address object.
    const { port } = server.address() as AddressInfo;
    process.send?.({ kind: 'listening', port });
  });
});
process.on('disconnect', () => process.exit(0));
