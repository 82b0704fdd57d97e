import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VmId } from '../../contract/ids.ts';
import { readMetadata } from '../../vms/metadata.ts';

/** A QEMU of HA's, found without libvirt. */
export type Leftover = { vm: VmId; epoch: number; pid: number };

/**
 * What libvirt has written of its running domains (`/run/libvirt/qemu/NAME.xml`), by example:
 *   <domstatus state='running' reason='booted' pid='4242'> ... <metadata><trefoil:vm ...>{...}</trefoil:vm></metadata>
 */
export function readStatusFile(text: string): Leftover | undefined {
  const pid = /<domstatus[^>]*\spid='(\d+)'/.exec(text)?.[1];
  const element = /<trefoil:vm[^>]*>[^<]*<\/trefoil:vm>/.exec(text)?.[0];
  const metadata = element === undefined ? undefined : readMetadata(element);
  if (pid === undefined || metadata?.epoch === undefined) return undefined;
  return { vm: metadata.spec.id, epoch: metadata.epoch, pid: Number(pid) };
}

/** Those whose process is alive and a QEMU: a file may be left of one that was killed. */
export async function findLeftovers(folder = '/run/libvirt/qemu', proc = '/proc'): Promise<Leftover[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.xml'));
  const found: Leftover[] = [];
  for (const name of names) {
    const text = await readFile(join(folder, name), 'utf8').catch(() => '');
    const left = readStatusFile(text);
    if (left === undefined) continue;
    const command = await readFile(join(proc, String(left.pid), 'cmdline'), 'utf8').catch(() => '');
    if (command.includes('qemu') && command.includes(left.vm)) found.push(left);
  }
  return found;
}
