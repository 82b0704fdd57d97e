/**
 * Runs inside a host of the lab, as one bundled file: the agent's rooms for systemd, disks and etcd on the real thing,
 * without the agent. `rooms.mjs WHAT` prints one line of JSON; host.real.test.ts judges it.
 */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { systemClock } from '../../node/clock/clock.ts';
import { run } from '../../node/command/run.ts';
import { AppError } from '../../node/contract/error.ts';
import { makeBricks, sizeOf } from '../../node/disks/bricks.ts';
import { measureFsync } from '../../node/disks/fsync.ts';
import { hasDeviceMapper, systemDevices } from '../../node/disks/inventory.ts';
import { fileRecords } from '../../node/disks/records.ts';
import { makeEtcdClient } from '../../node/etcd/client.ts';
import { ensureEtcd, etcdStatus, removeEtcd } from '../../node/etcd/server.ts';
import { clientUrlOf, localClientUrl } from '../../node/etcd/server-config.ts';
import { systemEtcdFiles } from '../../node/etcd/server-files.ts';
import { makeTransport } from '../../node/etcd/transport.ts';
import { readIfThere, removeFileDurably, writeFileAtomic } from '../../node/files/atomic.ts';
import { makeLog } from '../../node/log/log.ts';
import { makeBus } from '../../node/systemd/bus.ts';
import { connectBus } from '../../node/systemd/connection.ts';
import { makeMachine } from '../../node/systemd/machine.ts';
import { timeStatus } from '../../node/systemd/time.ts';
import { makeUnits } from '../../node/systemd/units.ts';
import { eventually } from '../support/eventually.ts';

const log = makeLog('rooms', (line) => void process.stderr.write(`${line}\n`));
const bus = makeBus({ connect: connectBus, clock: systemClock, log });
const units = makeUnits({ bus, clock: systemClock, log });
const makeFolder = async (path: string) => void (await mkdir(path, { recursive: true, mode: 0o711 }));
const bricks = makeBricks({
  run,
  log,
  devices: systemDevices,
  records: fileRecords('/var/lib/trefoil/disks'),
  hasDeviceMapper,
  makeFolder,
  newUuid: randomUUID,
  sizeOf,
  mounts: {
    units,
    files: {
      read: readIfThere,
      write: (path, content) => writeFileAtomic(path, content, { mode: 0o644, directoryMode: 0o755 }),
      remove: removeFileDurably,
      makeFolder,
    },
  },
});
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof AppError ? `${error.code}: ${error.message}` : String(error)),
  );

async function tryUnits() {
  mkdirSync('/run/systemd/system', { recursive: true });
  const unit = (name: string, service: string) =>
    writeFileSync(
      `/run/systemd/system/${name}`,
      `[Service]\n${service}\n[Install]\nWantedBy=multi-user.target\n`,
    );
  unit('try-good.service', 'ExecStart=/bin/sleep 1000');
  unit('try-bad.service', 'Type=oneshot\nExecStart=/bin/false');
  unit('try-slow.service', 'Type=oneshot\nExecStart=/bin/sleep 100\nTimeoutStartSec=1');
  await units.daemonReload();
  const told: string[] = [];
  const stop = await units.watch('try-good.service', (status) => told.push(status.activeState));
  const good = await codeOf(units.start('try-good.service'));
  const bad = await codeOf(units.start('try-bad.service'));
  const slow = await codeOf(units.start('try-slow.service'));
  const none = await codeOf(units.start('try-none.service'));
  const status = await units.status('try-good.service');
  const afterBad = await units.status('try-bad.service');
  // the bus goes away and comes back; a unit changes meanwhile
  execFileSync('systemctl', ['stop', 'dbus.socket', 'dbus.service'], { stdio: 'ignore' });
  execFileSync('systemctl', ['stop', 'try-good.service'], { stdio: 'ignore' });
  execFileSync('systemctl', ['start', 'dbus.socket', 'dbus.service'], { stdio: 'ignore' });
  await eventually('the change is told', () => told.at(-1) === 'inactive', { deadlineMs: 20_000 });
  const again = await codeOf(units.restart('try-good.service'));
  await eventually('the restart is told', () => told.at(-1) === 'active', { deadlineMs: 20_000 });
  const stopped = await codeOf(units.stop('try-good.service'));
  await units.enable(['try-good.service']);
  const enabled = (await units.status('try-good.service')).fileState;
  await units.disable(['try-good.service']);
  stop();
  return { good, bad, slow, none, status, afterBad, told, again, stopped, enabled };
}

async function tryMachine() {
  const machine = makeMachine({ bus });
  const before = await machine.hostname();
  await machine.setHostname('renamed');
  const after = await machine.hostname();
  await machine.setHostname(before);
  return {
    before,
    after,
    time: await timeStatus({ run }),
    kernel: readFileSync('/etc/hostname', 'utf8').trim(),
  };
}

async function tryDisks(serial: string) {
  const before = await bricks.disks();
  const place = { kind: 'disk' as const, serial, eraseData: false };
  const first = await bricks.ensure('main', place);
  const second = await bricks.ensure('main', place);
  const taken = await codeOf(bricks.ensure('other', { ...place, eraseData: true }));
  const unknown = await codeOf(bricks.ensure('other', { ...place, serial: 'no-such-serial' }));
  const ours = await codeOf(bricks.ensure('other', place));
  const fsync = await measureFsync(first.path, { samples: 50 });
  return { before, after: await bricks.disks(), first, second, taken, ours, unknown, fsync };
}

async function tryEtcd(address: string) {
  const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) => readFileSync(`/var/tmp/${name}.pem`, 'utf8'));
  if (ca === undefined || cert === undefined || key === undefined) throw new Error('no certificates');
  const env = { files: systemEtcdFiles, units, log };
  const wanted = {
    generation: 1,
    name: 'host1',
    address,
    members: [{ name: 'host1', address }],
    initialState: 'new' as const,
    clusterToken: 'token-of-the-try',
  };
  const client = makeEtcdClient(
    { transport: makeTransport({ ca, cert, key }), clock: systemClock },
    { endpoints: [localClientUrl, clientUrlOf(address)] },
  );
  const before = await etcdStatus(env, client);
  await ensureEtcd(env, wanted, { ca, cert, key });
  await eventually('etcd serves', async () => (await etcdStatus(env, client)).healthy, {
    deadlineMs: 60_000,
  });
  await client.put('/try', 'value');
  const value = (await client.get('/try'))?.value;
  const pid = (await units.status('etcd.service')).mainPid;
  await ensureEtcd(env, wanted, { ca, cert, key });
  const samePid = (await units.status('etcd.service')).mainPid === pid;
  const other = await codeOf(
    ensureEtcd(env, { ...wanted, clusterToken: 'another-token' }, { ca, cert, key }),
  );
  const after = await etcdStatus(env, client);
  await removeEtcd(env);
  const removed = await etcdStatus(env, client);
  await client.close();
  return { before, value, samePid, other, after, removed };
}

const [what, argument = ''] = process.argv.slice(2);
const tries: Record<string, () => Promise<unknown>> = {
  units: tryUnits,
  machine: tryMachine,
  disks: () => tryDisks(argument),
  restore: async () => {
    await bricks.restore();
    return bricks.list();
  },
  sweep: async () => {
    await bricks.sweep();
    return {};
  },
  etcd: () => tryEtcd(argument),
};
const chosen = tries[what ?? ''];
if (chosen === undefined) throw new Error(`what: ${Object.keys(tries).join(', ')}`);
const result = await chosen();
bus.close();
process.stdout.write(`${JSON.stringify(result)}\n`);
