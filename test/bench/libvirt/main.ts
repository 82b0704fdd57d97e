/**
 * Calls per second of our libvirt client, one after the other and pipelined, beside libvirt's own C library in the same
 * run against the same daemon: `npm run bench:libvirt [-- OUTPUT.json]`. Rounds alternate, the best of each counts, so
 * that what else the machine does hits all alike.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argv, stdout } from 'node:process';
import { openTransport } from '../../../node/libvirt/handshake.ts';
import type { DomainRef } from '../../../node/libvirt/procedures/shapes.ts';
import { procedures } from '../../../node/libvirt/procedures/table.ts';
import type { Transport } from '../../../node/libvirt/transport.ts';
import { startLibvirtd } from '../../support/libvirtd.ts';

const uri = 'qemu:///system';
const xml = `
<domain type='qemu'>
  <name>bench</name>
  <memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices><serial type='null'/><interface type='user'><model type='virtio'/></interface></devices>
</domain>`;
const rounds = 8;
const calls = { version: 2_000, state: 2_000, xml: 1_000, stats: 40 } as const;
type CallName = keyof typeof calls;
/** QEMU itself answers these, one at a time and in milliseconds: no client can be faster by asking earlier. */
const boundByQemu: ReadonlySet<CallName> = new Set(['stats']);

/** The C client, compiled once for each content. */
function compileClient(): string {
  const source = join(import.meta.dirname, 'client.c');
  const key = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const binary = join('.cache', 'bench-libvirt', key);
  if (!existsSync(binary)) {
    mkdirSync(dirname(binary), { recursive: true });
    execFileSync('gcc', ['-O2', '-Wall', '-Werror', '-o', binary, source, '-lvirt'], { stdio: 'inherit' });
  }
  return binary;
}

const ours = (transport: Transport, domain: DomainRef): Record<CallName, () => Promise<unknown>> => ({
  version: () => transport.call(procedures.getLibVersion, {}),
  state: () => transport.call(procedures.getState, { domain, flags: 0 }),
  xml: () => transport.call(procedures.getXml, { domain, flags: 0 }),
  stats: () => transport.call(procedures.getAllStats, { domains: [], stats: 0, flags: 0 }),
});

async function perSecond(count: number, body: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await body();
  return count / ((performance.now() - started) / 1000);
}

const serial = async (count: number, call: () => Promise<unknown>): Promise<void> => {
  for (let i = 0; i < count; i++) await call();
};
const pipelined = (count: number, call: () => Promise<unknown>): Promise<unknown> =>
  Promise.all(Array.from({ length: count }, call));

type Row = { call: CallName; c: number; serial: number; pipelined: number };

async function measure(): Promise<Row[]> {
  const binary = compileClient();
  const daemon = await startLibvirtd();
  try {
    const transport = await openTransport({ socketPath: daemon.socketPath, uri });
    const { domain } = await transport.call(procedures.createXml, { xml, flags: 1 }, { deadlineMs: 60_000 });
    const rows: Row[] = [];
    for (const name of Object.keys(calls) as CallName[]) {
      const count = calls[name];
      const call = ours(transport, domain)[name];
      const row: Row = { call: name, c: 0, serial: 0, pipelined: 0 };
      await pipelined(count, call);
      for (let round = 0; round < rounds; round++) {
        const seconds = execFileSync(binary, [daemon.socketPath, 'qemu+unix:///system', name, String(count)]);
        row.c = Math.max(row.c, count / Number(seconds));
        row.serial = Math.max(row.serial, await perSecond(count, () => serial(count, call)));
        row.pipelined = Math.max(row.pipelined, await perSecond(count, () => pipelined(count, call)));
      }
      rows.push(row);
    }
    await transport.call(procedures.destroy, { domain, flags: 0 });
    transport.close();
    return rows;
  } finally {
    await daemon.stop();
  }
}

const rows = await measure();
const column = (text: string | number): string =>
  (typeof text === 'number' ? Math.round(text).toLocaleString('en') : text).padStart(12);
stdout.write(
  `calls per second, best of ${rounds}\n${['call', 'C serial', 'ours serial', 'pipelined', 'pipelined/C'].map(column).join('')}\n`,
);
for (const row of rows)
  stdout.write(
    `${[row.call, row.c, row.serial, row.pipelined, (row.pipelined / row.c).toFixed(2)].map(column).join('')}\n`,
  );
const missed = rows.filter((row) => row.pipelined <= row.c && !boundByQemu.has(row.call));
stdout.write(
  missed.length === 0
    ? `goal met: pipelined is above the C client's serial rate (${[...boundByQemu].join(', ')}: bound by QEMU, shown only)\n`
    : `goal missed for ${missed.map((row) => row.call).join(', ')}\n`,
);
const output = argv[2] ?? join('.cache', 'bench', 'libvirt.json');
mkdirSync(dirname(output), { recursive: true });
const rounded = rows.map(({ call, ...rates }) => ({
  call,
  ...Object.fromEntries(Object.entries(rates).map(([name, rate]) => [name, Math.round(rate)])),
}));
const goalMet = missed.length === 0;
writeFileSync(output, `${JSON.stringify({ unit: 'calls/s', rounds, goalMet, rows: rounded }, null, 2)}\n`);
stdout.write(`written to ${output}\n`);
