import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
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
  /** changes with each start */
  readonly pid: number;
  /** where a path of one of its own folders is for everyone else */
  outside(path: string): string;
  /** what the daemon wrote, and what its machines did: for a test that failed */
  log(): string;
  /** ends the daemon as a crash would: no goodbye to its clients; its machines live on */
  kill(): Promise<void>;
  /** starts it again after `kill`, over the same state */
  restart(): Promise<void>;
  /** ends the daemon and all its machines, and leaves nothing behind */
  stop(): Promise<void>;
};

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()));

const answers = (socketPath: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection(socketPath, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** Both namespace tools fork: what was asked for is their only child. */
const childOf = (pid: number | undefined): number | undefined => {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? undefined : Number(text);
};

function configure(directory: string, socketDirectory: string, hostUuid: string): void {
  for (const name of Object.keys(folders)) mkdirSync(join(directory, name));
  for (const path of Object.values(folders)) mkdirSync(path, { recursive: true });
  mkdirSync(socketDirectory);
  const lines = (...text: string[]): string => `${text.join('\n')}\n`;
  writeFileSync(
    join(directory, 'etc', 'libvirtd.conf'),
    lines(
      `unix_sock_dir = "${socketDirectory}"`,
      'auth_unix_rw = "none"',
      'auth_unix_ro = "none"',
      `host_uuid = "${hostUuid}"`,
      `log_outputs = "2:file:${join(directory, 'libvirtd.log')}"`,
    ),
  );
  writeFileSync(
    join(directory, 'etc', 'qemu.conf'),
    lines(
      'user = "root"',
      'group = "root"',
      'security_driver = "none"',
      'cgroup_controllers = []',
      'namespaces = []',
      'stdio_handler = "file"',
      'remember_owner = 0',
    ),
  );
  // The daemon wants its user to exist, though it is told to run QEMU as root.
  const own = (file: string, line: string): void =>
    writeFileSync(join(directory, file), lines(readFileSync(join('/etc', file), 'utf8').trimEnd(), line));
  own('passwd', 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin');
  own('group', 'libvirt-qemu:x:64055:');
}

/**
 * A real libvirtd for one test, as root, in mount and process namespaces of its own: it shares no file with the
 * machine's libvirt nor with a second one, so that a test can migrate between two, and its machines end with it.
 * Needs no systemd, no virtlogd, no polkit.
 */
export async function startLibvirtd(
  options: {
    hostUuid?: string;
    /** more folders that it sees as its own, e.g. /run/trefoil */
    own?: readonly string[];
  } = {},
): Promise<PrivateLibvirtd> {
  const directory = mkdtempSync(join(tmpdir(), 'trefoil-libvirtd-'));
  const socketPath = join(directory, 'socket', 'libvirt-sock');
  configure(directory, join(directory, 'socket'), options.hostUuid ?? crypto.randomUUID());

  const own = (options.own ?? []).map((path, index) => ({ path, name: `own-${index}` }));
  for (const { path, name } of own) {
    mkdirSync(path, { recursive: true });
    mkdirSync(join(directory, name));
  }
  const mounts = [
    ...Object.entries(folders).map(([name, path]) => ({ name, path })),
    { name: 'passwd', path: '/etc/passwd' },
    { name: 'group', path: '/etc/group' },
    ...own,
  ].map(({ name, path }) => `mount --bind '${join(directory, name)}' ${path}`);
  // The namespace's first process collects the machines that end; libvirtd waits for this.
  const script = ['set -e', ...mounts, 'echo ready', 'sleep infinity & wait'].join('\n');
  const unshare = ['--mount', '--propagation', 'private', '--pid', '--fork', '--mount-proc', '--kill-child'];
  const house = spawn('unshare', [...unshare, 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(house.stdout, 'data');
  const housePid = childOf(house.pid);

  let nsenter: ChildProcess | undefined;
  let pid = -1;
  const start = async (): Promise<void> => {
    const files = ['-f', join(directory, 'etc', 'libvirtd.conf'), '-p', join(directory, 'libvirtd.pid')];
    const child = spawn('nsenter', ['-t', String(housePid), '-m', '-p', 'libvirtd', ...files], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    nsenter = child;
    let complaints = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaints += chunk.toString();
    });
    const listens = async (): Promise<boolean> => {
      if (child.exitCode !== null) throw new Error(`libvirtd ended: ${complaints}`);
      return await answers(socketPath);
    };
    await eventually('libvirtd listens', listens, { deadlineMs: 30_000 });
    pid = childOf(child.pid) ?? -1;
  };
  await start();
  const machineLogs = (): string[] => {
    const folder = join('log', 'qemu');
    const there = existsSync(join(directory, folder)) ? readdirSync(join(directory, folder)) : [];
    return there.map((file) => join(folder, file));
  };
  return {
    socketPath,
    directory,
    get pid() {
      return pid;
    },
    outside(path) {
      const folder = own.find((one) => path.startsWith(`${one.path}/`));
      return folder === undefined ? path : join(directory, folder.name, path.slice(folder.path.length));
    },
    log: () =>
      ['libvirtd.log', ...machineLogs()]
        .map((file) => `--- ${file}\n${readFileSync(join(directory, file), 'utf8').slice(-4_000)}`)
        .join('\n'),
    async kill() {
      process.kill(pid, 'SIGKILL');
      nsenter?.kill('SIGCONT');
      if (nsenter !== undefined) await ended(nsenter);
      rmSync(socketPath, { force: true });
      rmSync(join(directory, 'libvirtd.pid'), { force: true });
    },
    restart: start,
    async stop() {
      // nsenter stops itself when its child is stopped, so it is not waited for but ended.
      for (const child of [house, nsenter]) {
        child?.kill('SIGKILL');
        if (child !== undefined) await ended(child);
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
