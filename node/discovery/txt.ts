import { z } from 'zod';
import type { Announcement } from '../contract/host.ts';
import { hostIdSchema } from '../contract/ids.ts';

export const serviceType = '_trefoil._tcp';

/**
 * The TXT record of a host's service, by example:
 *   id=0f4b...  v=0.1.0  name=host1  state=unjoined  fp=<64 hex>  machine=Dell Inc. PowerEdge R340  cpu=8  mem=32768  disks=2
 * A string of a TXT record holds at most 255 bytes. Readers skip what they do not know.
 */
export function txtOf(announcement: Announcement): Buffer[] {
  const { id, version, name, state, fingerprint, machine, cpuThreads, memoryMiB, diskCount } = announcement;
  const pairs: [string, string | number][] = [
    ['id', id],
    ['v', version],
    ['name', name],
    ['state', state],
    ['fp', fingerprint],
    ['machine', machine],
    ['cpu', cpuThreads],
    ['mem', memoryMiB],
    ['disks', diskCount],
  ];
  return pairs.map(([key, value]) => Buffer.from(`${key}=${value}`, 'utf8').subarray(0, 255));
}

/** What of it we rely on before we have asked the host itself. */
const txtSchema = z.object({ id: hostIdSchema, fp: z.string().regex(/^[0-9a-f]{64}$/) });
export type FoundTxt = z.infer<typeof txtSchema>;

/** undefined: not one of our hosts, or damaged. */
export function readTxt(txt: readonly Uint8Array[]): FoundTxt | undefined {
  const pairs = txt.map((bytes) => {
    const text = Buffer.from(bytes).toString('utf8');
    const at = text.indexOf('=');
    return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  });
  return txtSchema.safeParse(Object.fromEntries(pairs)).data;
}
