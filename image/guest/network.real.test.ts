import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';

const test = suite('what the test guest makes of a NoCloud seed');
const lib = join(import.meta.dirname, 'files/lib');
const awk = (script: string, input: string) =>
  execFileSync('awk', ['-f', join(lib, script)], { input, encoding: 'utf8' })
    .trim()
    .split('\n');

const mac = '52:54:00:00:00:01';

test('version 2: static address, gateway and name servers', () => {
  const config = `
version: 2
ethernets:
  primary:
    match:
      macaddress: "${mac.toUpperCase()}"
    set-name: eth0
    gateway4: 10.77.0.1
    addresses:
      - 10.77.0.50/24
    nameservers:
      search: [lab]
      addresses: [10.77.0.1, 10.77.0.2]
`;
  assert.equal(awk('network.awk', config), [
    `${mac} address 10.77.0.50/24`,
    `${mac} dns 10.77.0.1`,
    `${mac} dns 10.77.0.2`,
    `${mac} gateway 10.77.0.1`,
  ]);
});

test('version 2: a default route, and DHCP on a second interface', () => {
  const config = `network:
  version: 2
  ethernets:
    eth0:
      addresses: [10.0.0.5/24]
      routes:
        - to: default
          via: 10.0.0.1
    eth1: {dhcp4: true, optional: true}
`;
  assert.equal(awk('network.awk', config), [
    'eth0 address 10.0.0.5/24',
    'eth0 gateway 10.0.0.1',
    'eth1 dhcp -',
  ]);
});

test('version 2 as JSON on one line', () => {
  const config = JSON.stringify({
    version: 2,
    ethernets: {
      eth0: {
        match: { macaddress: mac },
        addresses: ['10.0.0.5/24'],
        nameservers: { addresses: ['10.0.0.1'] },
      },
    },
  });
  assert.equal(awk('network.awk', config), [`${mac} address 10.0.0.5/24`, `${mac} dns 10.0.0.1`]);
});

test('version 1: static with a netmask, and DHCP', () => {
  const config = `version: 1
config:
  - type: physical
    name: eth0
    mac_address: '${mac}'
    subnets:
      - type: static
        address: 192.168.1.10
        netmask: 255.255.240.0
        gateway: 192.168.1.1
        dns_nameservers: [192.168.1.1]
  - name: eth1
    type: physical
    subnets:
      - type: dhcp4
`;
  assert.equal(awk('network.awk', config), [
    `${mac} address 192.168.1.10/20`,
    `${mac} dns 192.168.1.1`,
    `${mac} gateway 192.168.1.1`,
    'eth1 dhcp -',
  ]);
});

test('the host name, as YAML and as JSON', () => {
  assert.equal(awk('hostname.awk', 'instance-id: a\nlocal-hostname: vm-1\n'), ['vm-1']);
  assert.equal(awk('hostname.awk', '#cloud-config\nhostname: "vm-2"\n'), ['vm-2']);
  assert.equal(awk('hostname.awk', '{"instance-id":"a","local-hostname":"vm-3"}'), ['vm-3']);
  assert.equal(awk('hostname.awk', 'instance-id: a\n'), ['']);
});

test.run();
