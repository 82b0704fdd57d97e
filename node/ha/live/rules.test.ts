import * as assert from 'uvu/assert';
import { suite } from '../../../test/support/suite.ts';
import { barRules, killSockets, tableOf, unbarRules } from './rules.ts';

const test = suite('rules against a lost host');
const host = '00000001-0000-4000-8000-000000000000';

test('all its addresses are refused at all ports of Gluster, in both directions, in one transaction', () => {
  const rules = barRules(host, ['10.77.0.11', '10.77.1.11']);
  assert.match(
    rules,
    /^table inet trefoil_fence_00000001_0000_4000_8000_000000000000 \{\}\ndelete table inet/,
  );
  const ports = '{ 24007, 24008, 49152-60999 }';
  assert.match(rules, `ip saddr { 10.77.0.11, 10.77.1.11 } tcp dport ${ports} reject with tcp reset`);
  assert.match(rules, `ip daddr { 10.77.0.11, 10.77.1.11 } tcp dport ${ports} reject with tcp reset`);
  assert.is(rules.match(/priority -10/g)?.length, 2);
});

test('taking them away is the same when there are none', () => {
  assert.is(unbarRules(host), `table inet ${tableOf(host)} {}\ndelete table inet ${tableOf(host)}\n`);
});

test('sockets of Gluster to it are ended, each argument on its own', () => {
  const argv = killSockets('10.77.1.11');
  assert.equal(argv.slice(0, 7), ['ss', '--kill', '--tcp', '--numeric', 'dst', '10.77.1.11', 'and']);
  assert.ok(argv.includes(':49152') && argv.includes(':24007'));
});

test.run();
