import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import type { EtcdPut } from '../contract/etcd.ts';
import { silentLog } from '../log/log.ts';
import type { UnitDetails } from '../systemd/model.ts';
import { ensureEtcd, etcdStatus, removeEtcd, type ServerEnv } from './server.ts';
import { etcdEnvironment, etcdPaths, etcdTimes, needsRestart, settingOf } from './server-config.ts';
import { userOf } from './server-files.ts';

const test = suite('etcd server');

const wanted: EtcdPut = {
  generation: 1,
  name: 'host1',
  address: '10.77.1.11',
  members: [
    { name: 'host2', address: '10.77.1.12' },
    { name: 'host1', address: '10.77.1.11' },
    { name: 'host3', address: '10.77.1.13' },
  ],
  initialState: 'new',
  clusterToken: 'token-of-this-cluster',
  fsyncP99Ms: 12.5,
};
const certificates = { ca: 'CA', cert: 'CERT', key: 'KEY' };

function world(activeState = 'inactive') {
  const files = new Map<string, string>();
  const done: string[] = [];
  const env: ServerEnv = {
    log: silentLog,
    files: {
      read: async (path) => files.get(path),
      write: async (path, content, { forEtcd }) => {
        files.set(path, content);
        done.push(`write ${path}${forEtcd ? ' for etcd' : ''}`);
      },
      makeEtcdFolder: async () => undefined,
      exists: async (path) => [...files.keys()].some((one) => one.startsWith(path)),
      removeTree: async (path) => {
        for (const one of [...files.keys()])
          if (one === path || one.startsWith(`${path}/`)) files.delete(one);
      },
    },
    units: {
      enable: async () => void done.push('enable'),
      disable: async () => void done.push('disable'),
      stop: async () => void done.push('stop'),
      resetFailed: async () => void done.push('reset-failed'),
      startWithoutWaiting: async () => void done.push('start'),
      restartWithoutWaiting: async () => void done.push('restart'),
      status: async (): Promise<UnitDetails> => ({
        name: 'etcd.service',
        activeState: state.active,
        subState: '',
        loadState: 'loaded',
        fileState: '',
        needsReload: false,
        mainPid: undefined,
        exitStatus: undefined,
      }),
    },
  };
  const state = { active: activeState };
  return { files, done, env, state };
}

test('settings', () => {
  const text = etcdEnvironment(wanted);
  assert.is(
    settingOf(text, 'INITIAL_CLUSTER'),
    'host1=https://10.77.1.11:2380,host2=https://10.77.1.12:2380,host3=https://10.77.1.13:2380',
  );
  assert.is(settingOf(text, 'CLIENT_CERT_AUTH'), 'true');
  assert.is(settingOf(text, 'LISTEN_CLIENT_URLS'), 'https://10.77.1.11:2379,https://127.0.0.1:2379');
  assert.is(settingOf(text, 'NO_SUCH'), undefined);
  assert.not.match(text, 'http://10.');
});

test('heartbeat and election follow the disk, within bounds', () => {
  assert.equal(etcdTimes(undefined), { heartbeatMs: 100, electionMs: 1000 });
  assert.equal(etcdTimes(2), { heartbeatMs: 100, electionMs: 1000 });
  assert.equal(etcdTimes(61), { heartbeatMs: 150, electionMs: 1500 });
  assert.equal(etcdTimes(5_000), { heartbeatMs: 500, electionMs: 5000 });
});

test('only lasting settings ask for a restart', () => {
  const before = etcdEnvironment(wanted);
  const grown = etcdEnvironment({ ...wanted, initialState: 'existing', members: wanted.members.slice(0, 2) });
  assert.is(needsRestart(before, before), false);
  assert.is(needsRestart(before, grown), false);
  assert.is(needsRestart(before, etcdEnvironment({ ...wanted, fsyncP99Ms: 100 })), true);
  assert.is(needsRestart(undefined, before), true);
});

test('first time: certificates, settings, start; second time: nothing', async () => {
  const { env, done, state, files } = world();
  await ensureEtcd(env, wanted, certificates);
  assert.equal(done, [
    `write ${etcdPaths.ca} for etcd`,
    `write ${etcdPaths.cert} for etcd`,
    `write ${etcdPaths.key} for etcd`,
    `write ${etcdPaths.environment}`,
    'enable',
    'start',
  ]);
  done.length = 0;
  state.active = 'active';
  files.set(`${etcdPaths.data}/member`, '');
  await ensureEtcd(env, wanted, certificates);
  await ensureEtcd(env, wanted, { ...certificates, cert: 'NEW' });
  assert.equal(done, ['enable', `write ${etcdPaths.cert} for etcd`, 'enable']);
});

test('a failed unit is started again; a changed setting or CA restarts it', async () => {
  const failed = world('failed');
  await ensureEtcd(failed.env, wanted, certificates);
  assert.equal(failed.done.slice(-2), ['reset-failed', 'start']);

  const running = world('active');
  running.files.set(`${etcdPaths.data}/member`, '');
  running.files.set(etcdPaths.environment, etcdEnvironment(wanted));
  for (const [path, text] of [
    [etcdPaths.ca, 'CA'],
    [etcdPaths.cert, 'CERT'],
    [etcdPaths.key, 'KEY'],
  ] as const)
    running.files.set(path, text);
  await ensureEtcd(running.env, { ...wanted, fsyncP99Ms: 100 }, certificates);
  assert.is(running.done.at(-1), 'restart');
  await ensureEtcd(running.env, { ...wanted, fsyncP99Ms: 100 }, { ...certificates, ca: 'CA2' });
  assert.is(running.done.at(-1), 'restart');
});

test('data of another cluster is never touched', async () => {
  const { env, done, files } = world();
  files.set(etcdPaths.environment, etcdEnvironment({ ...wanted, clusterToken: 'another-cluster' }));
  files.set(`${etcdPaths.data}/member`, '');
  const error = await ensureEtcd(env, wanted, certificates).catch((thrown: unknown) => thrown);
  assert.instance(error, AppError);
  assert.is((error as AppError).code, 'etcd.other-cluster'); // checked by the line above
  assert.equal(done, []);
});

test('removed: stopped first, nothing left', async () => {
  const { env, done, files } = world('active');
  await ensureEtcd(env, wanted, certificates);
  files.set(`${etcdPaths.data}/member`, '');
  done.length = 0;
  await removeEtcd(env);
  assert.equal(done, ['disable', 'stop']);
  assert.is(files.size, 0);
});

test('status in words', async () => {
  const { env, state } = world();
  const member = {
    memberId: '7',
    clusterId: '1',
    leaderId: '9',
    version: '3.5.16',
    dbSize: 5,
    dbSizeInUse: 5,
  };
  const rest = { raftIndex: 1, raftTerm: 1, raftAppliedIndex: 1, isLearner: false, errors: [] };
  const client = (answer: Partial<typeof member> & Partial<typeof rest>) => ({
    status: async () => ({ ...member, ...rest, ...answer }),
    get: async () => undefined,
  });
  const { leaderId: _, ...noLeader } = member;
  assert.is((await etcdStatus(env, client({}))).configured, false);
  await ensureEtcd(env, wanted, certificates);
  assert.is((await etcdStatus(env, client({}))).running, false);
  state.active = 'active';
  assert.equal(await etcdStatus(env, client({})), {
    configured: true,
    running: true,
    healthy: true,
    memberId: '7',
    leader: false,
    dbSizeBytes: 5,
    reason: 'etcd serves here.',
  });
  const alone = { status: async () => ({ ...noLeader, ...rest }), get: async () => undefined };
  assert.match((await etcdStatus(env, alone)).reason, 'no majority');
  assert.is((await etcdStatus(env, client({ isLearner: true }))).healthy, false);
});

test("etcd's user", () => {
  assert.equal(userOf('root:x:0:0::/root:/bin/sh\netcd:x:105:112::/:/bin/false\n', 'etcd'), {
    uid: 105,
    gid: 112,
  });
  assert.is(userOf('root:x:0:0::/root:/bin/sh\n', 'etcd'), undefined);
});

test.run();
