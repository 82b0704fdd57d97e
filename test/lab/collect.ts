import { existsSync } from 'node:fs';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../node/command/run.ts';
import { rootOf } from './container.ts';
import { execIn, readConsole, stateOf } from './host.ts';
import type { HostPlan, LabPlan } from './plan.ts';

/** What one asks a living host, beside the files that it wrote. */
const questions: Record<string, readonly string[]> = {
  'failed-units.txt': ['systemctl', '--failed', '--no-pager', '--full'],
  'processes.txt': ['ps', '-eo', 'pid,ppid,rss,etimes,stat,args', '--forest'],
  'addresses.txt': ['ip', 'address'],
  'sockets.txt': ['ss', '-tanp'],
  'mounts.txt': ['findmnt', '--noheadings', '--list'],
  'gluster.txt': ['timeout', '10', 'gluster', 'volume', 'status'],
  'domains.txt': ['timeout', '10', 'virsh', 'list', '--all'],
};

/** Never throws for one host's sake: a log that could not be taken is named in its place. */
export async function collectLogs(plan: LabPlan, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of ['dnsmasq.log', 'forward.log', 'state.json'])
    if (existsSync(join(plan.folder, name))) await cp(join(plan.folder, name), join(folder, name));
  await Promise.all(plan.hosts.map((host) => collectHost(plan, host, join(folder, host.name))));
}

async function collectHost(plan: LabPlan, host: HostPlan, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'console.txt'), await readConsole(host));
  const journal = join(rootOf(host), 'var/log/journal');
  await save(join(folder, 'journal.txt'), () =>
    run(['journalctl', `--directory=${journal}`, '--no-pager', '--output=short-precise'], {
      timeoutMs: 60_000,
    }),
  );
  for (const part of ['glusterfs', 'libvirt', 'trefoil'])
    await cp(join(rootOf(host), 'var/log', part), join(folder, part), { recursive: true }).catch(() => {
      // it wrote none
    });
  if ((await stateOf(plan, host)) !== 'on') return;
  for (const [name, argv] of Object.entries(questions))
    await save(join(folder, name), () =>
      execIn(plan, host, argv, { timeoutMs: 15_000, okExitCodes: [1, 124] }),
    );
}

async function save(path: string, ask: () => Promise<{ stdout: string }>): Promise<void> {
  const text = await ask().then(
    (result) => result.stdout,
    (error: unknown) => `not available: ${String(error)}\n`,
  );
  await writeFile(path, text);
}
