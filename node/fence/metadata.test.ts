import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { matchesGolden } from '../../test/support/golden.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import type { FenceAgent } from '../contract/fence.ts';
import { readMetadata } from './metadata.ts';

const test = suite('metadata of fence agents');
const captured = join(import.meta.dirname, 'captured');
const agents = readdirSync(captured).filter((name) => name.endsWith('.xml'));
const xmlOf = (file: string) => readFileSync(join(captured, file), 'utf8');
const read = (name: string): FenceAgent => readMetadata(name, xmlOf(`${name}.xml`));
const parameter = (agent: FenceAgent, name: string) => agent.parameters.find((one) => one.name === name);

/** One line a field, as a person would read the form. */
const formText = (agent: FenceAgent): string =>
  `${agent.name}: ${agent.shortdesc}\n${agent.parameters
    .map(
      ({ name, type, options, required, default: byDefault, unit, advanced, shortdesc }) =>
        `${required ? '*' : ' '} ${name}: ${type}${options === undefined ? '' : ` (${options.join('|')})`}${
          byDefault === undefined ? '' : ` = ${byDefault}`
        }${unit ?? ''}${advanced ? ' [advanced]' : ''}: ${shortdesc}\n`,
    )
    .join('')}`;

test('the forms of real agents', () => {
  assert.ok(agents.length >= 10);
  const all = agents.map((file) => formText(readMetadata(file.replace('.xml', ''), xmlOf(file))));
  matchesGolden(join(captured, 'forms.txt'), all.join('\n'));
});

test('an agent under another name is that one: iLO 4 speaks lanplus by default', () => {
  assert.is(read('fence_ilo4').name, 'fence_ilo4');
  assert.is(parameter(read('fence_ilo4'), 'lanplus')?.default, '1');
  assert.is(parameter(read('fence_ipmilan'), 'lanplus')?.default, '0');
});

test('nothing that runs a program, writes a file, or takes a missing plug for off is offered by any agent', () => {
  const offered = new Set(
    agents.flatMap((file) => read(file.replace('.xml', '')).parameters).map((p) => p.name),
  );
  for (const name of offered)
    assert.not.match(name, /script|path|sudo|ssh_options|debug|missing|delay|action/);
  assert.ok(offered.has('power_timeout'));
});

test('passwords and communities are secrets without a default', () => {
  for (const [agent, name] of [
    ['fence_ipmilan', 'password'],
    ['fence_apc_snmp', 'community'],
    ['fence_apc_snmp', 'snmp_priv_passwd'],
  ] as const) {
    const found = parameter(read(agent), name);
    assert.is(found?.type, 'secret', name);
    assert.is(found?.default, undefined, name);
  }
});

test('the plug is asked for where the device has several', () => {
  assert.is(parameter(read('fence_apc'), 'plug')?.required, true);
  assert.is(parameter(read('fence_ipmilan'), 'plug'), undefined);
  assert.is(parameter(read('fence_ipmilan'), 'ip')?.required, true);
});

test('garbage, half an answer and an agent that cannot say its status are unreadable', () => {
  const whole = xmlOf('fence_apc.xml');
  const cases = {
    nothing: '',
    text: 'Segmentation fault',
    html: '<html><body>hello</body></html>',
    half: whole.slice(0, whole.length / 2),
    'no status': whole.replace('<action name="status" />', ''),
    'a strange name': whole.replaceAll('name="ipport"', 'name="ip port"'),
  };
  for (const [what, xml] of Object.entries(cases)) {
    try {
      readMetadata('fence_apc', xml);
      assert.unreachable(what);
    } catch (error) {
      assert.instance(error, AppError, what);
      assert.is((error as AppError).code, 'command.unreadable', what);
    }
  }
});

test.run();
