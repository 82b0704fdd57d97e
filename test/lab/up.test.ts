import * as assert from 'uvu/assert';
import { answersSchema } from '../../installer/contract/answers.ts';
import { issueText } from '../../node/pairing/issue.ts';
import { suite } from '../support/suite.ts';
import { lastBanner } from './banner.ts';
import { labAnswers } from './form.ts';
import { startPhases } from './phases.ts';
import { planLab } from './plan.ts';

const test = suite('lab: up');

const shown = (code: string) =>
  issueText({
    name: 'host2',
    membership: { state: 'unjoined' },
    version: '0.1.0',
    addresses: ['10.77.0.12', 'fd00::12'],
    code,
  });

test('the pairing code is read off the console, the newest one', () => {
  const screen = `[  OK  ] Started trefoil-node.service\n${shown('ABCDEFGH')}noise\n${shown('23456789')}more noise\n`;
  assert.equal(lastBanner(screen), {
    host: 'host2',
    address: '10.77.0.12, fd00::12',
    pairingCode: '2345-6789',
    cluster: undefined,
  });
});

test('a console without the agent shows none', () => {
  assert.is(lastBanner('[  OK  ] Reached target Multi-User System.\n'), undefined);
});

test('the lab’s answers are good answers', () => {
  const banner = { host: 'h', address: 'a', pairingCode: 'ABCD-EFGH', cluster: undefined };
  const answers = answersSchema.parse(labAnswers(planLab(), [banner, banner, banner], 'a long password'));
  assert.equal(
    answers.hosts.map((host) => [host.name, host.storage.address, host.pairingCode]),
    [
      ['host1', '10.77.1.11', undefined],
      ['host2', '10.77.1.12', 'ABCDEFGH'],
      ['host3', '10.77.1.13', 'ABCDEFGH'],
    ],
  );
});

test('phases keep their times, and a failure is told and thrown on', async () => {
  const lines: string[] = [];
  const phases = startPhases((line) => void lines.push(line));
  assert.is(
    await phases.run(
      'one',
      async () => 7,
      (seven) => `${seven} things`,
    ),
    7,
  );
  const failed = await phases
    .run('two', () => Promise.reject(new Error('no')))
    .catch((error: Error) => error.message);
  assert.is(failed, 'no');
  assert.equal(
    phases.all().map(({ name, note }) => ({ name, note })),
    [{ name: 'one', note: '7 things' }],
  );
  assert.match(lines.join('\n'), /one: 7 things\n.*two: failed/);
});

test.run();
