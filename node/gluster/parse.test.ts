import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { readAnswer, readSentence } from './cli.ts';
import { brickPidFile, readSelfHealLinks } from './own.ts';
import { readClientLinks, readHeal, readPeers, readProcesses, readVolumes } from './parse.ts';

const test = suite('answers of the gluster command');
const folder = join(import.meta.dirname, 'captured');
const captured = (name: string) => readFileSync(join(folder, name), 'utf8');
const answer = (name: string) => readAnswer(captured(name), '');
const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'none';
};

test('every captured answer is read or is a failure with a code', () => {
  for (const name of readdirSync(folder).filter((one) => one.endsWith('.xml'))) {
    const code = codeOf(() => answer(name));
    assert.ok(
      ['none', 'gluster.refused', 'gluster.busy', 'gluster.down', 'command.unreadable'].includes(code),
      `${name}: ${code}`,
    );
  }
});

test('tells a refusal, a busy cluster and a daemon that is down apart', () => {
  assert.is(
    codeOf(() => answer('create-again.xml')),
    'gluster.refused',
  );
  assert.is(
    codeOf(() => answer('status-host-lost.xml')),
    'gluster.busy',
  );
  assert.is(
    codeOf(() => answer('glusterd-down.xml')),
    'gluster.down',
  );
  assert.is(
    codeOf(() => answer('heal-brick-down.xml')),
    'command.unreadable',
  );
});

test('commands that answer with a sentence', () => {
  readSentence(captured('heal.xml'), '');
  const down = 'Launching heal operation to perform index self heal on volume data has been unsuccessful:\n';
  assert.is(
    codeOf(() => readSentence('', `${down}Glusterd Syncop Mgmt brick op failed.`)),
    'gluster.refused',
  );
  assert.is(
    codeOf(() => readSentence('', 'Another transaction is in progress for data.')),
    'gluster.busy',
  );
  assert.is(
    codeOf(() => readSentence('', '')),
    'command.unreadable',
  );
});

test('a truncated answer is unreadable, not empty', () => {
  const whole = captured('volume-info.xml');
  for (const length of [50, 200, 900]) {
    const code = codeOf(() => readVolumes(readAnswer(whole.slice(0, length), '')));
    assert.ok(['command.unreadable', 'gluster.refused'].includes(code), `${length}: ${code}`);
  }
});

test('peers', () => {
  const peers = readPeers(answer('peer-status.xml'));
  assert.equal(
    peers.map(({ address, connected, state }) => ({ address, connected, state })),
    [
      { address: '10.77.1.12', connected: true, state: 'Peer in Cluster' },
      { address: '10.77.1.13', connected: true, state: 'Peer in Cluster' },
    ],
  );
  assert.ok(readPeers(answer('peer-status-lost.xml')).some((peer) => !peer.connected));
});

test('volumes: layout, bricks in order, options', () => {
  const [data] = readVolumes(answer('volume-info.xml'));
  assert.is(data?.layout, 'replica-3');
  assert.is(data?.started, true);
  assert.is(data?.setSize, 3);
  assert.equal(
    data?.bricks.map(({ address }) => address),
    ['10.77.1.11', '10.77.1.12', '10.77.1.13'],
  );
  assert.is(data?.options['client.tcp-user-timeout'], '5');
  const [arbiter] = readVolumes(answer('volume-info-arbiter.xml'));
  assert.is(arbiter?.layout, 'replica-2-arbiter');
  assert.equal(readVolumes(answer('volume-info-none.xml')), []);
});

test('processes: bricks and self-heal daemons', () => {
  const processes = readProcesses(answer('status.xml')).get('data');
  if (processes === undefined) throw new Error('data is missing');
  assert.is(processes.bricks.length, 3);
  assert.ok(processes.bricks.every((brick) => brick.online && brick.pid !== undefined));
  assert.is(processes.selfHeal.length, 3);
  const down = readProcesses(answer('status-brick-down.xml')).get('data');
  assert.ok(down?.bricks.some((brick) => !brick.online));
});

test('what waits to be healed, also when a brick could not be asked', () => {
  assert.ok(
    readHeal(answer('heal-summary.xml')).every((brick) => brick.pending === 0 && brick.splitBrain === 0),
  );
  const lost = readHeal(answer('heal-summary-pending.xml'));
  assert.equal(
    lost.map((brick) => brick.pending),
    [6, 6, undefined],
  );
  assert.ok(readHeal(answer('heal-summary-split.xml')).some((brick) => (brick.splitBrain ?? 0) > 0));
});

test("a mount's connections", () => {
  const links = readClientLinks(captured('meta.txt'));
  assert.equal(links[0], { address: '10.77.1.11', path: '/var/lib/trefoil/bricks/b/data', connected: true });
  assert.is(links.length, 3);
});

test("a self-heal daemon's connections, of the volume that is asked for", () => {
  const dump = captured('shd.statedump');
  assert.equal(
    readSelfHealLinks(dump, 'data')
      .map(({ client, connected }) => `${client} ${connected}`)
      .sort(),
    ['data-client-0 true', 'data-client-1 true', 'data-client-2 true'],
  );
  assert.equal(readSelfHealLinks(dump.replace('connected=1', 'connected=0'), 'data')[0]?.connected, false);
  assert.equal(readSelfHealLinks(dump, 'engine'), []);
});

test("where glusterd keeps a brick's process id", () => {
  assert.is(
    brickPidFile('data', { address: '10.77.1.11', path: '/var/lib/trefoil/bricks/b/data' }),
    '/var/run/gluster/vols/data/10.77.1.11-var-lib-trefoil-bricks-b-data.pid',
  );
});

test.run();
