import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { hostIdSchema } from '../../node/contract/ids.ts';
import { suite } from '../../test/support/suite.ts';
import { type Candidate, type Needs, place } from './decide.ts';

const test = suite('scheduler');

const needs: Needs = { cpus: 2, memoryMiB: 2048, cpuModel: 'host', networks: ['mgmt'], volumes: ['data'] };
const idOf = (digit: number) => hostIdSchema.parse(`00000000-0000-4000-8000-00000000000${digit}`);
const host = (digit: number, parts: Partial<Candidate> = {}): Candidate => ({
  id: idOf(digit),
  name: `host${digit}`,
  online: true,
  reason: '',
  threads: 8,
  cpuBusyPercent: 10,
  memoryTotalMiB: 16_384,
  memoryAvailableMiB: 15_000,
  committedMiB: 0,
  comingMiB: 0,
  vmCount: 0,
  usableModels: ['Haswell'],
  networks: new Set(['mgmt']),
  volumes: new Set(['data']),
  ...parts,
});
const only = (parts: Partial<Candidate>, change: Partial<Needs> = {}) =>
  place({ ...needs, ...change }, [host(1, parts)])[0];

test('prefers the host on which most memory stays free, and says so', () => {
  const [best, other] = place(needs, [host(1, { memoryAvailableMiB: 6_000 }), host(2)]);
  assert.is(best?.name, 'host2');
  assert.ok((best?.score ?? 0) > (other?.score ?? 0));
  assert.equal(best?.reasons, ['12.1 GiB of memory would stay free', 'CPUs 10 % busy', 'runs 0 VMs']);
});

test('each filter says in a sentence why a host cannot have it', () => {
  assert.equal(only({ online: false, reason: 'host1 does not answer.' })?.reasons, [
    'It is not online: host1 does not answer.',
  ]);
  assert.equal(only({ memoryAvailableMiB: 1_500 })?.reasons, [
    'It has 988 MiB of memory free; 2.1 GiB are needed.',
  ]);
  assert.equal(only({}, { cpus: 16 })?.reasons, ['It has 8 CPU threads; the VM wants 16.']);
  assert.equal(only({}, { cpuModel: 'EPYC' })?.reasons, ['Its CPU cannot be a EPYC.']);
  assert.equal(only({ networks: new Set() })?.reasons, ['It is not connected to the network mgmt.']);
  assert.equal(only({ volumes: new Set() })?.reasons, ['The volume data is not mounted there.']);
});

test('memory that was promised to starting VMs is not given twice', () => {
  assert.is(only({ comingMiB: 13_000 })?.fits, false);
  assert.is(only({ committedMiB: 15_000 })?.fits, false);
});

test('a host that is excepted says why', () => {
  const [only] = place(needs, [host(1)], { except: new Map([[idOf(1), 'It runs there now.']]) });
  assert.equal(only?.reasons, ['It runs there now.']);
});

test('whatever the hosts: one that fits comes before one that does not, and the order of the input is nothing', () => {
  const candidate = fc
    .record({
      digit: fc.integer({ min: 0, max: 9 }),
      online: fc.boolean(),
      memoryAvailableMiB: fc.integer({ min: 0, max: 20_000 }),
      cpuBusyPercent: fc.integer({ min: 0, max: 100 }),
      vmCount: fc.integer({ min: 0, max: 50 }),
    })
    .map(({ digit, ...parts }) => host(digit, parts));
  const hosts = fc.uniqueArray(candidate, { selector: ({ id }) => id, maxLength: 9 });
  fc.assert(
    fc.property(hosts, (all) => {
      const placed = place(needs, all);
      const firstUnfit = placed.findIndex(({ fits }) => !fits);
      assert.ok(firstUnfit === -1 || placed.slice(firstUnfit).every(({ fits }) => !fits));
      assert.ok(placed.every(({ score }) => score >= 0 && score <= 100));
      assert.equal(placed, place(needs, [...all].reverse()));
    }),
  );
});

test.run();
