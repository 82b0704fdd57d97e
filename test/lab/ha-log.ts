import { z } from 'zod';
import type { LabHost } from './lab.ts';

/** Lines of the agents' journals: all hosts share this machine's clock, so their times can be compared. */
const lineSchema = z.object({ at: z.iso.datetime(), message: z.string() }).loose();
export type Line = { atMs: number; host: string; message: string; vm?: string | undefined };

export async function linesSince(host: LabHost, sinceMs: number): Promise<Line[]> {
  const { stdout } = await host.exec(
    ['journalctl', '-u', 'trefoil-ha', '-o', 'cat', '--no-pager', `--since=@${Math.floor(sinceMs / 1000)}`],
    { timeoutMs: 30_000 },
  );
  return stdout.split('\n').flatMap((text) => {
    if (!text.startsWith('{')) return [];
    const line = lineSchema.safeParse(JSON.parse(text));
    if (!line.success) return [];
    const atMs = Date.parse(line.data.at);
    if (atMs < sinceMs) return [];
    const vm = line.data['vm'];
    return [
      { atMs, host: host.plan.name, message: line.data.message, vm: typeof vm === 'string' ? vm : undefined },
    ];
  });
}

export async function allLinesSince(hosts: readonly LabHost[], sinceMs: number): Promise<Line[]> {
  const all = await Promise.all(hosts.map((host) => linesSince(host, sinceMs).catch(() => [])));
  return all.flat().sort((a, b) => a.atMs - b.atMs);
}
