import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeCgroup } from './cgroup.ts';
import { giveKvm } from './kvm.ts';
import { mountOverlay } from './mount.ts';
import type { HostPlan, LabPlan } from './plan.ts';
import { readRecord, startRecorded } from './process.ts';

export const rootOf = (host: HostPlan): string => join(host.folder, 'root');
export const consoleOf = (host: HostPlan): string => join(host.folder, 'console.log');
export const upperOf = (host: HostPlan): string => join(host.folder, 'upper');

/** Device nodes are made inside by systemd-tmpfiles: binding the outer ones would change their owner and mode outside. */
export function deviceLines(loop: string, hasKvm: boolean): string {
  const number = /^\/dev\/loop(\d+)$/.exec(loop)?.[1];
  if (number === undefined) throw new Error(`${loop} is no loop device`);
  return [
    'c /dev/fuse 0666 root root - 10:229',
    'd /dev/net 0755 root root -',
    'c /dev/net/tun 0666 root root - 10:200',
    ...(hasKvm ? ['c /dev/kvm 0660 root kvm - 10:232'] : []),
    `b ${loop} 0660 root disk - 7:${number}`,
    '',
  ].join('\n');
}

/** What makes this tree this host: written before each boot, below the running system. */
export async function personalise(host: HostPlan, loop: string): Promise<void> {
  const files: Record<string, string> = {
    'etc/hostname': `${host.name}\n`,
    // A loop device is a disk here, and has a serial number: "<device> <serial>" a line.
    'etc/trefoil/disks-allow-loop': `${loop.replace('/dev/', '')} ${host.diskSerial}\n`,
    'etc/tmpfiles.d/lab-devices.conf': deviceLines(loop, existsSync('/dev/kvm')),
    // All hosts share one clock: chrony watches it and never sets it.
    'etc/default/chrony': 'DAEMON_OPTS="-F 1 -x"\n',
    'etc/systemd/system/chrony.service.d/lab.conf': '[Unit]\nConditionCapability=\n',
  };
  for (const [path, text] of Object.entries(files)) await put(host, path, text);
  if (!existsSync(join(upperOf(host), 'etc/machine-id')))
    await put(host, 'etc/machine-id', `${randomBytes(16).toString('hex')}\n`);
  await giveKvm(upperOf(host));
  for (const unit of ['console-getty.service']) {
    const path = join(upperOf(host), 'etc/systemd/system', unit);
    await rm(path, { force: true });
    await symlink('/dev/null', path);
  }
}

async function put(host: HostPlan, path: string, text: string): Promise<void> {
  const target = join(upperOf(host), path);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, text);
}

/** `before` writes into the upper folder, which must not change behind a mounted overlay. */
export async function mountRoot(
  plan: LabPlan,
  host: HostPlan,
  tree: string,
  before: () => Promise<void>,
): Promise<void> {
  await mkdir(plan.productFolder, { recursive: true });
  await mkdir(host.folder, { recursive: true });
  await before();
  await mountOverlay({
    lower: [plan.productFolder, tree],
    upper: upperOf(host),
    work: join(host.folder, 'work'),
    at: rootOf(host),
  });
}

export function nspawnArgv(host: HostPlan): [string, ...string[]] {
  return [
    'systemd-nspawn',
    '--quiet',
    '--boot',
    `--directory=${rootOf(host)}`,
    `--machine=${host.machine}`,
    // systemd need not run on the outer machine, and must not own the hosts where it does
    '--register=no',
    '--keep-unit',
    `--network-namespace-path=/run/netns/${host.machine}`,
    '--link-journal=no',
    '--resolv-conf=off',
    '--timezone=off',
    '--console=read-only',
    '--capability=all',
    // the outer machine's clock is not theirs to set
    '--drop-capability=CAP_SYS_TIME',
    '--system-call-filter=@mount @keyring bpf perf_event_open',
  ];
}

export async function bootContainer(plan: LabPlan, host: HostPlan): Promise<void> {
  // A host that reboots itself ends its supervisor with 133; it then starts again in the same namespace.
  const script = 'while "$@"; status=$?; [ "$status" -eq 133 ]; do :; done; exit "$status"';
  const supervised: [string, ...string[]] = ['sh', '-c', script, 'sh', ...nspawnArgv(host)];
  await startRecorded(plan.runFolder, host.machine, supervised, {
    cgroups: await makeCgroup(`${plan.prefix}/${host.machine}`),
    output: consoleOf(host),
    env: { SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'network' },
  });
}

/** The first process of the host, as the outer machine numbers it; it changes when the host reboots itself. */
export async function leaderOf(plan: LabPlan, host: HostPlan): Promise<number | undefined> {
  const supervisor = await readRecord(plan.runFolder, host.machine);
  if (supervisor === undefined) return undefined;
  for (const container of await childrenOf(supervisor.pid))
    for (const child of await childrenOf(container)) {
      const status = await readFile(`/proc/${child}/status`, 'utf8').catch(() => '');
      if (isFirstProcess(status)) return child;
    }
  return undefined;
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);
}

/** Reads /proc/PID/status: the last number of NSpid is what it is called inside. */
export const isFirstProcess = (status: string): boolean => /^NSpid:.*\s1$/m.test(status);
