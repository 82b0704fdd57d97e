/**
 * The partition table of our boot disks: BIOS, at most four primary partitions, all aligned to 1 MiB.
 *   0      boot code (440 bytes, syslinux's mbr.bin: starts the active partition)
 *   440    disk signature (4), 0 (2)
 *   446    four entries of 16 bytes: active flag, CHS (unused), type, CHS (unused), first sector (LE), sectors (LE)
 *   510    55 aa
 */
export const sectorBytes = 512;
export const alignBytes = 1024 * 1024;

export const partitionType = { fat16: 0x0e, linux: 0x83, data: 0xda } as const;
export type Partition = { startBytes: number; bytes: number; type: number; active: boolean };

const roundUp = (bytes: number): number => Math.ceil(bytes / alignBytes) * alignBytes;

/** Lays partitions one behind the other; the first starts at 1 MiB. */
export function layOut(wanted: readonly { bytes: number; type: number; active?: boolean }[]): {
  partitions: Partition[];
  diskBytes: number;
} {
  if (wanted.length > 4) throw new Error('an MBR holds four partitions');
  let next = alignBytes;
  const partitions = wanted.map(({ bytes, type, active }) => {
    const partition = { startBytes: next, bytes: roundUp(bytes), type, active: active ?? false };
    next += partition.bytes;
    return partition;
  });
  return { partitions, diskBytes: next };
}

export function masterBootRecord(
  bootCode: Uint8Array,
  signature: number,
  partitions: readonly Partition[],
): Buffer {
  if (bootCode.length > 440) throw new Error('the boot code is larger than 440 bytes');
  const record = Buffer.alloc(sectorBytes);
  record.set(bootCode, 0);
  record.writeUInt32LE(signature, 440);
  partitions.forEach((partition, index) => {
    const at = 446 + index * 16;
    record.writeUInt8(partition.active ? 0x80 : 0, at);
    record.set([0xfe, 0xff, 0xff], at + 1);
    record.writeUInt8(partition.type, at + 4);
    record.set([0xfe, 0xff, 0xff], at + 5);
    record.writeUInt32LE(partition.startBytes / sectorBytes, at + 8);
    record.writeUInt32LE(partition.bytes / sectorBytes, at + 12);
  });
  record.writeUInt16BE(0x55aa, 510);
  return record;
}
