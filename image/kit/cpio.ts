/**
 * Writes an initramfs: a cpio archive in "newc" form. Per entry: the magic 070701, thirteen numbers of eight hex
 * digits, the name with a closing NUL padded to four bytes, the content padded to four bytes.
 * Times are zero and inode numbers are counted, so that equal content gives equal bytes.
 */
export type CpioEntry =
  | { path: string; type: 'dir'; mode?: number }
  | { path: string; type: 'file'; mode?: number; content: Uint8Array | string }
  | { path: string; type: 'link'; target: string };

const typeBits = { dir: 0o040000, file: 0o100000, link: 0o120000 } as const;
const defaultMode = { dir: 0o755, file: 0o644, link: 0o777 } as const;

const pad4 = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4);

function contentOf(entry: CpioEntry): Buffer {
  if (entry.type === 'dir') return Buffer.alloc(0);
  return Buffer.from(entry.type === 'link' ? entry.target : entry.content);
}

function record(name: string, mode: number, links: number, inode: number, content: Buffer): Buffer {
  const nameBytes = Buffer.from(`${name}\0`);
  const numbers = [inode, mode, 0, 0, links, 0, content.length, 0, 0, 0, 0, nameBytes.length, 0];
  const head = Buffer.from(`070701${numbers.map((n) => n.toString(16).padStart(8, '0')).join('')}`);
  return Buffer.concat([
    head,
    nameBytes,
    pad4(head.length + nameBytes.length),
    content,
    pad4(content.length),
  ]);
}

/** Parent folders that are missing are added before their first child. */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  const seen = new Set<string>();
  let inode = 1;
  const add = (entry: CpioEntry) => {
    const parent = entry.path.split('/').slice(0, -1).join('/');
    if (parent !== '' && !seen.has(parent)) add({ path: parent, type: 'dir' });
    if (seen.has(entry.path)) return;
    seen.add(entry.path);
    const given = entry.type === 'link' ? undefined : entry.mode;
    const mode = typeBits[entry.type] | (given ?? defaultMode[entry.type]);
    parts.push(record(entry.path, mode, entry.type === 'dir' ? 2 : 1, inode++, contentOf(entry)));
  };
  for (const entry of entries) add(entry);
  parts.push(record('TRAILER!!!', 0, 1, 0, Buffer.alloc(0)));
  return Buffer.concat(parts);
}
