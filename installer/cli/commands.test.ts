import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { makeFakeEnv } from '../../test/fakes/formation/env.ts';
import { makeFakeWorld } from '../../test/fakes/hosts/model.ts';
import { alikeHosts, answersFor, practicePassword } from '../../test/fakes/hosts/practice.ts';
import { suite } from '../../test/support/suite.ts';
import { isPassword } from '../answers/hash.ts';
import { parseCommand } from './arguments.ts';
import { runCommand } from './commands.ts';
import { jsonReport, textReport } from './report.ts';

const test = suite('commands', { deadlineMs: 60_000 });
let directory = '';
let count = 0;
test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'formation-'));
});
test.after(() => rm(directory, { recursive: true }));

async function setUp() {
  const world = await makeFakeWorld(alikeHosts(3));
  count += 1;
  const file = join(directory, `${count}.json`);
  await writeFile(file, JSON.stringify(answersFor(world)));
  const folder = join(directory, String(count));
  const run = async (line: string, stdin = '') => {
    const command = parseCommand(line.split(' ').map((word) => (word === 'FILE' ? file : word)));
    if (command.name === 'help' || command.name === 'version') throw new Error('not here');
    const [out, err] = [[], []] as [string[], string[]];
    const [stdout, stderr] = [out, err].map((to) => ({
      write: (text: string) => void to.push(text),
      isTerminal: false,
    }));
    if (stdout === undefined || stderr === undefined) throw new Error('no output');
    const report = 'json' in command && command.json ? jsonReport(stdout) : textReport(stdout, stderr);
    const formation = makeFakeEnv(world, { directory: folder, progress: report.progress });
    const { signal } = new AbortController();
    const code = await runCommand({ formation, report, signal, stdin: async () => stdin }, command);
    return { code, out: out.join(''), err: err.join('') };
  };
  return { world, file, run };
}

test('calls that make no sense are refused with a sentence', () => {
  for (const [line, message] of [
    ['frm', 'There is no command "frm".'],
    ['validate', '"validate" takes the name of one file.'],
    ['status --live', '"status" knows no option --live.'],
    ['form --kill-at x', '--kill-at wants STEP:before, STEP:after or STEP:MILLISECONDS.'],
    ['form --nonsense', "Unknown option '--nonsense'."],
  ] as const) {
    let told = '';
    try {
      parseCommand(line.split(' '));
    } catch (error) {
      told = error instanceof Error ? error.message : '';
    }
    assert.is(told, message);
  }
});

test('from dry run to formed, and what status says', async () => {
  const { run } = await setUp();
  assert.match((await run('status')).out, 'No formation was begun');
  const dry = await run('form --answers FILE --dry-run');
  assert.is(dry.code, 0);
  assert.match(dry.out, 'Volume data, three copies:');
  assert.is((await run('form --answers FILE --stop-after etcd')).code, 0);
  assert.match(
    (await run('status')).out,
    /is being formed: 10 of 22 steps are done.\nNext: Bring 3 hosts together/,
  );
  const formed = await run('form');
  assert.is(formed.code, 0);
  assert.match(formed.out, 'Going on: 10 of 22 steps are done.');
  assert.match(formed.out, 'Its page: https://10.77.0.100/');
  assert.match((await run('status')).out, 'The cluster practice is formed');
  const value = JSON.parse((await run('status --json')).out);
  assert.is(value.state, 'formed');
  assert.is(value.times.length, 22);
});

test('with --json each line is a value', async () => {
  const { run } = await setUp();
  const { out, code } = await run('form --answers FILE --json');
  assert.is(code, 0);
  const events = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.is(events.at(-1).state, 'formed');
  assert.is(events.filter((event) => event.event === 'step' && event.state === 'done').length, 22);
});

test('wrong answers: every problem, nothing begun', async () => {
  const { run, file, world } = await setUp();
  await writeFile(file, JSON.stringify({ ...answersFor(world), colour: 'blue', admin: { password: 'x' } }));
  const { code, err } = await run('form --answers FILE');
  assert.is(code, 1);
  assert.match(err, 'colour: There is no answer called "colour" here.');
  assert.match(err, 'admin.password: ');
  assert.match((await run('status')).out, 'No formation was begun');
  assert.is((await run('validate FILE')).code, 1);
});

test('validate asks the hosts when told', async () => {
  const { run, world } = await setUp();
  assert.match((await run('validate FILE')).out, 'The answers are right');
  Object.assign(world.hosts[1]?.options ?? {}, { version: '7.0.0' });
  const { code, err } = await run('validate FILE --live');
  assert.is(code, 1);
  assert.match(err, 'hosts.host2: host2 runs version 7.0.0');
});

test('undo, discover, example and hash', async () => {
  const { run } = await setUp();
  assert.match((await run('discover')).out, /^host2 .*\nhost3 /);
  await run('form --answers FILE --stop-after volume-data');
  assert.match((await run('discover')).out, 'No other host');
  assert.is((await run('undo')).code, 0);
  assert.match((await run('discover')).out, /^host2 /);
  assert.is(JSON.parse((await run('example')).out).hosts.length, 3);
  assert.ok(await isPassword(practicePassword, (await run('hash', `${practicePassword}\n`)).out.trim()));
});

test.run();
