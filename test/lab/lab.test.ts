import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { hierarchiesIn } from './cgroup.ts';
import { dropIn, isOffset } from './clock.ts';
import { consoleText } from './console.ts';
import { deviceLines, isFirstProcess, nspawnArgv } from './container.ts';
import { mountsBelow } from './mount.ts';
import { dhcpConfig } from './network.ts';
import { cutRules, narrow, widen } from './nft.ts';
import { planLab } from './plan.ts';
import { startTimeOf } from './process.ts';

const test = suite('lab: names and readings');

test('two labs share no name, no card and no file', () => {
  const [one, other] = [planLab({ prefix: 'a', root: '/l' }), planLab({ prefix: 'b', root: '/l' })];
  const names = (plan: typeof one) => [
    plan.netns,
    plan.folder,
    ...plan.hosts.flatMap((host) => [host.machine, host.folder, host.diskSerial]),
  ];
  assert.is(new Set([...names(one), ...names(other)]).size, names(one).length * 2);
  assert.is(new Set(one.hosts.flatMap((host) => Object.values(host.mac))).size, 6);
});

test('a prefix that would not fit into a name is refused', () => {
  for (const prefix of ['', 'A', '1a', 'a-b', 'morethan8', '../x']) assert.throws(() => planLab({ prefix }));
  assert.throws(() => planLab({ hosts: 0 }), /1 to 5/);
});

test('names of cards fit into what Linux allows', () => {
  for (const host of planLab({ hosts: 5 }).hosts)
    for (const name of Object.values(host.port)) assert.ok(name.length < 16);
});

test('cuts widen and mend per direction', () => {
  assert.is(widen(undefined, 'in'), 'in');
  assert.is(widen('in', 'out'), 'both');
  assert.is(widen('in', 'in'), 'in');
  assert.is(narrow('both', 'in'), 'out');
  assert.is(narrow('in', 'out'), 'in');
  assert.is(narrow('in', 'both'), undefined);
});

test('a cut of what a host sends is at the ingress of its port', () => {
  const rules = (direction: 'in' | 'out' | 'both') =>
    cutRules([{ host: 'host1', network: 'mgmt', port: 'h1mgmt', direction }]);
  assert.match(rules('out'), /hook ingress device "h1mgmt"/);
  assert.not.match(rules('out'), /egress/);
  assert.match(rules('in'), /hook egress device "h1mgmt"/);
  assert.not.match(rules('in'), /ingress/);
  assert.is(rules('both').match(/drop/g)?.length, 2);
  assert.not.match(cutRules([]), /drop/);
});

test('every host has a fixed lease', () => {
  const config = dhcpConfig(planLab());
  assert.match(config, /dhcp-host=52:54:00:77:00:02,10\.77\.0\.12,infinite/);
  assert.match(config, /no-resolv/);
});

test('console text has no escapes', () => {
  assert.is(
    consoleText('\u001b[0;32m  OK  \u001b[0m] Started\r\n\u001b]0;title\u0007x\u001b[K\r\r\n'),
    '  OK  ] Started\nx\n',
  );
});

test('mounts are listed deepest first, with blanks in their names', () => {
  const info = [
    '1 0 0:1 / / rw - ext4 a rw',
    '2 1 0:2 / /l/tf/host1/root rw - overlay b rw',
    '3 2 0:3 / /l/tf/host1/root/a\\040b rw - tmpfs c rw',
    '4 1 0:4 / /l/tf2 rw - tmpfs d rw',
  ].join('\n');
  assert.equal(mountsBelow(info, '/l/tf'), ['/l/tf/host1/root/a b', '/l/tf/host1/root']);
});

test('a process is known by its start time, whatever its name holds', () => {
  const fields = Array.from({ length: 50 }, (_, index) => `${index + 3}`);
  fields[0] = 'S';
  assert.is(startTimeOf(`77 (a) b (c) ${fields.join(' ')}`), '22');
});

test('the first process inside is the one called 1 there', () => {
  assert.ok(isFirstProcess('Name:\tsystemd\nNSpid:\t4711\t1\n'));
  assert.not.ok(isFirstProcess('Name:\tx\nNSpid:\t4711\t17\n'));
  assert.not.ok(isFirstProcess('Name:\tx\nNSpid:\t4711\n'));
});

test('control groups are found in both kinds of machine', () => {
  const hybrid = 'cgroup /c/systemd cgroup rw,name=systemd 0 0\ncgroup2 /c/unified cgroup2 rw 0 0\n';
  assert.equal(hierarchiesIn(hybrid), { unified: '/c/unified', systemd: '/c/systemd' });
  assert.equal(hierarchiesIn('cgroup2 /c cgroup2 rw 0 0\n'), { unified: '/c', systemd: undefined });
  assert.throws(() => hierarchiesIn('proc /proc proc rw 0 0\n'), /no unified/);
});

test('only the own loop device becomes a node', () => {
  assert.match(deviceLines('/dev/loop12', false), /b \/dev\/loop12 0660 root disk - 7:12/);
  assert.not.match(deviceLines('/dev/loop1', false), /kvm/);
  assert.throws(() => deviceLines('/dev/vda', true), /no loop device/);
});

test('a container cannot set the clock', () => {
  const [host] = planLab({ hosts: 1 }).hosts;
  if (host === undefined) throw new Error('no host');
  assert.ok(nspawnArgv(host).includes('--drop-capability=CAP_SYS_TIME'));
});

test('offsets of a clock', () => {
  for (const good of ['+90s', '-1h', '+0', '+1.5d']) assert.ok(isOffset(good), good);
  for (const bad of ['90s', 'now', '+1w', '+1s; reboot']) assert.not.ok(isOffset(bad), bad);
  assert.match(dropIn('etcd.service'), /FAKETIME_DONT_FAKE_MONOTONIC=1/);
});

test.run();
