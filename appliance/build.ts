/**
 * Builds the engine's VM image: `node appliance/build.ts` prints where it is. Needs the engine's bundle and the UI in
 * dist/ (`npm run build`). Two layers in the cache: Debian, PostgreSQL and Node (a minute), and the image (seconds), so
 * that a changed engine costs little.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stdout } from 'node:process';
import { pipeline } from 'node:stream/promises';
import { cached, hashOf } from '../image/cache.ts';
import { copyInto, makeBootDisk } from '../image/kit/bootdisk.ts';
import { partitionType } from '../image/kit/mbr.ts';
import { tool } from '../image/tool.ts';
import { type Base, engineBase } from './base.ts';
import { train } from './train.ts';

export type EngineImage = {
  /** raw disk with holes */
  path: string;
  version: string;
  bytes: number;
  sha256: string;
  /** the same, zstd: what is shipped */
  compressedPath: string;
  compressedBytes: number;
};

const here = import.meta.dirname;
const dist = join(here, '../dist');
/** What the image takes from the bundles. */
const product = ['trefoil-engine.mjs', 'trefoil-appliance.mjs', 'ui', 'version'] as const;

export const commandLine =
  'console=tty0 console=ttyS0 quiet loglevel=3 mitigations=auto random.trust_cpu=on panic=10 audit=0 systemd.show_status=0 edd=off 8250.nr_uarts=1 no_timer_check rcupdate.rcu_expedited=1';

/** `from` is where the bundles are. */
export async function buildEngineImage(from: string = dist): Promise<EngineImage> {
  const parts = product.map((name) => join(from, name));
  for (const path of parts)
    if (!existsSync(path)) throw new Error(`${path} is not there: build the bundles first (npm run build)`);
  const base = await engineBase();
  const version = (await readFile(join(from, 'version'), 'utf8')).trim();
  const hash = await hashOf([...parts, join(here, 'build.ts'), join(here, 'train.ts')], [base.hash]);
  const entry = await cached('engine-image', hash, async (dir) => {
    const path = join(dir, 'engine.raw');
    await makeImage(path, base, from);
    await tool(['zstd', '-q', '-T0', '-3', path, '-o', `${path}.zst`], { timeoutMs: 600_000 });
    const facts = { version, bytes: (await stat(path)).size, sha256: await sha256Of(path) };
    await writeFile(join(dir, 'image.json'), `${JSON.stringify(facts)}\n`);
  });
  const path = join(entry.path, 'engine.raw');
  const compressedPath = `${path}.zst`;
  const compressedBytes = (await stat(compressedPath)).size;
  const facts = JSON.parse(await readFile(join(entry.path, 'image.json'), 'utf8')) as Pick<
    EngineImage, // written a few lines above
    'version' | 'bytes' | 'sha256'
  >;
  return { path, compressedPath, compressedBytes, ...facts };
}

async function makeImage(path: string, base: Base, from: string): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'trefoil-engine-'));
  try {
    const tree = join(work, 'tree');
    await tool(['cp', '--archive', '--reflink=auto', base.tree, tree]);
    const place = join(tree, 'usr/lib/trefoil');
    for (const name of product) await cp(join(from, name), join(place, name), { recursive: true });
    await tool(['chown', '--recursive', 'root:root', place]);
    await tool(['chmod', '--recursive', 'u=rwX,go=rX', place]);
    await train(tree);

    const root = join(work, 'root.ext4');
    await makeRoot(tree, root);
    const [partition] = await makeBootDisk({
      path,
      kernel: base.kernel,
      initrd: await readFile(base.initrd),
      commandLine,
      label: 'TFENGINE',
      signature: 0x7ef0_0002,
      others: [{ bytes: (await stat(root)).size, type: partitionType.linux }],
    });
    if (partition === undefined) throw new Error('the disk has no root partition');
    await copyInto(path, root, partition);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A read-only root needs no journal and hardly any free space. */
async function makeRoot(tree: string, volume: string): Promise<void> {
  const used = (await tool(['du', '--summarize', '--block-size=1M', '--apparent-size', tree])).split('\t')[0];
  const mebibytes = Math.ceil(Number(used) * 1.08) + 32;
  await tool([
    ...(['mke2fs', '-q', '-F', '-t', 'ext4', '-L', 'trefoil-root'] as const),
    ...[
      '-O',
      '^has_journal,^resize_inode',
      '-m',
      '0',
      '-I',
      '256',
      '-U',
      '7ef00002-0000-4000-8000-000000000002',
    ],
    ...['-d', tree, volume, `${mebibytes}M`],
  ]);
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 4 * 1024 * 1024 }), hash);
  return hash.digest('hex');
}

if (import.meta.main) stdout.write(`${JSON.stringify(await buildEngineImage(), null, 2)}\n`);
