import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import type { Run } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import { silentLog } from '../log/log.ts';
import { addBricks, detachPeer, replaceBrick, resetBrick, startHeal } from './bricks.ts';
import { makeCli } from './cli.ts';

const test = suite('bricks of a volume');
const captured = (name: string) => readFileSync(join(import.meta.dirname, 'captured', name), 'utf8');
const path = '/var/lib/trefoil/bricks/b/data';
const at = (number: number, where = path) => ({ address: `10.77.1.1${number}`, path: where });

/** Questions are answered with what GlusterFS 11.1 said, changes with the named answer; returns what was asked for. */
function world(change: string, info = 'volume-info.xml') {
  const changes: string[] = [];
  const run: Run = async (argv) => {
    const words = argv.slice(2).filter((word) => word !== '--xml');
    const question = words.slice(0, 2).join(' ');
    if (question === 'volume info') return { exitCode: 0, stdout: captured(info), stderr: '' };
    if (question === 'peer status') return { exitCode: 0, stdout: captured('peer-status.xml'), stderr: '' };
    changes.push(words.join(' '));
    return { exitCode: 0, stdout: captured(change), stderr: '' };
  };
  const clock = { now: () => 0, sleep: async () => {} };
  return { env: { cli: makeCli({ run, clock, log: silentLog }), clock, log: silentLog }, changes };
}
const codeOf = async (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  );

test('a brick is replaced, and left alone when it has been', async () => {
  const { env, changes } = world('replace-brick.xml');
  await replaceBrick(env, 'data', at(3), at(3, '/new'));
  assert.equal(changes, [`volume replace-brick data 10.77.1.13:${path} 10.77.1.13:/new commit force`]);
  await replaceBrick(env, 'data', at(3, '/old'), at(3));
  assert.is(changes.length, 1);
  assert.is(await codeOf(replaceBrick(env, 'data', at(9), at(3, '/new'))), 'volume.no-such-brick');
});

test('a brick is let go of and taken again at its place', async () => {
  const begin = world('reset-brick-start.xml');
  await resetBrick(begin.env, 'data', at(2), 'begin');
  assert.equal(begin.changes, [`volume reset-brick data 10.77.1.12:${path} start`]);
  const finish = world('reset-brick-commit.xml');
  await resetBrick(finish.env, 'data', at(2), 'finish');
  assert.equal(finish.changes, [
    `volume reset-brick data 10.77.1.12:${path} 10.77.1.12:${path} commit force`,
  ]);
  assert.is(await codeOf(resetBrick(finish.env, 'data', at(2, '/x'), 'finish')), 'volume.no-such-brick');
});

test('only bricks that are not there yet are added', async () => {
  const { env, changes } = world('add-brick.xml');
  const more = [at(1, '/m'), at(2, '/m'), at(3, '/m')];
  await addBricks(env, 'data', [at(1), ...more], { forceRoot: false });
  assert.equal(changes, ['volume add-brick data 10.77.1.11:/m 10.77.1.12:/m 10.77.1.13:/m']);
  await addBricks(env, 'data', [at(1), at(2), at(3)], { forceRoot: true, layout: 'replica-3' });
  assert.is(changes.length, 1);
  await addBricks(env, 'data', [at(4)], { forceRoot: true, layout: 'replica-2-arbiter' });
  assert.is(changes[1], `volume add-brick data replica 3 arbiter 1 10.77.1.14:${path} force`);
  const none = world('add-brick.xml', 'volume-info-missing.xml');
  assert.is(await codeOf(addBricks(none.env, 'data', more, { forceRoot: false })), 'volume.missing');
});

test('a set that is not whole is refused by Gluster, in its words', async () => {
  const { env } = world('add-brick-odd.xml');
  const failure = await addBricks(env, 'data', [at(1, '/m')], { forceRoot: false }).catch((error) => error);
  assert.is(failure.code, 'gluster.refused');
  assert.match(failure.message, 'Incorrect number of bricks');
});

test('a peer is detached once; one that holds bricks is not', async () => {
  const { env, changes } = world('detach.xml');
  await detachPeer(env, '10.77.1.13');
  await detachPeer(env, '10.77.1.99');
  await detachPeer(env, '10.77.1.12', { lost: true });
  assert.equal(changes, ['peer detach 10.77.1.13', 'peer detach 10.77.1.12 force']);
  assert.is(
    await codeOf(detachPeer(world('detach-bricks.xml').env, '10.77.1.13')),
    'gluster.peer-has-bricks',
  );
  assert.is(await codeOf(detachPeer(world('detach-unknown.xml').env, '10.77.1.13')), 'none');
});

test('a heal is begun', async () => {
  const { env, changes } = world('heal.xml');
  await startHeal(env, 'data', 'known');
  await startHeal(env, 'data', 'full');
  assert.equal(changes, ['volume heal data', 'volume heal data full']);
});

test.run();
