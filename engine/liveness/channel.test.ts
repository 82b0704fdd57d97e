import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { makeLog } from '../log/log.ts';
import { answerAtChannel } from './channel.ts';

const test = suite('the port of the engine’s VM');

/**
 * A FIFO instead of the port: not blocking either. Both ends read what either wrote, so a question that this test sends is
 * the engine's to take, and the answer comes back the same way.
 */
test('a port with the agent’s name is found among others, opened without waiting, and answered at', async () => {
  const root = await mkdtemp(join(tmpdir(), 'channel-'));
  const [ports, devices] = [join(root, 'ports'), join(root, 'dev')];
  await mkdir(devices);
  for (const [entry, name] of [
    ['vport1p1', 'com.example.other'],
    ['vport1p2', 'org.qemu.guest_agent.0'],
  ] as const) {
    await mkdir(join(ports, entry), { recursive: true });
    await writeFile(join(ports, entry, 'name'), `${name}\n`);
  }
  execFileSync('mkfifo', [join(devices, 'vport1p2')]);
  const file = openSync(join(devices, 'vport1p2'), constants.O_RDWR | constants.O_NONBLOCK);
  let asked = 0;
  const state = async () => {
    asked += 1;
    // From now on what it writes is for this test alone.
    channel.stop();
    return 'ready' as const;
  };
  writeSync(file, '{"execute":"trefoil-health"}\n');
  const channel = answerAtChannel({ ports, devices, state, log: makeLog(() => {}) });
  const buffer = Buffer.alloc(1_000);
  try {
    const answer = await eventually('an answer', async () => {
      if (asked === 0) return undefined;
      try {
        return buffer.subarray(0, readSync(file, buffer)).toString();
      } catch {
        return undefined;
      }
    });
    assert.is(answer, '{"return":{"state":"ready"}}\n');
    assert.is(asked, 1);
  } finally {
    channel.stop();
    closeSync(file);
    await rm(root, { recursive: true });
  }
});

test('a machine that has no such port serves none, and does not complain', async () => {
  const lines: string[] = [];
  const log = makeLog((line) => lines.push(line));
  const none = join(tmpdir(), 'no-such-folder');
  const channel = answerAtChannel({ ports: none, devices: none, state: async () => 'ready', log });
  channel.stop();
  assert.equal(lines, []);
});

test.run();
