import { setTimeout as delay } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { emptyDatabase, testDatabase } from '../../test/support/database.ts';
import { adminPassword, formedHosts, type TestEngine, testEngine } from '../../test/support/engine.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import type { Database } from '../db/database.ts';
import { cli } from './cli.ts';
import type { CliEnv, SavedSession } from './env.ts';
import { parseMib, table } from './table.ts';

const test = suite('the trefoil command', { deadlineMs: 30_000 });
let database: Database;
let engine: TestEngine;
let saved: SavedSession | undefined;
let password = adminPassword;
const agent: Record<string, unknown> = {};

test.before(async () => {
  database = await testDatabase();
  await emptyDatabase(database);
  engine = await testEngine(database, await formedHosts({ more: 1 }));
  await eventually('the image', async () => (await engine.client.call('listImages')).total > 0);
});
test.after(async () => {
  await engine.stop();
  await database.close();
});

const run = async (
  line: string,
  parts: Partial<CliEnv> = {},
): Promise<{ code: number; out: string; err: string }> => {
  const out: string[] = [];
  const err: string[] = [];
  const env: CliEnv = {
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    interactive: false,
    ask: async () => 'yes',
    variable: (name) => (name === 'TREFOIL_PASSWORD' ? password : undefined),
    readFile: async () => 'content',
    readInput: async () => '',
    load: async () => saved,
    save: async (session) => {
      saved = session;
    },
    fetchWith: () => engine.fetch,
    fingerprintOf: async () => 'ab'.repeat(32),
    localAgent: async (path) => agent[path],
    localHaAgent: async (path) => agent[`ha ${path}`],
    sleep: () => delay(1),
    signal: new AbortController().signal,
    ...parts,
  };
  const code = await cli(env, line.split(' '));
  return { code, out: out.join('\n'), err: err.join('\n') };
};

test('without a login it says how to log in', async () => {
  const { code, err } = await run('vms list');
  assert.is(code, 1);
  assert.is(err, 'You are not logged in.\ntrefoil login --url https://ENGINE');
});

test('an unknown certificate is shown, and trusted only after somebody compared it', async () => {
  const refused = await run('login --url https://engine');
  assert.is(refused.code, 2);
  assert.match(refused.err, 'ab'.repeat(32));
  const no = await run('login --url https://engine', { interactive: true, ask: async () => 'no' });
  assert.is(no.code, 2);
  const yes = await run('login --url https://engine', { interactive: true });
  assert.is(yes.code, 0, yes.err);
  assert.equal(saved?.trust, { kind: 'fingerprint', sha256: 'ab'.repeat(32) });
});

test('a wrong password is said plainly', async () => {
  password = 'wrong';
  const { code, err } = await run('login --url https://engine --ca ca.pem');
  password = adminPassword;
  assert.is(code, 1);
  assert.is(err, 'The name or the password is wrong.');
});

test('make a VM, look at it, move it, stop it, delete it', async () => {
  const made = await run('vms create web01 --image Practice --disk 2G --memory 256M');
  assert.is(made.code, 1, 'an image is named whole');
  const image = await run('images');
  assert.match(image.out, 'Practice image');
  const id = (await engine.client.call('listImages')).items[0]?.id ?? '';
  const done = await run(`vms create web01 --image ${id} --disk 2G --memory 256M`);
  assert.is(done.code, 0, done.err);
  assert.is(done.out, 'Create web01: done');
  assert.match((await run('vms')).out, /NAME.*\n.*web01 +running +host\d +1 +256 MiB +2\.0 GiB/s);
  assert.is((await run('vms migrate WEB01')).code, 0);
  const fit = await run('vms placement web01');
  assert.match(fit.out, 'It runs there now.');
  assert.match((await run('vms log web01')).out, '[boot] web01');
  const refusal = await run('vms delete web01');
  assert.is(refusal.code, 1);
  assert.match(refusal.err, 'web01 is running and cannot be deleted now.');
  assert.is((await run('vms stop web01')).code, 0);
  assert.is((await run('vms delete web01')).code, 0);
  assert.match((await run('vms show web01')).err, 'There is no vm called web01.');
});

test('jobs, events, hosts, volumes and the overview can be read; --json is JSON', async () => {
  assert.match((await run('jobs')).out, 'Create web01');
  assert.match((await run('events')).out, 'web01 was created and started.');
  assert.match((await run('hosts')).out, 'host1 *');
  assert.match((await run('volumes')).out, 'replica-3');
  assert.match((await run('status')).out, 'Can a host be lost?');
  assert.ok(Array.isArray(JSON.parse((await run('hosts list --json')).out)));
});

test('fence devices: kinds, a new one with its password from the standard input, a test, and away again', async () => {
  assert.match((await run('fence agents')).out, /fence_ipmilan +IPMI \(most servers\)/);
  assert.match((await run('fence agents apc')).out, /plug +string +yes/);
  const line = '--agent ipmilan --set ip=10.77.9.11 --set username=admin';
  const wrong = await run(`fence test host1 ${line}`, { readInput: async () => 'wrong\n' });
  assert.equal([wrong.code, wrong.err], [1, 'The test failed.']);
  assert.match(wrong.out, 'The device refused the user or the password.');
  assert.match((await run('fence list')).out, /^HOST[^\n]*$/, 'a test keeps nothing');
  const added = await run(`fence add host1 ${line}`, { readInput: async () => 'opensesame\n' });
  assert.is(added.code, 0, added.err);
  assert.match(added.out, 'Status now says: on. All 2 hosts that would use it reach it.');
  const list = await eventually('it to be listed', async () => {
    const { out } = await run('fence list host1');
    return out.includes('10.77.9.11') && out;
  });
  assert.match(list, /host1 +0 +fence_ipmilan +10\.77\.9\.11/);
  assert.not.match(list, 'opensesame');
  assert.is((await run('fence test host1')).code, 0);
  const id = /[0-9a-f-]{36}/.exec(added.out)?.[0] ?? '';
  assert.is((await run(`fence delete host1 ${id}`)).code, 0);
  assert.is((await run('fence test host1')).code, 2);
  assert.is((await run('fence add host1 --set ip')).code, 2);
});

test('HA: its state, its timeline, a VM’s policy, and a host that is confirmed off', async () => {
  await eventually('HA to be armed', async () => (await engine.client.call('getHa')).armed);
  const status = await run('ha status');
  assert.is(status.code, 0, status.err);
  assert.match(
    status.out,
    /^HA is armed\. Lost hosts are acted upon; host\d leads\.\nMay a host be lost\? yes: /,
  );
  assert.match(status.out, /host1.* online +storage/);
  assert.match(status.out, /engine +running +host1 +1 /);
  assert.match((await run('ha timeline')).out, 'leads now.');
  await run('vms create kept --disk 1G --off --ha on --priority high');
  assert.is((await run('vms ha kept')).out, 'kept: HA is on, priority high');
  assert.is((await run('vms ha kept --ha off')).out, 'kept: HA is off, priority high');
  assert.is((await run('vms ha kept --ha perhaps')).code, 2);
  assert.is((await run('ha confirm-off host2')).code, 2);
  assert.match((await run('ha confirm-off host2 --name host1')).err, 'must be typed exactly');
  assert.match((await run('ha confirm-off host2 --name host2')).err, 'it is online');
});

test('planned work: HA is disarmed and armed, a host goes into maintenance and comes back', async () => {
  assert.is((await run('ha disarm')).code, 2);
  assert.match((await run('ha disarm --minutes 5 --reason switch')).out, 'HA is disarmed for 5 min');
  assert.match((await run('ha arm')).out, 'HA is armed again.');
  await eventually('HA to be armed', async () => (await engine.client.call('getHa')).armed);
  assert.is((await run('hosts maintenance host3')).code, 0);
  assert.match((await run('hosts list')).out, /host3 +online, maintenance/);
  assert.match((await run('hosts maintenance host2')).err, 'cannot be spared now');
  assert.match((await run('hosts activate host3')).out, 'host3 may have VMs again.');
});

test('a discovered host is added by its name and code', async () => {
  assert.match((await run('hosts discovered')).out, 'host4');
  const code = engine.world.hosts[3]?.code ?? '';
  assert.is((await run(`hosts add nobody ${code}`)).code, 1);
  const added = await run(`hosts add host4 ${code}`);
  assert.is(added.code, 0, added.err);
});

test('events are followed as they happen', async () => {
  const lines: string[] = [];
  const stop = new AbortController();
  const following = run('events --follow', { out: (line) => void lines.push(line), signal: stop.signal });
  await eventually('the past', () => lines.length > 0);
  await run('vms create fresh --disk 1G --off');
  await eventually('the news', () => lines.some((line) => line.includes('fresh was created.')));
  stop.abort();
  await following;
});

test('what it does not know is wrong usage', async () => {
  for (const line of ['fly', 'vms fly', 'vms list --bogus', 'vms start', 'host fly']) {
    const { code, err } = await run(line);
    assert.is(code, 2, `${line}: ${err}`);
  }
  assert.is((await run('--help')).code, 0);
});

test('a host that belongs to no cluster shows its code, without any engine', async () => {
  const { infoOf } = await import('../../test/fakes/hosts/model.ts');
  const host = engine.world.hosts[0];
  if (host === undefined) throw new Error('no host');
  agent['/v1/host'] = { ...infoOf(engine.world, host), membership: { state: 'unjoined' } };
  agent['/local/v1/pairing'] = { code: 'ABCD-EFGH', triesLeft: 5, fingerprint: '' };
  const { out } = await run('host status');
  assert.match(out, 'Pairing code ABCD-EFGH, 5 tries left.');
});

test('after logging out the session is gone, here and there', async () => {
  assert.is((await run('logout')).code, 0);
  assert.is(saved, undefined);
  assert.is((await run('status')).code, 1);
});

test('sizes are written as people write them', () => {
  assert.equal(['512', '512M', '2G', '1.5g', '1TiB', 'x', '-1'].map(parseMib), [
    512,
    512,
    2048,
    1536,
    1_048_576,
    undefined,
    undefined,
  ]);
  assert.equal(table(['a', 'bb'], [['xxx', 'y']]), ['A    BB', 'xxx  y']);
});

test('on a host, without a login, "ha status" is what the HA agent of that host knows', async () => {
  const before = saved;
  saved = undefined;
  agent['ha /status'] = {
    summary: {
      host: 'host2',
      contact: 'doubtful',
      contactAgeMs: 3_400,
      leader: 'host1',
      hosts: [
        { name: 'host1', state: 'online', why: '' },
        { name: 'host3', state: 'fenced', why: 'host1 refuses host3 at its storage.' },
      ],
      vms: [
        {
          name: 'engine',
          wanted: 'running',
          state: 'starting',
          host: 'host1',
          epoch: 4,
          why: 'host3 is lost',
        },
      ],
      timeline: [
        { at: '2026-01-02T03:04:05.000Z', by: 'host1', severity: 'info', text: 'engine goes to host1.' },
      ],
      unreadable: [],
    },
  };
  try {
    const { code, out } = await run('ha status');
    assert.is(code, 0);
    assert.equal(out.split('\n'), [
      'Seen by host2. This host is not sure of its contact with the cluster’s store, and starts nothing, heard 3.4 s ago.',
      'host1 leads HA.',
      '',
      'HOST   STATE   WHY',
      'host1  online',
      'host3  fenced  host1 refuses host3 at its storage.',
      '',
      'VM      WANTED   STATE     HOST   EPOCH  WHY',
      'engine  running  starting  host1  4      host3 is lost',
      '',
      '2026-01-02T03:04:05.000Z  info     host1: engine goes to host1.',
    ]);
    const json = await run('ha status --local --json');
    assert.is(JSON.parse(json.out).leader, 'host1');
  } finally {
    saved = before;
  }
});

test.run();
