import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import * as assert from 'uvu/assert';
import { healthSchema } from '../engine/contract/health.ts';
import type { EngineSeed } from '../engine/contract/seed.ts';
import { bundleAll } from '../image/bundle.ts';
import { makeTestCa } from '../test/support/certificates.ts';
import { eventually } from '../test/support/eventually.ts';
import { type Machine, startMachine } from '../test/support/qemu.ts';
import { suite } from '../test/support/suite.ts';
import { buildEngineImage } from './build.ts';
import { sampleSeed, seedDisk } from './firstboot/seed.fixture.ts';

// An emulated machine: half a minute a boot when it has the processor for itself, minutes when it has not.
const test = suite("the engine's VM", { deadlineMs: 870_000 });
const dir = mkdtempSync(join(tmpdir(), 'trefoil-engine-vm-'));
test.after(() => rmSync(dir, { recursive: true }));

const ca = await makeTestCa();
const address = '10.0.2.100';

async function seedWith(generation: number, hostName: string): Promise<EngineSeed> {
  const { certificate, key } = await ca.issue({ id: hostName, role: 'engine', addresses: [address] });
  return sampleSeed({
    generation,
    network: { address: `${address}/24`, gateway: '10.0.2.2', dns: [], hostName },
    tls: { caCertificate: ca.certificate, certificate, key },
    timeServers: [],
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const found = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (found === null || typeof found === 'string') throw new Error('no free port');
  return found.port;
}

const port = await freePort();
const disk = (file: string, serial: string, options: string) => [
  ...['-drive', `if=none,id=${serial},file=${join(dir, file)},${options}`],
  ...['-device', `virtio-blk-pci,drive=${serial},serial=trefoil-${serial}`],
];
const boot = () =>
  startMachine({
    memoryMiB: 2048,
    cpus: 2,
    args: [
      ...disk('os.qcow2', 'os', 'format=qcow2,snapshot=on'),
      ...disk('data.raw', 'data', 'format=raw'),
      ...disk('seed.raw', 'seed', 'format=raw,readonly=on'),
      ...['-nic', `user,model=virtio,restrict=on,hostfwd=tcp:127.0.0.1:${port}-${address}:443`],
    ],
  });

/** Who answers, by the certificate, and what: once it says that it is ready. */
const ready = (deadlineMs: number) =>
  eventually(
    'the engine to be ready',
    async () => {
      const answer = await get('/api/v1/health');
      return healthSchema.safeParse(answer.body).data?.state === 'ready' ? answer : undefined;
    },
    { deadlineMs, everyMs: 200 },
  );

function get(path: string): Promise<{ body: unknown; name: string | undefined }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, path, ca: ca.certificate, checkServerIdentity: () => undefined },
      (response) => {
        // an answer to an https request came over TLS
        const name = (response.socket as TLSSocket).getPeerCertificate().subject.CN;
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on('end', () => {
          try {
            resolve({ body: JSON.parse(text), name: String(name) });
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    sent.setTimeout(5_000, () => sent.destroy(new Error('no answer within 5 s')));
    sent.on('error', reject);
    sent.end();
  });
}

async function shutDown(machine: Machine): Promise<void> {
  await machine.monitor('system_powerdown');
  await machine.ended(60_000);
}

test('is small, survives a power cut while it starts first, and takes a newer seed', async () => {
  await bundleAll();
  const image = await buildEngineImage();
  assert.ok(image.compressedBytes <= 450e6, `${image.compressedBytes} bytes compressed`);
  execFileSync('qemu-img', [
    'create',
    '-q',
    ...['-f', 'qcow2', '-b', image.path, '-F', 'raw'],
    join(dir, 'os.qcow2'),
  ]);
  writeFileSync(join(dir, 'data.raw'), '');
  truncateSync(join(dir, 'data.raw'), 4 * 1024 ** 3);
  writeFileSync(join(dir, 'seed.raw'), seedDisk(await seedWith(1, 'engine')));

  // its name is on the console when the seed was applied; the database is being copied
  const cut = await boot();
  try {
    await cut.sees(/engine: https:/, 200_000);
  } finally {
    await cut.kill();
  }

  const started = performance.now();
  const first = await boot();
  try {
    assert.is((await ready(250_000)).name, 'engine');
    process.stdout.write(`API after ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
    await shutDown(first);
  } finally {
    await first.kill();
  }

  writeFileSync(join(dir, 'seed.raw'), seedDisk(await seedWith(2, 'engine-two')));
  const second = await boot();
  try {
    assert.is((await ready(250_000)).name, 'engine-two');
  } finally {
    await second.kill();
  }
});

test.run();
