/**
 * Where the seconds go from the start of the engine's VM to its API: `npm run bench:engine-boot [-- OUTPUT.json]`.
 * The image as it is shipped, in an emulated machine like the one that a host gives it, booted first (new data disk, new
 * seed) and again. Each is booted twice: as it is, for the sum, and talking on its serial port, for the parts.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  constants as fsConstants,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { argv, env, stdout } from 'node:process';
import { buildEngineImage, commandLine } from '../../../appliance/build.ts';
import { sampleSeed, seedDisk } from '../../../appliance/firstboot/seed.fixture.ts';
import { bundleAll } from '../../../image/bundle.ts';
import { makeTestCa } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';

const address = '10.0.2.100';
const say = (text: string) => void stdout.write(`${text}\n`);

/** What is seen on the serial port, in the order in which it happens; what stands before it is what took the time. */
const milestones: ReadonlyArray<[part: string, ends: RegExp]> = [
  ['QEMU, firmware', /SYSLINUX/],
  ['boot loader: kernel and initramfs are read', /Decompressing|Linux version/],
  ['kernel', /Run \/init as init process/],
  ['initramfs: drivers, disks', /systemd\[1\]: systemd \d+.* running in system mode/],
  [
    'systemd: reads its units',
    /systemd\[1\]: Hostname set|systemd\[1\]: (Listening|Reached|Starting|Created)/,
  ],
  ['the seed is applied, the address set', /trefoil: .*https:/],
  ['PostgreSQL answers', /database system is ready to accept connections/],
  ['engine: Node starts, reads its code', /"message":"listening"/],
  ['engine: schema, seed, hosts', /"message":"the engine is ready"/],
];
type Line = { ms: number; text: string };
/** `busyMs`: what the whole machine took of processors until then; that hardly depends on what else runs here. */
type Boot = { apiMs: number; busyMs: number; lines: Line[] };

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const found = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (found === null || typeof found === 'string') throw new Error('no free port');
  return found.port;
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const sent = request(
      { host: '127.0.0.1', port, path: '/api/v1/health', rejectUnauthorized: false, agent: false },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    sent.setTimeout(5_000, () => sent.destroy());
    sent.on('error', () => resolve(false));
    sent.end();
  });

const disk = (dir: string, file: string, serial: string, options: string) => [
  ...['-drive', `if=none,id=${serial},file=${join(dir, file)},${options}`],
  ...['-device', `virtio-blk-pci,drive=${serial},serial=trefoil-${serial}`],
];
/** The ports and devices that node/vms/domain-xml.ts gives to every VM; finding them is a part of the boot. */
const likeOnAHost = [
  ...Array.from({ length: 13 }, (_, index) => ['-device', `pcie-root-port,chassis=${index + 1}`]).flat(),
  ...['-device', 'qemu-xhci', '-device', 'usb-tablet', '-device', 'virtio-serial-pci'],
  ...['-device', 'virtio-rng-pci', '-device', 'virtio-balloon-pci,free-page-reporting=on'],
];

function processorMs(process: ChildProcess): number {
  const afterName = readFileSync(`/proc/${process.pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  // utime and stime, in hundredths of a second
  return (Number(afterName[11]) + Number(afterName[12])) * 10;
}

async function boot(dir: string, os: string): Promise<Boot> {
  const port = await freePort();
  const started = performance.now();
  const qemu: ChildProcess = spawn(
    'qemu-system-x86_64',
    [
      ...[
        '-machine',
        'q35,hpet=off',
        '-accel',
        'tcg,thread=multi',
        '-cpu',
        env['BENCH_CPU'] ?? 'max,la57=off',
      ],
      ...[
        '-smp',
        env['BENCH_CPUS'] ?? '2',
        '-m',
        '2048',
        '-display',
        'none',
        '-no-user-config',
        '-nodefaults',
      ],
      ...['-vga', 'std', '-serial', 'stdio', '-monitor', 'none'],
      ...likeOnAHost,
      ...disk(dir, os, 'os', 'format=raw,snapshot=on'),
      ...disk(dir, 'data.raw', 'data', 'format=raw'),
      ...disk(dir, 'seed.raw', 'seed', 'format=raw,readonly=on'),
      ...['-nic', `user,model=virtio,restrict=on,hostfwd=tcp:127.0.0.1:${port}-${address}:443`],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const lines: Line[] = [];
  let rest = '';
  qemu.stdout?.on('data', (chunk: Buffer) => {
    const ms = performance.now() - started;
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    for (const text of parts) lines.push({ ms, text: text.trimEnd() });
  });
  const gone = once(qemu, 'exit');
  try {
    await eventually('the API', () => answers(port), { deadlineMs: 300_000, everyMs: 100 });
    return { apiMs: performance.now() - started, busyMs: processorMs(qemu), lines };
  } finally {
    // The next boot finds what a power cut leaves: a journal to replay, a database to recover.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    qemu.kill('SIGKILL');
    await gone;
  }
}

/** The same image, but it tells on the serial port what it does. */
function makeTalk(path: string, talking: string): void {
  copyFileSync(path, talking, fsConstants.COPYFILE_FICLONE);
  const config = `${talking}.cfg`;
  const louder = commandLine
    .replaceAll(/\b(quiet|loglevel=\d)\b/g, '')
    .concat(
      ' loglevel=7 earlyprintk=ttyS0,115200 systemd.log_level=info systemd.log_target=kmsg printk.devkmsg=on systemd.show_status=0',
      ' systemd.journald.forward_to_console=1 systemd.journald.max_level_console=info',
    );
  writeFileSync(
    config,
    `SERIAL 0 115200\nDEFAULT trefoil\nPROMPT 0\nLABEL trefoil\n  LINUX /vmlinuz\n  INITRD /initrd.img\n  APPEND ${louder}\n`,
  );
  // The boot partition begins at the first MiB.
  execFileSync('mcopy', ['-o', '-i', `${talking}@@1M`, config, '::syslinux.cfg']);
}

const seconds = (ms: number) => (ms / 1000).toFixed(1).padStart(7);
function partsOf({ apiMs, lines }: Boot): { part: string; fromMs: number; toMs: number }[] {
  const parts: { part: string; fromMs: number; toMs: number }[] = [];
  let before = 0;
  const found = milestones
    .flatMap(([part, ends]) => {
      const line = lines.find(({ text }) => ends.test(text));
      return line === undefined ? [] : [{ part, toMs: line.ms }];
    })
    .concat([{ part: 'the API answers: ready', toMs: apiMs }])
    .sort((a, b) => a.toMs - b.toMs);
  for (const { part, toMs } of found) {
    parts.push({ part, fromMs: before, toMs });
    before = toMs;
  }
  return parts;
}

/** Another image to compare with: BENCH_IMAGE=FILE. */
async function imagePath(): Promise<string> {
  if (env['BENCH_IMAGE'] !== undefined) return env['BENCH_IMAGE'];
  await bundleAll();
  return (await buildEngineImage()).path;
}
const image = await imagePath();
const dir = mkdtempSync(join(tmpdir(), 'trefoil-engine-boot-'));
const output = argv[2] ?? join('.cache', 'bench', 'engine-boot.json');
mkdirSync(dirname(output), { recursive: true });
const results: Record<string, unknown> = {};
try {
  const ca = await makeTestCa();
  const own = await ca.issue({ id: 'engine', role: 'engine', addresses: [address] });
  const seed = sampleSeed({
    network: { address: `${address}/24`, gateway: '10.0.2.2', dns: [], hostName: 'engine' },
    tls: { caCertificate: ca.certificate, ...own },
    timeServers: [],
  });
  writeFileSync(join(dir, 'seed.raw'), seedDisk(seed));
  copyFileSync(image, join(dir, 'os.raw'), fsConstants.COPYFILE_FICLONE);
  makeTalk(image, join(dir, 'talking.raw'));
  const freshData = () => {
    rmSync(join(dir, 'data.raw'), { force: true });
    writeFileSync(join(dir, 'data.raw'), '');
    truncateSync(join(dir, 'data.raw'), 4 * 1024 ** 3);
  };
  const only = env['BENCH_ONLY'];
  for (const os of ['os.raw', 'talking.raw']) {
    if (only !== undefined && !os.startsWith(only)) continue;
    freshData();
    for (const which of ['first', 'again']) {
      const done = await boot(dir, os);
      const name = `${which}, ${os === 'os.raw' ? 'as it is' : 'talking'}`;
      say(`\n${name}: API after ${seconds(done.apiMs)} s, processor time ${seconds(done.busyMs)} s`);
      if (os === 'os.raw') {
        results[name] = { apiMs: Math.round(done.apiMs), busyMs: done.busyMs };
        continue;
      }
      for (const { part, fromMs, toMs } of partsOf(done))
        say(`${seconds(fromMs)} -> ${seconds(toMs)}  ${seconds(toMs - fromMs)}  ${part}`);
      results[name] = { apiMs: Math.round(done.apiMs), busyMs: done.busyMs, parts: partsOf(done) };
      writeFileSync(
        `${output}.${which}.log`,
        done.lines.map(({ ms, text }) => `${seconds(ms)} ${text}`).join('\n'),
      );
    }
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
writeFileSync(output, `${JSON.stringify({ unit: 'ms', results }, null, 2)}\n`);
say(`\nwritten to ${output}, with what the serial port said beside it`);
