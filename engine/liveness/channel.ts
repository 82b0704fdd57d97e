import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { engineChannel } from '../../node/contract/engine-channel.ts';
import type { Health } from '../contract/health.ts';
import type { Log } from '../log/log.ts';
import { Conversation } from './answer.ts';

/**
 * Answers at the virtio-serial port of the engine's VM, so that the host that runs it knows without any network whether the
 * engine lives. Polled: a character device is nothing that Node's event loop could wait for, and a thread that waits in
 * `read` would be one of four. A machine without such a port (a test, a developer's) is none the worse.
 */
type ChannelEnv = {
  /** /sys/class/virtio-ports */
  ports: string;
  /** /dev */
  devices: string;
  state(): Promise<Health['state']>;
  log: Log;
};
export const systemChannel = { ports: '/sys/class/virtio-ports', devices: '/dev' };

const pollMs = 150;
const openAgainMs = 1_000;
const biggest = 16 * 1024;

export function answerAtChannel(env: ChannelEnv): { stop(): void } {
  const stopping = new AbortController();
  void serve(env, stopping.signal).catch((error) => {
    if (!stopping.signal.aborted) env.log.error('the channel to the host is not served', error);
  });
  return { stop: () => stopping.abort() };
}

async function serve(env: ChannelEnv, signal: AbortSignal): Promise<void> {
  let told = '';
  while (!signal.aborted) {
    const device = await findPort(env);
    if (device === undefined) return;
    try {
      await talk(env, device, signal);
    } catch (error) {
      const why = String(error);
      if (why !== told && !signal.aborted) env.log.warn('the channel to the host does not work', { why });
      told = why;
    }
    await delay(openAgainMs, undefined, { signal });
  }
}

/** There is no udev in the engine's VM, so no link by the port's name: the kernel says which one it is. */
async function findPort({ ports, devices }: ChannelEnv): Promise<string | undefined> {
  for (const entry of await readdir(ports).catch(() => [])) {
    const name = await readFile(join(ports, entry, 'name'), 'utf8').catch(() => '');
    if (name.trim() === engineChannel.port) return join(devices, entry);
  }
  return undefined;
}

async function talk(env: ChannelEnv, device: string, signal: AbortSignal): Promise<void> {
  const file = openSync(device, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    const conversation = new Conversation(env.state);
    const buffer = Buffer.alloc(biggest);
    env.log.info('answering at the channel to the host', { device });
    while (!signal.aborted) {
      const count = readWhatIsThere(file, buffer);
      if (count > 0) {
        const answer = await conversation.take(buffer.subarray(0, count));
        if (answer.length > 0) writeSync(file, answer);
      }
      await delay(pollMs, undefined, { signal });
    }
  } finally {
    closeSync(file);
  }
}

function readWhatIsThere(file: number, buffer: Buffer): number {
  try {
    return readSync(file, buffer);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0;
    throw error;
  }
}
