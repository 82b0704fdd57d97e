import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';

/** The host's libvirt folders, each replaced by one of the daemon's own. */
const folders = {
  etc: '/etc/libvirt',
  state: '/var/lib/libvirt',
  run: '/run/libvirt',
  cache: '/var/cache/libvirt',
  log: '/var/log/libvirt',
} as const;

export type PrivateLibvirtd = {
  socketPath: string;
  directory: string;
  pid: number;
  /** what the daemon wrote, for a test that failed */
  log(): string;
  /** ends the daemon as a crash would: no goodbye to its clients; its domains live on */
  kill(): Promise<void>;
  /** starts it again after `kill`, over the same state */
  restart(): Promise<void>;
  stop(): Promise<void>;
};

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()));

async function answers(socketPath: string): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = createConnection(socketPath);
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/**
 * A real libvirtd for one test, as root, in a mount namespace of its own: it shares no file with the machine's libvirt
 * nor with a second one, so that a test can migrate between two. Needs no systemd, no virtlogd, no polkit.
 */
export async function startLibvirtd(options: { hostUuid?: string } = {}): Promise<PrivateLibvirtd> {
  const directory = mkdtempSync(join(tmpdir(), 'trefoil-libvirtd-'));
  const socketPath = join(directory, 'socket', 'libvirt-sock');
  const logPath = join(directory, 'libvirtd.log');
  for (const name of [...Object.keys(folders), 'socket']) mkdirSync(join(directory, name));
  for (const path of Object.values(folders)) mkdirSync(path, { recursive: true });
  writeFileSync(
    join(directory, 'etc', 'libvirtd.conf'),
    [
      `unix_sock_dir = "${join(directory, 'socket')}"`,
      'auth_unix_rw = "none"',
      'auth_unix_ro = "none"',
      `host_uuid = "${options.hostUuid ?? crypto.randomUUID()}"`,
      `log_outputs = "2:file:${logPath}"`,
      '',
    ].join('\n'),
  );
  writeFileSync(
    join(directory, 'etc', 'qemu.conf'),
    [
      'user = "root"',
      'group = "root"',
      'security_driver = "none"',
      'cgroup_controllers = []',
      'namespaces = []',
      'stdio_handler = "file"',
      'remember_owner = 0',
      '',
    ].join('\n'),
  );
  // The daemon wants its user to exist, though it is told to run QEMU as root.
  for (const [file, line] of [
    ['passwd', 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin'],
    ['group', 'libvirt-qemu:x:64055:'],
  ] as const)
    writeFileSync(join(directory, file), `${readFileSync(join('/etc', file), 'utf8').trimEnd()}\n${line}\n`);
  const mounts = [...Object.entries(folders), ['passwd', '/etc/passwd'], ['group', '/etc/group']].map(
    ([name, path]) => `mount --bind '${join(directory, name ?? '')}' ${path}`,
  );
  const script = [
    'set -e',
    ...mounts,
    `exec libvirtd -f '${join(directory, 'etc', 'libvirtd.conf')}' -p '${join(directory, 'libvirtd.pid')}'`,
  ];
  const start = async (): Promise<ChildProcess> => {
    const child = spawn('unshare', ['-m', '--propagation', 'private', 'sh', '-c', script.join('\n')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let complaints = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      complaints += chunk.toString();
    });
    await eventually(
      'libvirtd listens',
      async () => {
        if (child.exitCode !== null) throw new Error(`libvirtd ended: ${complaints}`);
        return answers(socketPath);
      },
      { deadlineMs: 30_000 },
    );
    return child;
  };

  let child = await start();
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended(child);
    rmSync(socketPath, { force: true });
  };
  return {
    socketPath,
    directory,
    get pid() {
      return child.pid ?? -1;
    },
    log: () => readFileSync(logPath, 'utf8'),
    kill,
    async restart() {
      rmSync(join(directory, 'libvirtd.pid'), { force: true });
      child = await start();
    },
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended(child);
      clearTimeout(timer);
      // A test that failed may have left its virtual machines; each has its process id in a file.
      const run = join(directory, 'run', 'qemu');
      for (const file of readdirSync(run, { encoding: 'utf8' }).filter((name) => name.endsWith('.pid'))) {
        try {
          process.kill(Number(readFileSync(join(run, file), 'utf8')), 'SIGKILL');
        } catch {
          // it is gone already
        }
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
