import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { matchesGolden } from '../../test/support/golden.ts';
import { suite } from '../../test/support/suite.ts';
import { hostNetworkSchema } from '../contract/network.ts';
import { networkProblems } from './check.ts';
import { networkFiles, vlanNameOf } from './files.ts';

const test = suite('network files');
type Given = z.input<typeof hostNetworkSchema>;
const macs = { eno1: '52:54:00:00:00:01', eno2: '52:54:00:00:00:02', enp175s0f1np1: '52:54:00:00:00:03' };
const networksOf = (given: Given[]) => z.array(hostNetworkSchema).parse(given);

const mgmt: Given = { name: 'mgmt', nic: 'eno1', bridge: true, addressing: { kind: 'dhcp' } };
const storage: Given = {
  name: 'storage',
  nic: 'eno2',
  bridge: false,
  mtu: 9000,
  addressing: { kind: 'static', address: '10.77.1.11/24' },
};
const cases: Record<string, Given[]> = {
  nothing: [],
  'a bridge by DHCP and a storage network': [mgmt, storage],
  'a static bridge with gateway and DNS': [
    {
      ...mgmt,
      addressing: {
        kind: 'static',
        address: '192.168.1.20/24',
        gateway: '192.168.1.1',
        dns: ['192.168.1.1', '9.9.9.9'],
      },
    },
  ],
  'VLANs beside the untagged network of a card': [
    mgmt,
    { name: 'guests', nic: 'eno1', vlan: 30, bridge: true, addressing: { kind: 'dhcp' } },
    {
      name: 'backup',
      nic: 'eno1',
      vlan: 40,
      bridge: false,
      addressing: { kind: 'static', address: '10.40.0.5/16' },
    },
  ],
  'a card with VLANs alone, with a long name': [
    {
      name: 'guests',
      nic: 'enp175s0f1np1',
      vlan: 4000,
      bridge: true,
      mtu: 9000,
      addressing: { kind: 'dhcp' },
    },
  ],
};

for (const [name, given] of Object.entries(cases))
  test(name, () => {
    const { files, devices } = networkFiles(networksOf(given), macs);
    const text = [
      `# made devices: ${devices.join(' ')}\n`,
      ...Object.entries(files).map(([file, content]) => `\n===== ${file}\n${content}`),
    ].join('');
    matchesGolden(join(import.meta.dirname, 'golden', `${name.replaceAll(/[ ,]+/g, '-')}.golden.txt`), text);
    assert.ok(devices.every((device) => device.length <= 15));
    assert.equal(networkProblems(networksOf(given), Object.keys(macs)), []);
  });

test('the order in which networks are told does not matter', () => {
  const both = networksOf([mgmt, storage]);
  assert.equal(networkFiles(both, macs), networkFiles([...both].reverse(), macs));
});

test('VLANs of cards with long names stay apart', () => {
  assert.is(vlanNameOf('eno1', 30), 'eno1.30');
  const names = ['enp175s0f1np1', 'enp175s0f1np2'].map((nic) => vlanNameOf(nic, 4094));
  assert.is.not(names[0], names[1]);
  assert.ok(names.every((name) => name.length <= 15));
});

const wrong: Record<string, [Given[], RegExp[]]> = {
  'a card that is not there': [[{ ...mgmt, nic: 'eth9' }], [/wants the card eth9/]],
  'one card used twice': [
    [mgmt, { ...storage, nic: 'eno1', mtu: 1500 }],
    [/The card and VLAN eno1 is used by two networks/],
  ],
  'one name twice': [[mgmt, { ...storage, name: 'mgmt' }], [/The name mgmt/]],
  'bridges that would have one name': [
    [
      { ...mgmt, name: 'a-very-long-name-1' },
      { ...mgmt, nic: 'eno2', name: 'a-very-long-name-2' },
    ],
    [/The bridge br-a-very-long/],
  ],
  'a gateway elsewhere': [
    [{ ...mgmt, addressing: { kind: 'static', address: '10.0.0.2/24', gateway: '10.0.1.1' } }],
    [/The gateway 10.0.1.1/],
  ],
  'two gateways and one address': [
    [
      { ...mgmt, addressing: { kind: 'static', address: '10.0.0.2/24', gateway: '10.0.0.1' } },
      { ...storage, addressing: { kind: 'static', address: '10.0.0.2/16', gateway: '10.0.0.1' } },
    ],
    [/The address 10.0.0.2/, /gateway/],
  ],
  'the broadcast address': [
    [{ ...mgmt, addressing: { kind: 'static', address: '10.0.0.255/24' } }],
    [/broadcast/],
  ],
  'frames larger than the card has': [
    [mgmt, { name: 'x', nic: 'eno1', vlan: 5, mtu: 9000, bridge: false, addressing: { kind: 'dhcp' } }],
    [/larger frames/],
  ],
};
for (const [name, [given, expected]] of Object.entries(wrong))
  test(`refused: ${name}`, () => {
    const problems = networkProblems(networksOf(given), Object.keys(macs));
    assert.is(problems.length, expected.length, problems.join('\n'));
    for (const [i, pattern] of expected.entries()) assert.match(problems[i] ?? '', pattern);
  });

test.run();
