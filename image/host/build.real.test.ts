import { existsSync } from 'node:fs';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { tool } from '../tool.ts';
import { buildHostTree } from './build.ts';

const test = suite('image: host tree', { deadlineMs: 250_000 });
let tree = '';
test.before(async () => {
  ({ tree } = await buildHostTree());
});

test('a second build finds the first', async () => {
  assert.is((await buildHostTree()).built, false);
});

test('only what we want starts at boot', async () => {
  const wants = await readdir(join(tree, 'etc/systemd/system/multi-user.target.wants'));
  assert.equal(wants.sort(), [
    'avahi-daemon.service',
    'chrony.service',
    'libvirtd.service',
    'remote-fs.target',
    'systemd-networkd.service',
    'trefoil-console.path',
    'trefoil-console.service',
    'trefoil-ha.service',
    'trefoil-node.service',
  ]);
  const everywhere = await readdir(join(tree, 'etc/systemd/system'), { recursive: true });
  for (const unit of [
    'glusterd.service',
    'etcd.service',
    'libvirtd-tcp.socket',
    'systemd-networkd-wait-online.service',
  ])
    assert.not.ok(
      everywhere.some((path) => path.endsWith(unit)),
      unit,
    );
});

test('systemd understands our units', async () => {
  const units = [
    'trefoil-node.service',
    'trefoil-ha.service',
    'trefoil-console.service',
    'trefoil-console.path',
  ];
  await tool(['systemd-analyze', 'verify', '--man=no', `--root=${tree}`, ...units]);
});

test('its Node runs', async () => {
  const version = await tool(['chroot', tree, '/usr/lib/trefoil/node', '--version']);
  assert.match(version, /^v24\./);
});

test('nothing of the machine that built it is in it', async () => {
  assert.is(await readFile(join(tree, 'etc/hostname'), 'utf8'), 'trefoil\n');
  assert.is(await readFile(join(tree, 'etc/machine-id'), 'utf8'), 'uninitialized\n');
  assert.ok((await lstat(join(tree, 'etc/resolv.conf'))).isSymbolicLink());
  for (const path of [
    'boot/vmlinuz',
    'var/lib/glusterd/glusterd.info',
    'usr/sbin/sshd',
    'usr/share/man/man1/ls.1.gz',
  ])
    assert.not.ok(existsSync(join(tree, path)), path);
  // Built in another clone perhaps: told by the end of the path.
  assert.is(await tool(['find', tree, '-lname', '/*/image/host/files/*']), '', 'links lead out of the image');
});

test('the tools that SNMP fence agents call are there, ours before those of Debian', async () => {
  for (const name of ['snmpget', 'snmpset', 'snmpwalk']) {
    assert.ok(existsSync(join(tree, 'usr/bin', name)), name);
    await tool(['chroot', tree, 'test', '-x', `/usr/lib/trefoil/${name}`]);
  }
});

test('the licences of all packages are in it', async () => {
  assert.ok(existsSync(join(tree, 'usr/share/doc/glusterfs-server/copyright')));
});

test('the users that volumes and disks belong to have their fixed numbers', async () => {
  assert.match(await readFile(join(tree, 'etc/passwd'), 'utf8'), /^libvirt-qemu:x:64055:/m);
});

test.run();
