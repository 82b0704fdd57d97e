import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { env } from 'node:process';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { bridgeNameOf } from '../contract/network.ts';
import { vmSpecSchema } from '../contract/vms.ts';
import { type DomainHost, domainXml } from './domain-xml.ts';
import { metadataNamespace, metadataXml, readMetadata, type VmMetadata } from './metadata.ts';
import { hostPaths } from './paths.ts';
import { writeXml, xml } from './xml.ts';

const test = suite('domain XML');

const host: DomainHost = {
  paths: hostPaths('/var/lib/trefoil', '/run/trefoil', '/var/log/trefoil'),
  bridgeOf: bridgeNameOf,
};
const id = '1f0c9f4e-5f43-4f57-9d5e-0d8a6f6b7c10';
const disk = { serial: 'os', volume: 'data', path: 'disks/os.qcow2', format: 'qcow2', bootOrder: 1 };
const nic = { mac: '52:54:00:12:34:56', network: 'mgmt' };
const smallest = { id, name: 'web', cpus: 1, memoryMiB: 512, disks: [], nics: [] };

const cases: Record<string, { spec: unknown; accelerator: 'kvm' | 'tcg' }> = {
  'smallest-kvm': { spec: smallest, accelerator: 'kvm' },
  'smallest-tcg': { spec: smallest, accelerator: 'tcg' },
  'usual-kvm': {
    spec: {
      ...smallest,
      cpus: 2,
      memoryMiB: 2048,
      disks: [disk, { serial: 'data', volume: 'data', path: 'disks/data.raw', format: 'raw' }],
      nics: [nic],
      cloudInit: { metaData: 'instance-id: 1', userData: '#cloud-config\nhostname: "web" # <&>' },
      seedVolume: 'data',
    },
    accelerator: 'kvm',
  },
  'named-cpu-kvm': { spec: { ...smallest, cpuModel: 'Skylake-Server' }, accelerator: 'kvm' },
  'named-cpu-tcg': { spec: { ...smallest, cpuModel: 'Skylake-Server' }, accelerator: 'tcg' },
  'uefi-kvm': { spec: { ...smallest, firmware: 'uefi', disks: [disk] }, accelerator: 'kvm' },
  'old-machine-kvm': {
    spec: {
      ...smallest,
      machine: 'pc',
      vga: 'virtio',
      disks: [
        { ...disk, bus: 'sata' },
        { serial: 'iso', volume: 'data', path: 'images/x.iso', format: 'raw', readOnly: true, bus: 'sata' },
      ],
      nics: [{ ...nic, model: 'e1000e' }],
      cloudInit: { metaData: '', userData: '' },
      seedVolume: 'data',
    },
    accelerator: 'kvm',
  },
  'engine-tcg': {
    spec: {
      ...smallest,
      name: 'engine',
      cpus: 2,
      memoryMiB: 2048,
      role: 'engine',
      disks: [
        { serial: 'trefoil-os', volume: 'engine', path: 'engine/os.raw', format: 'raw', bootOrder: 1 },
        { serial: 'trefoil-data', volume: 'engine', path: 'engine/data.raw', format: 'raw' },
        {
          serial: 'trefoil-seed',
          volume: 'engine',
          path: 'engine/seed.raw',
          format: 'raw',
          readOnly: true,
        },
      ],
      nics: [nic],
    },
    accelerator: 'tcg',
  },
};
const metadataOf = (name: string): VmMetadata => {
  const { spec, accelerator } = cases[name] ?? { spec: undefined, accelerator: 'tcg' };
  return {
    generation: 7,
    startedAt: '2026-01-02T03:04:05.000Z',
    accelerator,
    spec: vmSpecSchema.parse(spec),
  };
};

const folder = join(import.meta.dirname, 'golden');
for (const name of Object.keys(cases))
  test(`golden: ${name}`, () => {
    const made = domainXml(metadataOf(name), host);
    const path = join(folder, `${name}.golden.xml`);
    if (env['UPDATE'] !== undefined) writeFileSync(path, made);
    assert.ok(existsSync(path), `${path} is missing: run with UPDATE=1 and read what it writes`);
    assert.is(made, readFileSync(path, 'utf8'));
  });

test('no golden is left over', () => {
  const files = readdirSync(folder).filter((file) => file.endsWith('.golden.xml'));
  assert.equal(
    files.sort(),
    Object.keys(cases)
      .map((name) => `${name}.golden.xml`)
      .sort(),
  );
});

test('what a domain knows about itself is read again', () => {
  const metadata = metadataOf('usual-kvm');
  assert.equal(readMetadata(writeXml(metadataXml(metadata))), metadata);
  // libvirt writes the element anew, with its own choice of quotes and escapes
  const rewritten = writeXml(metadataXml(metadata)).replaceAll('&quot;', '"').replaceAll('&apos;', '&#x27;');
  assert.equal(readMetadata(rewritten), metadata);
  assert.match(writeXml(metadataXml(metadata)), metadataNamespace);
});

test('the metadata of others is not understood, and no error', () => {
  assert.is(readMetadata('<other/>'), undefined);
  assert.is(readMetadata('<other>{"generation":1}</other>'), undefined);
  assert.is(readMetadata('<other>not json</other>'), undefined);
});

test('text cannot break out of its place', () => {
  assert.is(
    writeXml(xml('a', { b: `'"><c/>` }, '</a>&')),
    `<a b='&apos;&quot;&gt;&lt;c/&gt;'>&lt;/a&gt;&amp;</a>\n`,
  );
  assert.throws(() => writeXml(xml('a', {}, '\u0000')), /control character/);
  assert.is(writeXml(xml('a', { b: undefined }, undefined, [undefined, xml('c')])), '<a>\n  <c/>\n</a>\n');
});

test.run();
