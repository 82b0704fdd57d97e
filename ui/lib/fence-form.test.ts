import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { kindsOf } from '../../engine/fence/kinds.ts';
import { readMetadata } from '../../node/fence/metadata.ts';
import { suite } from '../../test/support/suite.ts';
import { fieldsOf, readFenceForm, startValues } from './fence-form.ts';

const test = suite('fence device form');
const captured = join(import.meta.dirname, '../../node/fence/captured');
const kind = (name: string) => {
  const [found] = kindsOf([readMetadata(name, readFileSync(join(captured, `${name}.xml`), 'utf8'))]);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
};
const read = (name: string, typed: Record<string, string>, kept: string[] = []) =>
  readFenceForm(fieldsOf(kind(name)), { ...startValues(kind(name)), ...typed }, kept);
const problems = (name: string, typed: Record<string, string>) => {
  const result = read(name, typed);
  return result.ok ? {} : result.problems;
};

test('fields have plain names, what everybody fills in comes first', () => {
  assert.equal(
    fieldsOf(kind('fence_ipmilan'))
      .slice(0, 4)
      .map(({ label }) => label),
    ['Address', 'Port', 'User', 'Password'],
  );
  assert.is(
    fieldsOf(kind('fence_virsh')).find(({ name }) => name === 'plug')?.label,
    'Name of the virtual machine',
  );
  for (const name of ['fence_apc_snmp', 'fence_redfish', 'fence_raritan_px3'])
    for (const { label } of fieldsOf(kind(name))) assert.is.not(label, '');
});

test('only what differs from the agent’s defaults is sent, secrets apart from options', () => {
  const typed = { ip: ' 10.0.0.5 ', username: 'admin', password: ' with space ' };
  assert.equal(read('fence_ipmilan', typed), {
    ok: true,
    request: {
      options: { ip: '10.0.0.5', username: 'admin', lanplus: '1' },
      secrets: { password: ' with space ' },
    },
  });
  assert.is(startValues(kind('fence_ilo4'))['lanplus'], '1');
  const off = read('fence_ilo4', { ip: '10.0.0.5', lanplus: '0' });
  assert.equal(off.ok && off.request.options, { ip: '10.0.0.5', lanplus: '0' });
});

test('what is needed or wrong is said by field', () => {
  assert.equal(problems('fence_apc', {}), {
    ip: 'It is needed.',
    plug: 'It is needed.',
    username: 'It is needed.',
  });
  assert.equal(problems('fence_ipmilan', { ip: '10.0.0.5 x', ipport: 'no' }), {
    ip: 'Without spaces, quotes or backslashes.',
    ipport: 'A whole number.',
  });
});

test('a secret that is kept need not be typed again', () => {
  const result = read('fence_ipmilan', { ip: '10.0.0.5' }, ['password']);
  assert.equal(result.ok && result.request.secrets, {});
});

test.run();
