import { z } from 'zod';
import { unreadable } from '../command/run.ts';

/** What the tools and the kernel say of the machine's block devices, as plain data. Parsers only, all pure. */

/** `lsblk --json --bytes`: a device, and what is made of it (partitions, LVM, MD) below it. */
export type BlockDevice = {
  kname: string;
  path: string;
  type: string;
  sizeBytes: number;
  model: string | undefined;
  serial: string | undefined;
  wwn: string | undefined;
  rotational: boolean;
  readOnly: boolean;
  mountPoints: string[];
  children: BlockDevice[];
};

export const lsblkColumns = 'KNAME,PATH,TYPE,SIZE,MODEL,SERIAL,WWN,ROTA,RO,MOUNTPOINTS';

const maybe = z
  .string()
  .nullish()
  .transform((text) => {
    const trimmed = text?.trim() ?? '';
    return trimmed === '' ? undefined : trimmed;
  });

type Wire = {
  kname: string;
  path: string;
  type: string;
  size: number;
  model?: string | null | undefined;
  serial?: string | null | undefined;
  wwn?: string | null | undefined;
  rota: boolean;
  ro: boolean;
  mountpoints: (string | null)[];
  children?: Wire[] | undefined;
};
const deviceSchema: z.ZodType<BlockDevice, Wire> = z
  .object({
    kname: z.string(),
    path: z.string(),
    type: z.string(),
    size: z.number(),
    model: maybe,
    serial: maybe,
    wwn: maybe,
    rota: z.boolean(),
    ro: z.boolean(),
    mountpoints: z.array(z.string().nullable()),
    children: z.array(z.lazy(() => deviceSchema)).default([]),
  })
  .transform(({ size, rota, ro, mountpoints, ...rest }) => ({
    ...rest,
    sizeBytes: size,
    rotational: rota,
    readOnly: ro,
    mountPoints: mountpoints.filter((point) => point !== null),
  }));

export function parseLsblk(output: string): BlockDevice[] {
  try {
    return z.object({ blockdevices: z.array(deviceSchema) }).parse(JSON.parse(output)).blockdevices;
  } catch (error) {
    throw unreadable('lsblk', 'its list of block devices', error);
  }
}

/** What is recognised on a device: file systems, partition tables, members of LVM and MD. */
export type Signature = { type: string; uuid: string | undefined; label: string | undefined };
const signatureSchema = z
  .object({ type: z.string(), uuid: maybe, label: maybe })
  .transform(({ type, uuid, label }): Signature => ({ type, uuid, label }));

export function parseWipefs(output: string): Signature[] {
  if (output.trim() === '') return []; // some versions say nothing at all of an empty device
  try {
    return z.object({ signatures: z.array(signatureSchema) }).parse(JSON.parse(output)).signatures;
  } catch (error) {
    throw unreadable('wipefs', 'its list of signatures', error);
  }
}

/** Lines "loop3 SERIAL" of /etc/trefoil/disks-allow-loop: loop devices that count as disks (trials and labs only). */
export function parseAllowedLoops(text: string): Map<string, string> {
  const pairs = text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words.length === 2 && /^loop\d+$/.test(words[0] ?? ''));
  return new Map(pairs.map(([name, serial]) => [name ?? '', serial ?? '']));
}

/** Device names of /proc/swaps, without the header. */
export const parseSwaps = (text: string): string[] =>
  text
    .split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/)[0] ?? '')
    .filter((name) => name.startsWith('/dev/'));

export type Mount = { device: string; root: string; mountPoint: string; type: string; source: string };
const unescapeOctal = (text: string) =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** /proc/self/mountinfo: `36 35 254:1 /sub /mnt rw,noatime shared:1 - xfs /dev/vda1 rw` */
export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before, after] = line.split(' - ');
    const [, , device, root, mountPoint] = before?.split(' ') ?? [];
    const [type, source] = after?.split(' ') ?? [];
    if (device === undefined || root === undefined || mountPoint === undefined) return [];
    if (type === undefined || source === undefined) return [];
    return [{ device, root, mountPoint: unescapeOctal(mountPoint), type, source: unescapeOctal(source) }];
  });
}

/** All of a device's descendants and itself. */
export const withDescendants = (device: BlockDevice): BlockDevice[] => [
  device,
  ...device.children.flatMap(withDescendants),
];
