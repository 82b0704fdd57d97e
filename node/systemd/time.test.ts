import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { chronyConfig, ensureTime, parseSources, parseTracking, timeStatus } from './time.ts';

const test = suite('time');

/** chronyc 4.6.1, never synchronised */
const none =
  '00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n';
const behind =
  '0A4D000C,10.77.0.12,11,1763803622.123456789,0.000412345,-0.000001,0.0001,1.5,0.0,0.2,0.001,0.002,64.2,Normal\n';
const sources = [
  '^,*,10.77.0.1,2,6,377,20,0.000012,0.000013,0.0001',
  '=,+,10.77.0.12,11,6,377,20,0.000012,0.000013,0.0001',
  '^,?,10.77.0.9,0,6,0,4294967295,0.0,0.0,0.0',
  '',
].join('\n');

test('a clock that is behind has a negative offset', () => {
  assert.equal(parseTracking(behind), { synchronized: true, offsetMs: -0.412345 });
  assert.equal(parseTracking(none), { synchronized: false, offsetMs: undefined });
});

for (const broken of ['', 'x', '506 Cannot talk to daemon\n', none.slice(0, 40)])
  test(`an unreadable report: ${JSON.stringify(broken.slice(0, 20))}`, () => {
    assert.throws(
      () => parseTracking(broken),
      (error: unknown) => error instanceof AppError && error.code === 'command.unreadable',
    );
  });

test('only sources in use are told', () => {
  assert.equal(parseSources(sources), ['10.77.0.1', '10.77.0.12']);
});

test('status', async () => {
  const status = await timeStatus({
    run: async (argv) => ({ exitCode: 0, stderr: '', stdout: argv.at(-1) === 'tracking' ? behind : sources }),
  });
  assert.equal(status, { synchronized: true, offsetMs: -0.412345, sources: ['10.77.0.1', '10.77.0.12'] });
});

test('the configuration, and that chrony is restarted only when it changes', async () => {
  const wanted = { servers: ['10.77.0.1'], peers: ['10.77.0.13', '10.77.0.12'] };
  const files = new Map<string, string>();
  const done: string[] = [];
  const env = {
    run: async () => ({ exitCode: 0, stdout: '', stderr: '' }),
    units: {
      restart: async (unit: string) => void done.push(`restart ${unit}`),
      enable: async (units: readonly string[]) => void done.push(`enable ${units.join(' ')}`),
    },
    readFile: async (path: string) => files.get(path),
    writeFile: async (path: string, content: string) => void files.set(path, content),
  };
  await ensureTime(env, wanted);
  await ensureTime(env, wanted);
  assert.equal(done, ['enable chrony.service', 'restart chrony.service']);
  const text = chronyConfig(wanted);
  assert.match(text, 'server 10.77.0.1 iburst\npeer 10.77.0.12 xleave\nallow 10.77.0.12\npeer 10.77.0.13');
  assert.match(text, 'local stratum 10 orphan');
});

test.run();
