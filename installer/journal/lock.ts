import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { AppError } from '../../node/contract/error.ts';

/**
 * One formation at a time on a host. The lock is an abstract unix socket: the kernel lets only one process have the name,
 * and takes it back when that process ends, however it ends. Nothing is left to clean up.
 */
export async function lockFormation(directory: string): Promise<{ release(): Promise<void> }> {
  const name = createHash('sha256').update(resolve(directory)).digest('hex').slice(0, 32);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((done, reject) => {
    server.once('error', (cause) => reject(refused(cause)));
    server.listen(`\0trefoil-formation-${name}`, done);
  });
  server.unref();
  return { release: () => new Promise((done) => server.close(() => done())) };
}

const refused = (cause: unknown): AppError =>
  new AppError({
    code: 'formation.running',
    family: 'conflict',
    message: 'Another formation is at work on this host.',
    remedy: 'Wait until it has ended; "trefoil-installer status" shows how far it is.',
    cause,
  });
