import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';

/** A bare QEMU under emulation, without libvirt, for tests of our disk images. */
export type Machine = {
  /** all that was written to the serial port so far */
  serial(): Promise<string>;
  /** waits until the serial output matches, and gives the match */
  sees(what: RegExp, deadlineMs: number): Promise<RegExpExecArray>;
  /** a command of the human monitor, e.g. `system_powerdown` */
  monitor(command: string): Promise<void>;
  /** resolves when the process has ended by itself */
  ended(deadlineMs: number): Promise<void>;
  kill(): Promise<void>;
};

export async function startMachine(options: {
  memoryMiB: number;
  cpus?: number;
  machine?: 'q35' | 'pc';
  args: readonly string[];
}): Promise<Machine> {
  const dir = await mkdtemp(join(tmpdir(), 'trefoil-machine-'));
  const serialPath = join(dir, 'serial');
  const monitorPath = join(dir, 'monitor');
  const child = spawn(
    'qemu-system-x86_64',
    [
      ...['-machine', options.machine ?? 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max,la57=off'],
      ...['-smp', String(options.cpus ?? 1), '-m', String(options.memoryMiB), '-display', 'none'],
      ...['-no-user-config', '-nodefaults', '-vga', 'std'],
      ...['-serial', `file:${serialPath}`, '-monitor', `unix:${monitorPath},server=on,wait=off`],
      ...options.args,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let lastWords = '';
  child.stderr.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString()).slice(-2000);
  });
  const closed = once(child, 'close');
  const over = () => child.exitCode !== null || child.signalCode !== null;
  const serial = () => readFile(serialPath, 'utf8').catch(() => '');
  return {
    serial,
    async sees(what, deadlineMs) {
      return eventually(
        `${what} on the serial port`,
        async () => {
          const found = what.exec(await serial());
          if (found === null && over()) throw new Error(`the machine ended: ${lastWords}`);
          return found ?? undefined;
        },
        { deadlineMs, everyMs: 100 },
      );
    },
    async monitor(command) {
      const socket = connect(monitorPath);
      await once(socket, 'data');
      socket.write(`${command}\n`);
      await once(socket, 'data');
      socket.end();
    },
    ended: async (deadlineMs) => {
      await eventually('the machine to end', over, { deadlineMs });
    },
    async kill() {
      if (!over()) child.kill('SIGKILL');
      await closed;
      await rm(dir, { recursive: true, force: true });
    },
  };
}
