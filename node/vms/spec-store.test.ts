import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { sampleVm } from '../../test/fakes/vms.ts';
import { suite } from '../../test/support/suite.ts';
import { makeSpecStore, type VmRecord } from './spec-store.ts';

const test = suite('records of VMs on disk');
const directory = mkdtempSync(join(tmpdir(), 'trefoil-vms-'));
test.after(() => rmSync(directory, { recursive: true, force: true }));

const vm = sampleVm();
const record: VmRecord = { ...vm, last: { state: 'off', reason: 'It was stopped.' } };

test('what was saved is loaded, what was removed is not', async () => {
  const store = makeSpecStore(join(directory, 'a'));
  assert.equal(await store.load(), { records: [], damaged: [] });
  await store.save({ ...record, generation: 1 });
  await store.save({ ...record, generation: 2 });
  assert.equal((await store.load()).records, [{ ...record, generation: 2 }]);
  await store.remove(vm.spec.id);
  await store.remove(vm.spec.id);
  assert.equal((await store.load()).records, []);
});

test('a damaged record is told with its name; the others are loaded, strange files are nobody', async () => {
  const folder = join(directory, 'b');
  const store = makeSpecStore(folder);
  await store.save(record);
  const [half, stolen] = [
    '22222222-2222-4333-8444-555555555555.json',
    '33333333-2222-4333-8444-555555555555.json',
  ];
  writeFileSync(join(folder, half), '{"generation": 1, "po');
  writeFileSync(join(folder, stolen), JSON.stringify(record));
  writeFileSync(join(folder, `.${half}.abc.new`), '{');
  writeFileSync(join(folder, 'notes.json'), '{');
  const { records, damaged } = await store.load();
  assert.equal(records, [record]);
  assert.equal(
    damaged.map(({ file, error }) => [file, error.code]),
    [
      [half, 'vm.damaged-record'],
      [stolen, 'vm.damaged-record'],
    ],
  );
  assert.match(damaged[0]?.error.message ?? '', join(folder, half));
  assert.is(readdirSync(folder).length, 5);
});

test.run();
