import * as assert from 'uvu/assert';
import { makeVm, uuid } from '../../test/e2e/support/samples.ts';
import { suite } from '../../test/support/suite.ts';
import { defaultVmQuery, parseVmQuery, selectVms, type VmQuery, vmQueryString } from './vm-list.ts';

const test = suite('vm list');
const host = (name: string) => ({ id: makeVm().id as never, name: name as never });
const vms = [
  makeVm({ id: uuid(1), name: 'web10', state: 'running', host: host('host2'), cpuBusyPercent: 3 }),
  makeVm({ id: uuid(2), name: 'web2', state: 'running', host: host('host1'), cpuBusyPercent: 90 }),
  makeVm({ id: uuid(3), name: 'db', state: 'crashed', description: 'Orders' }),
  makeVm({
    id: uuid(4),
    name: 'mail',
    state: 'off',
    memoryMiB: 8192,
    nics: [{ network: 'mgmt' as never, mac: '52:54:00:aa:bb:cc', addresses: ['10.77.0.42'] }],
  }),
];
const names = (query: Partial<VmQuery>) =>
  selectVms(vms, { ...defaultVmQuery, ...query }).map((vm) => vm.name);

test('names with numbers sort as people count', () => {
  assert.equal(names({}), ['db', 'mail', 'web2', 'web10']);
  assert.equal(names({ descending: true }), ['web10', 'web2', 'mail', 'db']);
});

test('finds by any word that a row shows', () => {
  assert.equal(names({ search: 'orders' }), ['db']);
  assert.equal(names({ search: '0.42' }), ['mail']);
  assert.equal(names({ search: 'web host1' }), ['web2']);
});

test('filters by what is asked for', () => {
  assert.equal(names({ show: 'running' }), ['web2', 'web10']);
  assert.equal(names({ show: 'attention' }), ['db']);
  assert.equal(names({ show: 'off' }), ['mail']);
  assert.equal(names({ host: 'host2' }), ['web10']);
});

test('what is urgent, busy or big comes first', () => {
  assert.is(names({ sort: 'state' })[0], 'db');
  assert.is(names({ sort: 'cpu' })[0], 'web2');
  assert.is(names({ sort: 'memory' })[0], 'mail');
});

test('the address holds the whole query', () => {
  const query: VmQuery = { search: 'a b', show: 'off', host: 'host1', sort: 'cpu', descending: true };
  assert.equal(parseVmQuery(new URLSearchParams(vmQueryString(query))), query);
  assert.is(vmQueryString(defaultVmQuery), '');
  assert.equal(parseVmQuery(new URLSearchParams('sort=nope&show=nope')), defaultVmQuery);
});

test('three hundred VMs are sorted and filtered well within a frame', () => {
  const many = Array.from({ length: 300 }, (_, index) =>
    makeVm({ id: uuid(index), name: `vm${index % 97}` }),
  );
  const started = performance.now();
  for (let round = 0; round < 10; round += 1) selectVms(many, { ...defaultVmQuery, search: 'vm' });
  assert.ok((performance.now() - started) / 10 < 16);
});

test.run();
