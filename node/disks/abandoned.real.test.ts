import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { run } from '../command/run.ts';
import { silentLog } from '../log/log.ts';
import { releaseAbandoned } from './abandoned.ts';

/** Real extended attributes; the age is the one thing that cannot be had without waiting, so it is waited for. */
const test = suite('real brick folders', { deadlineMs: 60_000 });
const place = mkdtempSync(join(tmpdir(), 'trefoil-place-'));
const mark = (name: string, attribute = 'trusted.glusterfs.volume-id') =>
  execFileSync('setfattr', ['-n', attribute, '-v', '0x5745517b5cca4ff48c6960773ffcc279', join(place, name)]);
const attributes = (name: string) =>
  execFileSync('getfattr', ['-m', '.', join(place, name)], { encoding: 'utf8' });

test.after(() => rmSync(place, { recursive: true }));

test('only the abandoned one is released, and only after a while', async () => {
  for (const name of ['left', 'used', 'started', 'known', 'plain'])
    mkdirSync(join(place, name, '.glusterfs'), { recursive: true });
  for (const name of ['left', 'used', 'started', 'known']) mark(name);
  mark('started', 'trusted.gfid');
  writeFileSync(join(place, 'used', 'file'), 'data');
  writeFileSync(join(place, 'a-file'), '');
  const release = () =>
    releaseAbandoned({ run, log: silentLog }, place, async () => new Set([join(place, 'known')]));
  assert.equal(await release(), []);
  execFileSync('sleep', ['10.5']);
  assert.equal(await release(), [join(place, 'left')]);
  assert.is(attributes('left'), '');
  assert.equal(await release(), []);
  for (const name of ['used', 'started', 'known']) assert.match(attributes(name), 'volume-id');
  assert.equal(await releaseAbandoned({ run, log: silentLog }, join(place, 'no-such-place')), []);
});

test.run();
