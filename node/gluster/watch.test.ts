import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { makeFakeClock } from '../../test/fakes/clock.ts';
import { suite } from '../../test/support/suite.ts';
import type { Run } from '../command/run.ts';
import type { VolumeStatus } from '../contract/storage.ts';
import { silentLog } from '../log/log.ts';
import { makeCli } from './cli.ts';
import { brickPidFile, selfHealPidFile } from './own.ts';
import { makeWatch } from './watch.ts';

const test = suite('the eye on volumes');
const captured = (name: string) => readFileSync(join(import.meta.dirname, 'captured', name), 'utf8');
const path = '/var/lib/trefoil/bricks/b/data';
const own = '10.77.1.11';
const done = '<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/></cliOutput>';
const calmHeal = captured('heal-summary.xml');
// recorded after the third brick had been replaced
const calmMeta = captured('meta.txt').replace('b/data2', 'b/data');

/** A host of a volume of three, with its files below /proc, /var/run/gluster and /var/lib/glusterd; all is well. */
function world() {
  const time = makeFakeClock();
  const calls: string[] = [];
  const notices: string[] = [];
  const statuses: VolumeStatus[] = [];
  const now = {
    heal: calmHeal,
    meta: calmMeta,
    dump: captured('shd.statedump'),
    waiting: 0,
    clients: [0, 1, 2].map((n) => `data-client-${n}`),
  };
  const pidFile = brickPidFile('data', { address: own, path });
  const files = new Map([
    [pidFile, '100\n'],
    ['/proc/100/cmdline', `/usr/sbin/glusterfsd\0--brick-name\0${path}\0`],
    [selfHealPidFile('data'), '200\n'],
    ['/proc/200/cmdline', '/usr/sbin/glusterfs\0--volfile-id\0shd/data\0--process-name\0glustershd\0'],
    ['/var/lib/glusterd/vols/data/info', 'version=1'],
  ]);
  const run: Run = async (argv) => {
    const said = (stdout: string) => ({ exitCode: 0, stdout, stderr: '' });
    const line = argv.join(' ');
    if (argv[0] === 'stat') return said('4096 1000 500\n');
    // `active` is a link: find looks into it only with the slash
    if (argv[0] === 'find')
      return said(argv[1]?.endsWith('/') ? now.clients.map((one) => `/m/active/${one}\n`).join('') : '');
    if (argv[0] === 'grep') return said(now.meta);
    calls.push(line.replace('gluster --mode=script --xml ', ''));
    if (argv[0] === 'kill') {
      if (argv[1] === '-USR1') files.set('/var/run/gluster/glusterdump.200.dump.1', now.dump);
      else files.delete('/proc/200/cmdline');
      return said('');
    }
    if (line.endsWith('volume info')) return said(captured('volume-info.xml'));
    if (line.endsWith('info summary')) return said(now.heal);
    if (line.includes(' start data force'))
      files.set('/proc/100/cmdline', `glusterfsd --brick-name ${path} `);
    return said(done);
  };
  const { clock } = time;
  const log = silentLog;
  const watch = makeWatch({
    cli: makeCli({ run, clock, log }),
    clock,
    log,
    mounts: { run, log, isMounted: async () => true },
    own: {
      run,
      clock,
      readText: async (file) => files.get(file),
      list: async (folder) =>
        folder.endsWith('/xattrop')
          ? ['xattrop-1', ...Array.from({ length: now.waiting }, (_, index) => `gfid-${index}`)]
          : [...files.keys()].flatMap((file) => {
              const name = file.startsWith(`${folder}/`)
                ? file.slice(folder.length + 1).split('/')[0]
                : undefined;
              return name === undefined ? [] : [name];
            }),
      remove: async (file) => void files.delete(file),
      ownAddresses: () => new Set([own, '127.0.0.1']),
    },
    mountPath: (volume) => `/m/${volume}`,
    now: () => new Date('2026-01-02T03:04:05Z'),
    seen: (status) => void statuses.push(status),
    notice: (_, code) => void notices.push(code),
  });
  /** Looks every 10 s for so long; what is slow inside (a state dump) goes on with the clock. */
  const looks = async (count: number) => {
    calls.length = 0;
    for (let index = 0; index < count; index += 1) {
      let over = false;
      const tick = watch.tick().finally(() => {
        over = true;
      });
      let spent = 0;
      while (!over) {
        await time.advance(100);
        spent += 100;
      }
      await tick;
      await time.advance(10_000 - spent);
    }
    return [...calls];
  };
  return { looks, now, files, notices, watch, statuses, time };
}
const state = (room: ReturnType<typeof world>) => room.watch.latest()[0]?.state;

test('while all is well nobody takes the lock of the cluster, and dear questions are rare', async () => {
  const room = world();
  const asked = await room.looks(24);
  assert.is(state(room), 'healthy');
  assert.equal(asked, [
    'volume info',
    'volume heal data info summary',
    'kill -USR1 200',
    'volume heal data info summary',
    'kill -USR1 200',
  ]);
  assert.is(room.statuses.length, 24);
});

test('a volume that was changed is asked for again', async () => {
  const room = world();
  await room.looks(2);
  room.files.set('/var/lib/glusterd/vols/data/info', 'version=2');
  assert.equal(await room.looks(3), ['volume info']);
});

test('what this brick knows to be waiting is looked at soon', async () => {
  const room = world();
  await room.looks(2);
  room.now.waiting = 3;
  room.now.heal = captured('heal-summary-pending.xml');
  assert.ok((await room.looks(2)).includes('volume heal data info summary'));
});

test('a brick of this host that died is started again, and told', async () => {
  const room = world();
  await room.looks(2);
  room.files.delete('/proc/100/cmdline');
  const asked = await room.looks(3);
  assert.is(asked.filter((call) => call === 'volume start data force').length, 1);
  assert.equal(room.notices, ['volume.degraded', 'volume.brick-started', 'volume.healthy']);
});

test('a mount that does not say what it is connected to is not called healthy', async () => {
  const room = world();
  room.now.clients = [];
  await room.looks(1);
  assert.is(state(room), 'unknown');
  room.now.clients = ['data-client-0', 'data-client-1', 'data-client-2'];
  room.now.meta = room.now.meta.replace('data-client-2/options/remote-host:', 'x');
  await room.looks(1);
  assert.is(state(room), 'unknown');
});

test('a number that belongs to another process now is no brick', async () => {
  const room = world();
  room.files.set('/proc/100/cmdline', '/usr/bin/something --else ');
  await room.looks(1);
  assert.is(state(room), 'degraded');
});

test('a mount that stays away from a brick that is up: all are made to connect anew', async () => {
  const room = world();
  await room.looks(2);
  room.now.meta = room.now.meta.replace(/(data-client-1\/private:connected = )1/, '$10');
  const asked = await room.looks(4);
  assert.is(asked.filter((call) => call.startsWith('volume set data performance.stat-prefetch')).length, 1);
  assert.equal(room.notices, ['volume.degraded', 'volume.mount-reconnected']);
});

test('a self-heal daemon that stays away from one is ended, and started only when it has', async () => {
  const room = world();
  await room.looks(2);
  room.now.dump = room.now.dump.replace('connected=1', 'connected=0');
  const asked = await room.looks(16);
  const [ended, started] = ['kill -TERM 200', 'volume start data force'].map((call) => asked.indexOf(call));
  assert.ok((ended ?? -1) >= 0 && (started ?? -1) > (ended ?? -1), asked.join('\n'));
  assert.is(room.notices[0], 'volume.self-heal-restarted');
  assert.is(state(room), 'healthy');
});

test.run();
