import * as assert from 'uvu/assert';
import { hostIdSchema } from '../../node/contract/ids.ts';
import { suite } from '../../test/support/suite.ts';
import { type AdmissionVm, admissionOf } from './admission.ts';

const test = suite('HA: may any one host be lost?');

const ids = [1, 2, 3].map((digit) => hostIdSchema.parse(`00000000-0000-4000-8000-00000000000${digit}`));
const hosts = (...free: Array<number | undefined>) =>
  free.map((freeMiB, index) => {
    const id = ids[index];
    if (id === undefined) throw new Error('too many hosts');
    return { id, name: `host${index + 1}`, freeMiB };
  });
const vm = (name: string, host: number, memoryMiB: number, parts: Partial<AdmissionVm> = {}): AdmissionVm => {
  const id = ids[host - 1];
  if (id === undefined) throw new Error('no such host');
  return { id: name, name, host: id, priority: 500, memoryMiB, ...parts };
};

test('yes, when the others have room for each host’s VMs', () => {
  const { answer, why } = admissionOf(hosts(4000, 4000, 4000), [
    vm('a', 1, 3000),
    vm('b', 1, 3000),
    vm('c', 2, 4000),
  ]);
  assert.is(answer, 'yes');
  assert.is(why, 'Any one host may be lost: its HA VMs find room on the others.');
});

test('no, and it names who would stay down: the least important ones', () => {
  const all = [
    vm('db', 1, 3000, { priority: 750 }),
    vm('web', 1, 3000),
    vm('test', 1, 3000, { priority: 250 }),
  ];
  const { answer, why, stayDown } = admissionOf(hosts(0, 3500, 3500), all);
  assert.is(answer, 'no');
  assert.is(why, 'If host1 is lost, test would stay down: the others have too little memory for it.');
  assert.equal(stayDown, [{ host: 'host1', vms: ['test'] }]);
});

test('a VM goes only to hosts that it may run on', () => {
  const [first, second] = ids;
  if (first === undefined || second === undefined) throw new Error('no ids');
  const picky = vm('picky', 1, 3000, { allowedHosts: [first, second] });
  assert.is(admissionOf(hosts(0, 2000, 9000), [picky]).answer, 'no');
  assert.is(admissionOf(hosts(0, 3000, 0), [picky]).answer, 'yes');
});

test('long lists are cut short', () => {
  const many = ['a', 'b', 'c', 'd', 'e'].map((name) => vm(name, 1, 1000));
  assert.match(admissionOf(hosts(0, 0, 0), many).why, 'a, b, c and 2 more would stay down');
});

test('one host alone can never be lost; what is not known is not guessed', () => {
  assert.equal(admissionOf(hosts(4000), []), { answer: 'no', why: 'There is only one host.', stayDown: [] });
  assert.is(admissionOf(hosts(4000, undefined, 4000), []).answer, 'unknown');
});

test.run();
