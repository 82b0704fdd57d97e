import * as assert from 'uvu/assert';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import type { Run } from '../command/run.ts';
import { fenceDeviceSchema, fenceOptionsSchema } from '../contract/fence.ts';
import { inputOf, isPowerAgent, makeAgents } from './agent.ts';
import { checkOptions } from './options.ts';
import { holdsSecret, lastWords } from './said.ts';

const test = suite('running fence agents');
const secret = `it's "a" = \\ secret `;
const limits = { timeoutMs: 5_000 };
const call = { agent: 'fence_apc', options: { ip: '10.0.0.5', plug: '3' }, secrets: { password: secret } };

function world(answer: Awaited<ReturnType<Run>>) {
  const calls: { argv: readonly string[]; input: string; env: Record<string, string> }[] = [];
  const run: Run = async (argv, options) => {
    calls.push({ argv, input: String(options?.input), env: options?.env ?? {} });
    return answer;
  };
  return { calls, agents: makeAgents({ run }) };
}
const answer = (exitCode: number, stdout = '', stderr = '') => ({ exitCode, stdout, stderr });

test('options go by the standard input, each value in quotes, none as an argument', async () => {
  const { calls, agents } = world(answer(0, 'Status: ON\n'));
  assert.is(await agents.status(call, limits), 'on');
  assert.equal(calls[0]?.argv, ['timeout', '--kill-after=1', '5', '/usr/sbin/fence_apc']);
  assert.is(calls[0]?.input, `action="status"\nip="10.0.0.5"\nplug="3"\npassword="${secret}"\n`);
});

test("IPMI's password is in the environment alone: the agent would give it to ipmitool as an argument", async () => {
  const { calls, agents } = world(answer(2, 'Status: OFF\n'));
  assert.is(
    await agents.status({ ...call, agent: 'fence_ilo4', options: { ip: '10.0.0.5' } }, limits),
    'off',
  );
  assert.not.match(calls[0]?.input ?? '', /secret|password=/);
  assert.match(calls[0]?.input ?? '', /^ipmitool_path="\/usr\/lib\/trefoil\/ipmitool"$/m);
  assert.equal(calls[0]?.env, { IPMI_PASSWORD: secret });
});

test('SNMP agents are told no community and no password: they would be arguments of snmpget', async () => {
  const { calls, agents } = world(answer(0, 'Status: ON\n'));
  const options = { ip: '10.0.0.5', plug: '3', snmp_version: '3', username: 'u' };
  const secrets = { community: 'pu"blic', password: secret, snmp_priv_passwd: 'other words' };
  await agents.status({ agent: 'fence_apc_snmp', options, secrets }, limits);
  assert.is(
    calls[0]?.input,
    [
      'action="status"',
      'snmpget_path="/usr/lib/trefoil/snmpget"',
      'snmpset_path="/usr/lib/trefoil/snmpset"',
      'snmpwalk_path="/usr/lib/trefoil/snmpwalk"',
      'snmp_sec_level="authPriv"',
      'ip="10.0.0.5"\nplug="3"\nsnmp_version="3"\nusername="u"\n',
    ].join('\n'),
  );
  assert.equal(calls[0]?.env, {
    TREFOIL_SNMP_CONF: [
      'defCommunity "pu\\"blic"',
      `defAuthPassphrase "it's \\"a\\" = \\\\ secret "`,
      'defPrivPassphrase "other words"',
    ].join('\n'),
  });
});

test('a line break in a value is refused, in a secret too: it would be another option', async () => {
  for (const [options, secrets] of [
    [{ ip: '10.0.0.5\naction=on' }, {}],
    [{ ip: '10.0.0.5' }, { password: 'a\r\nssl_insecure=1' }],
  ] as const)
    for (const agent of ['fence_apc', 'fence_ipmilan']) {
      const { calls, agents } = world(answer(2, 'Status: OFF\n'));
      const error = await refused(agents.status({ agent, options, secrets }, limits));
      assert.is(error.code, 'fence.option-refused');
      assert.not.match(error.message, /ssl_insecure/);
      assert.is(calls.length, 0);
    }
  assert.not.ok(fenceOptionsSchema.safeParse({ ip: 'a\nb' }).success);
  assert.not.ok(fenceOptionsSchema.safeParse({ 'ip=1\nx': 'b' }).success);
});

test('options that run a program, or take a missing plug for off, are not handed on whoever stored them', () => {
  for (const name of [
    'action',
    'ipmitool_path',
    'password_script',
    'missing_as_off',
    'ssh_options',
    'use_sudo',
  ])
    assert.throws(
      () =>
        inputOf(
          'fence_virsh',
          'status',
          { options: { [name]: '1' }, secrets: {} },
          { ipmitool: '/x', snmpFolder: '/y' },
        ),
      /may be given/,
      name,
    );
});

test('only programs that are called as fence agents are, and none that cannot know whether a machine is off', async () => {
  for (const name of ['fence_ipmilan', 'fence_apc_snmp', 'fence_ilo4']) assert.ok(isPowerAgent(name), name);
  const names = [
    '../bin/sh',
    'fence_',
    'fence_a/../../x',
    'Fence_apc',
    'fence_dummy',
    'fence_ack_manual',
    'fence_scsi',
  ];
  for (const agent of names) {
    assert.not.ok(isPowerAgent(agent), agent);
    const { calls, agents } = world(answer(2, 'Status: OFF\n'));
    assert.is((await refused(agents.status({ ...call, agent }, limits))).code, 'fence.agent-missing', agent);
    assert.is(calls.length, 0);
  }
});

test('failures are told apart', async () => {
  const cases = {
    'fence.hung': answer(124),
    'fence.agent-missing': answer(127, '', 'timeout: failed to run command'),
    'fence.login-refused': answer(1, '', '2026-01-01 00:00:00,000 ERROR: Invalid password\n'),
    'fence.failed': answer(1, '', "ERROR: Connection timed out\n\nERROR: Please use '-h' for usage\n"),
    'fence.unreadable': answer(0, '\u0007\u001b[31mgarbage'),
  };
  for (const [code, said] of Object.entries(cases))
    assert.is((await refused(world(said).agents.status(call, limits))).code, code);
  const killed = await refused(world(answer(137)).agents.off(call, limits));
  assert.is(killed.message, 'fence_apc did not finish within 5 s and was ended.');
  const failed = await refused(world(cases['fence.failed']).agents.off(call, limits));
  assert.is(failed.message, 'fence_apc failed: Connection timed out.');
});

test('"cannot connect or log in" is no word about the password', async () => {
  const said = answer(1, '', 'ERROR: Unable to connect/login to fencing device\n');
  assert.is((await refused(world(said).agents.status(call, limits))).code, 'fence.failed');
});

test('a secret is not told, however the agent writes it', () => {
  for (const text of [
    `cmd -c ${secret}`,
    `snmpget -c '${secret.replaceAll("'", `'"'"'`)}'`,
    JSON.stringify({ password: secret }),
    encodeURIComponent(secret),
  ]) {
    assert.ok(holdsSecret(text, [secret]), text);
    assert.not.match(lastWords({ stdout: `${text}\n`, stderr: 'ERROR: no\n' }, [secret]), /it's|it%27s|it"/);
  }
  assert.is(lastWords({ stdout: '', stderr: 'ERROR: no\n' }, [secret]), 'no');
});

test("a Python program's own trouble is told as a sentence", async () => {
  const said = answer(
    1,
    '',
    'Traceback (most recent call last):\n  File "x", line 1\nKeyError: \'Members\'\n',
  );
  const { message } = await refused(world(said).agents.status(call, limits));
  assert.is(message, 'fence_apc failed: it did not understand what the device answered.');
});

test('options are checked against what the agent asks for', () => {
  const form: Parameters<typeof checkOptions>[0] = {
    name: 'fence_x',
    parameters: [
      { name: 'ip', type: 'string', required: true, shortdesc: '', advanced: false },
      { name: 'ipport', type: 'integer', required: false, shortdesc: '', advanced: false },
      {
        name: 'kind',
        type: 'select',
        options: ['A B', 'C'],
        required: false,
        shortdesc: '',
        advanced: false,
      },
      { name: 'lanplus', type: 'boolean', required: false, shortdesc: '', advanced: false },
      { name: 'password', type: 'secret', required: true, shortdesc: '', advanced: false },
    ],
  };
  const password = { password: 'x y' };
  checkOptions(form, { ip: 'bmc1.example', ipport: '623', kind: 'A B', lanplus: '1' }, password);
  const bad: Record<string, [Record<string, string>, Record<string, string>]> = {
    'no address': [{}, password],
    'no password': [{ ip: 'a' }, {}],
    unknown: [{ ip: 'a', other: '1' }, password],
    'a secret in the open': [{ ip: 'a', password: 'x' }, {}],
    'an argument more': [{ ip: 'a -f /etc/shadow' }, password],
    'an argument': [{ ip: '-f' }, password],
    'no number': [{ ip: 'a', ipport: '6 2' }, password],
    'no choice': [{ ip: 'a', kind: 'D' }, password],
    'no boolean': [{ ip: 'a', lanplus: 'yes' }, password],
  };
  for (const [what, [options, secrets]] of Object.entries(bad))
    assert.throws(() => checkOptions(form, options, secrets), undefined, what);
});

test('a record of a newer version is not guessed at', () => {
  const record = {
    id: 'aaaaaaaa-aaaa-4aaa-8aaa-000000000001',
    host: '11111111-1111-4111-8111-111111111111',
    agent: 'fence_ipmilan',
    options: {},
    secrets: { names: [], copies: {} },
    order: 0,
    generation: 1,
  };
  assert.is(fenceDeviceSchema.parse(record).v, 1);
  assert.not.ok(fenceDeviceSchema.safeParse({ ...record, v: 2 }).success);
});

test.run();
