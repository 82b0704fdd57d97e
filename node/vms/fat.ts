/**
 * A FAT12 file system of 1 MiB with a few files in its root, made in memory: a seed is needed at the start of a VM, and
 * the tools that make one (mkfs.vfat, a mcopy for each file) take longer than the start itself. The same content gives
 * the same bytes, so that a seed that is there already is not written again.
 *
 * Sectors of 512 bytes, one a cluster:
 *   0 boot sector | 1..6 FAT | 7..12 FAT again | 13..44 root directory (512 entries) | 45..2047 data (clusters 2...)
 * An entry of the root directory is 32 bytes. A long name stands before its short one, 13 letters an entry, last part
 * first: `meta-data` is one such entry and then `META-D~1`.
 */
import { createHash } from 'node:crypto';

const sector = 512;
const sectors = 2_048;
const fatSectors = 6;
const rootEntries = 512;
const rootStart = 1 + 2 * fatSectors;
const dataStart = rootStart + (rootEntries * 32) / sector;
export const fatBytes = sectors * sector;
/** one entry is the label's */
const maxDirectoryBytes = rootEntries * 32;

const attribute = { volumeLabel: 0x08, archive: 0x20, longName: 0x0f } as const;
/** 1 January 1980: the clock would make every image another one */
const firstDay = 0x0021;
const endOfChain = 0xfff;

export type FatFile = { name: string; content: Uint8Array };

export function fatImage(label: string, files: readonly FatFile[]): Buffer {
  const image = Buffer.alloc(fatBytes);
  const fat = new Uint16Array(sectors - dataStart + 2);
  fat.set([0xff8, endOfChain]);
  let entryAt = rootStart * sector;
  const entry = (bytes: Buffer) => {
    if (entryAt + bytes.length > rootStart * sector + maxDirectoryBytes) throw tooMuch();
    bytes.copy(image, entryAt);
    entryAt += bytes.length;
  };
  entry(shortEntry(label.toUpperCase().padEnd(11), attribute.volumeLabel, 0, 0));

  let cluster = 2;
  for (const [index, { name, content }] of files.entries()) {
    const count = Math.ceil(content.length / sector);
    if (cluster + count > fat.length) throw tooMuch();
    const short = shortNameOf(name, index + 1);
    for (const part of longEntries(name, checksumOf(short))) entry(part);
    entry(shortEntry(short, attribute.archive, count === 0 ? 0 : cluster, content.length));
    Buffer.from(content).copy(image, (dataStart + cluster - 2) * sector);
    for (let nth = 1; nth <= count; nth += 1, cluster += 1)
      fat[cluster] = nth === count ? endOfChain : cluster + 1;
  }
  const packed = packed12(fat);
  packed.copy(image, sector);
  packed.copy(image, (1 + fatSectors) * sector);
  bootSector(label, createHash('sha256').update(image).digest()).copy(image);
  return image;
}

const tooMuch = () => new Error('more than fits on the disk');

/** Two entries of 12 bits in three bytes: abc, def -> bc fa de */
function packed12(fat: Uint16Array): Buffer {
  const bytes = Buffer.alloc(fatSectors * sector);
  for (const [index, value] of fat.entries()) {
    const at = Math.floor((index * 3) / 2);
    const both = bytes.readUInt16LE(at) | (index % 2 === 0 ? value : value << 4);
    bytes.writeUInt16LE(both & 0xffff, at);
  }
  return bytes;
}

function bootSector(label: string, digest: Buffer): Buffer {
  const boot = Buffer.alloc(sector);
  boot.set([0xeb, 0x3c, 0x90]);
  boot.write('TREFOIL ', 3, 'latin1');
  boot.writeUInt16LE(sector, 11);
  boot.writeUInt8(1, 13); // sectors a cluster
  boot.writeUInt16LE(1, 14); // reserved sectors
  boot.writeUInt8(2, 16); // FATs
  boot.writeUInt16LE(rootEntries, 17);
  boot.writeUInt16LE(sectors, 19);
  boot.writeUInt8(0xf8, 21); // a fixed disk
  boot.writeUInt16LE(fatSectors, 22);
  boot.writeUInt16LE(32, 24); // sectors a track
  boot.writeUInt16LE(2, 26); // heads
  boot.writeUInt8(0x80, 36);
  boot.writeUInt8(0x29, 38); // serial number, label and type follow
  digest.copy(boot, 39, 0, 4);
  boot.write(label.toUpperCase().padEnd(11), 43, 'latin1');
  boot.write('FAT12   ', 54, 'latin1');
  boot.writeUInt16LE(0xaa55, 510);
  return boot;
}

/** `meta-data` -> `META-D~1   `, with the file's number so that two are never the same */
function shortNameOf(name: string, number: number): string {
  const base = name.toUpperCase().replaceAll(/[^A-Z0-9-]/g, '');
  const end = `~${number}`;
  return `${base.slice(0, 8 - end.length)}${end}`.padEnd(11);
}

function shortEntry(name: string, attributes: number, cluster: number, size: number): Buffer {
  const bytes = Buffer.alloc(32);
  bytes.write(name, 0, 11, 'latin1');
  bytes.writeUInt8(attributes, 11);
  bytes.writeUInt16LE(firstDay, 16);
  bytes.writeUInt16LE(firstDay, 18);
  bytes.writeUInt16LE(firstDay, 24);
  bytes.writeUInt16LE(cluster, 26);
  bytes.writeUInt32LE(size, 28);
  return bytes;
}

function checksumOf(short: string): number {
  let sum = 0;
  for (const byte of Buffer.from(short, 'latin1')) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff;
  return sum;
}

const lettersAt = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

function longEntries(name: string, checksum: number): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < name.length; at += lettersAt.length) {
    const bytes = Buffer.alloc(32);
    const number = parts.length + 1;
    const last = at + lettersAt.length >= name.length;
    bytes.writeUInt8(last ? number | 0x40 : number, 0);
    bytes.writeUInt8(attribute.longName, 11);
    bytes.writeUInt8(checksum, 13);
    for (const [index, offset] of lettersAt.entries()) {
      // The name's end is one zero; what is left of the entry is all ones.
      const position = at + index;
      const letter =
        position < name.length ? name.charCodeAt(position) : position === name.length ? 0 : 0xffff;
      bytes.writeUInt16LE(letter, offset);
    }
    parts.unshift(bytes);
  }
  return parts;
}
