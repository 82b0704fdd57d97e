import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { vmId } from '../../../test/sim/scenario.ts';
import { suite } from '../../../test/support/suite.ts';
import { domainXml } from '../../vms/domain-xml.ts';
import { vmMetadataSchema } from '../../vms/metadata.ts';
import { hostPaths } from '../../vms/paths.ts';
import { findLeftovers, readStatusFile } from './leftovers.ts';

const test = suite('QEMUs that are found without libvirt');
const id = vmId(1);
const xmlOf = (epoch: number | undefined) =>
  domainXml(
    vmMetadataSchema.parse({
      generation: 1,
      startedAt: '2026-01-01T00:00:00.000Z',
      accelerator: 'tcg',
      spec: { id, name: 'web01', cpus: 1, memoryMiB: 128, disks: [], nics: [] },
      epoch,
    }),
    { paths: hostPaths('/var/lib/trefoil', '/run/trefoil', '/var/log/trefoil'), bridgeOf: (name) => name },
  );
const status = (epoch: number | undefined) =>
  `<domstatus state='running' reason='booted' pid='4242'>\n${xmlOf(epoch)}</domstatus>\n`;

test('a domain of HA says what it is, and by which epoch it runs', () => {
  assert.equal(readStatusFile(status(3)), { vm: id, epoch: 3, pid: 4242 });
});

test('a domain that is not HA’s, and half a file, say nothing', () => {
  assert.is(readStatusFile(status(undefined)), undefined);
  assert.is(readStatusFile(status(3).slice(0, 200)), undefined);
  assert.is(readStatusFile(''), undefined);
});

test('a file whose process is gone, or is another program, is no VM', async () => {
  const root = await mkdtemp(join(tmpdir(), 'leftovers-'));
  try {
    const [folder, proc] = [join(root, 'qemu'), join(root, 'proc')];
    await mkdir(folder);
    await writeFile(join(folder, 'web01.xml'), status(3));
    assert.equal(await findLeftovers(folder, proc), []);
    await mkdir(join(proc, '4242'), { recursive: true });
    await writeFile(join(proc, '4242', 'cmdline'), 'vim\0notes');
    assert.equal(await findLeftovers(folder, proc), []);
    await writeFile(join(proc, '4242', 'cmdline'), `/usr/bin/qemu-system-x86_64\0-uuid\0${id}`);
    assert.equal(await findLeftovers(folder, proc), [{ vm: id, epoch: 3, pid: 4242 }]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test.run();
