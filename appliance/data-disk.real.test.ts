import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../test/support/suite.ts';

const test = suite('the data disk at boot', { deadlineMs: 60_000 });
const script = join(import.meta.dirname, 'tree/usr/lib/trefoil/data-disk');
const mib = 1024 * 1024;
const bytes = 64 * mib;
const mark = 'trefoil-formatting';
let dir = '';
let disk = '';

test.beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'trefoil-data-disk-'));
  disk = join(dir, 'disk');
  writeFileSync(disk, '');
  truncateSync(disk, bytes);
  mkdirSync(join(dir, 'var/lib'), { recursive: true });
  writeFileSync(join(dir, 'var/lib/made'), 'yes\n');
});
test.afterEach(() => rmSync(dir, { recursive: true }));

const prepare = () => spawnSync('sh', [script, disk, join(dir, 'var')], { encoding: 'utf8' });
const output = (tool: string, ...args: string[]) =>
  execFileSync(tool, [...args, disk], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
const debugfs = (command: string) => output('debugfs', '-w', '-R', command);
const label = () => output('e2label').trim();
const hash = () => output('sha256sum');

function put(at: number, text: string): void {
  const file = openSync(disk, 'r+');
  writeSync(file, text, at);
  closeSync(file);
}
const tail = () => readFileSync(disk).subarray(bytes - mib);

test('a new disk is formatted and filled, and the mark is gone', () => {
  assert.is(prepare().status, 0);
  assert.is(label(), 'trefoil-data');
  assert.is(debugfs('cat /lib/made'), 'yes\n');
  assert.ok(tail().every((byte) => byte === 0));
});

test('a disk in use is left as it is', () => {
  prepare();
  debugfs(`write ${script} /kept`);
  assert.is(prepare().status, 0);
  assert.match(debugfs('cat /kept'), 'data-disk');
});

test('an interrupted formatting is done again, whatever it left', () => {
  prepare();
  debugfs(`write ${script} /half`);
  put(bytes - mib, mark);
  assert.is(prepare().status, 0);
  assert.not.match(debugfs('ls -p /'), 'half');
  assert.is(debugfs('cat /lib/made'), 'yes\n');
  assert.ok(tail().every((byte) => byte === 0));
});

test('a disk with something else on it is not touched', () => {
  put(512, 'somebody else');
  const before = hash();
  const result = prepare();
  assert.is(result.status, 1);
  assert.match(result.stderr, 'left alone');
  assert.is(hash(), before);
});

test('a disk whose data ends in something that is not zero is not touched', () => {
  put(bytes - 100, 'somebody else');
  assert.is(prepare().status, 1);
});

test('a file system that was not unmounted is repaired', () => {
  prepare();
  debugfs('set_super_value state 0');
  assert.is(prepare().status, 0);
});

test.run();
