import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import {
  bootedAtOf,
  busyPercent,
  cpuOf,
  cpuTimesOf,
  ipLinksSchema,
  memoryOf,
  nicsOf,
  reachableAddresses,
} from './model.ts';

const test = suite('host facts');

/** `ip -j -d address show`, shortened */
const links = ipLinksSchema.parse([
  {
    ifname: 'lo',
    link_type: 'loopback',
    flags: ['UP'],
    mtu: 65536,
    addr_info: [{ family: 'inet', local: '127.0.0.1', prefixlen: 8, scope: 'host' }],
  },
  {
    ifname: 'eno1',
    link_type: 'ether',
    flags: ['UP', 'LOWER_UP'],
    mtu: 1500,
    address: '52:54:00:00:00:01',
    master: 'br-mgmt',
    linkinfo: { info_slave_kind: 'bridge' },
  },
  {
    ifname: 'br-mgmt',
    link_type: 'ether',
    flags: ['UP', 'LOWER_UP'],
    mtu: 1500,
    address: '52:54:00:00:00:01',
    linkinfo: { info_kind: 'bridge' },
    addr_info: [
      { family: 'inet', local: '10.0.0.5', prefixlen: 24, scope: 'global' },
      { family: 'inet6', local: 'fe80::5', prefixlen: 64, scope: 'link' },
    ],
  },
  {
    ifname: 'stor0',
    link_type: 'ether',
    flags: ['BROADCAST'],
    mtu: 9000,
    address: '52:54:00:00:00:02',
    linkinfo: { info_kind: 'veth' },
  },
  {
    ifname: 'vnet0',
    link_type: 'ether',
    flags: ['UP'],
    mtu: 1500,
    address: 'fe:54:00:00:00:09',
    master: 'br-mgmt',
    linkinfo: { info_kind: 'tun' },
    addr_info: [{ family: 'inet6', local: 'fe80::99', prefixlen: 64, scope: 'link' }],
  },
]);

test('cards are cards: not bridges, taps or loopback; a bridged one has the addresses of its bridge', () => {
  assert.equal(nicsOf(links, { eno1: { speedMbps: 1000, driver: 'igb' } }), [
    {
      name: 'eno1',
      mac: '52:54:00:00:00:01',
      linkUp: true,
      mtu: 1500,
      addresses: ['10.0.0.5/24', 'fe80::5/64'],
      bridge: 'br-mgmt',
      speedMbps: 1000,
      driver: 'igb',
    },
    { name: 'stor0', mac: '52:54:00:00:00:02', linkUp: false, mtu: 9000, addresses: [] },
  ]);
});

test('addresses to be reached at: link-local with the card, none of a VM', () => {
  const at = (address: string, mac: string, internal = false) => ({
    address,
    mac,
    internal,
    family: address.includes(':') ? 'IPv6' : 'IPv4',
  });
  assert.equal(
    reachableAddresses({
      lo: [at('127.0.0.1', '00:00:00:00:00:00', true)],
      'br-mgmt': [at('10.0.0.5', '52:54:00:00:00:01'), at('fe80::5', '52:54:00:00:00:01')],
      vnet0: [at('fe80::99', 'fe:54:00:00:00:09')],
    }),
    ['10.0.0.5', 'fe80::5%br-mgmt'],
  );
});

test('processors, memory and load as the kernel tells them', () => {
  const cpuinfo =
    'processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R)\nflags\t\t: fpu vme\n\nprocessor\t: 1\nvendor_id\t: GenuineIntel\n';
  assert.equal(cpuOf(cpuinfo), {
    model: 'Intel(R) Xeon(R)',
    vendor: 'GenuineIntel',
    threads: 2,
    features: ['fpu', 'vme'],
  });
  assert.is(memoryOf('MemTotal:       24683832 kB\nMemAvailable:    1024 kB\n', 'MemTotal'), 24105);
  const before = cpuTimesOf('cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1\n');
  const after = cpuTimesOf('cpu  150 0 100 850 0 0 0 0 0 0\n');
  assert.is(busyPercent(before, after), 50);
  assert.is(busyPercent(after, after), 0);
});

test('the time of the boot is the first process’s, whatever its name', () => {
  const pid1 = `1 (sys (te) md) S ${'0 '.repeat(18)}12345 0 0`;
  assert.is(bootedAtOf('cpu 1\nbtime 1700000000\n', pid1).getTime(), (1_700_000_000 + 123) * 1000);
});

test.run();
