import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { dependsOf, inLoadOrder } from './modules.ts';

const test = suite('kernel modules');

const module = (depends: string) => Buffer.from(`\x7fELF...\0license=GPL\0depends=${depends}\0name=x\0`);

test('reads what a module needs', () => {
  assert.equal(dependsOf(module('net_failover,failover')), ['net_failover', 'failover']);
  assert.equal(dependsOf(module('')), []);
});

test('loads what is needed first, and each once', async () => {
  const needs: Record<string, string> = { a: 'b,c', b: 'c', c: '', d: 'c' };
  const ordered = await inLoadOrder(['a', 'd'], async (name) => module(needs[name] ?? ''));
  assert.equal(
    ordered.map(({ name }) => name),
    ['c', 'b', 'a', 'd'],
  );
});

test.run();
