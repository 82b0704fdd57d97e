import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { bestMatches, rank } from './palette.ts';

const test = suite('palette');

test('the closest name comes first', () => {
  const names = ['backup-web01', 'web01', 'web011', 'wiki-eb', 'mail'];
  assert.equal(
    bestMatches(names, 'web01', (name) => name, 5),
    ['web01', 'web011', 'backup-web01'],
  );
});

test('words may be given in any order, and letters may be left out', () => {
  assert.ok(rank('Create a virtual machine', 'machine create') > 0);
  assert.ok(rank('Storage: images', 'simg') > 0);
  assert.is(rank('mail', 'xyz'), 0);
});

test('an empty query keeps the given order', () => {
  assert.equal(
    bestMatches(['b', 'a'], '', (name) => name, 5),
    ['b', 'a'],
  );
});

test('words that are not shown find it too, after what is shown', () => {
  const items = [
    { text: 'Moving a VM', words: 'live migration' },
    { text: 'Migration log', words: '' },
    { text: 'The console', words: 'vnc keyboard' },
  ];
  const find = (query: string) =>
    bestMatches(
      items,
      query,
      ({ text }) => text,
      5,
      ({ words }) => words,
    ).map(({ text }) => text);
  assert.equal(find('migration'), ['Migration log', 'Moving a VM']);
  assert.equal(find('vnc'), ['The console']);
  assert.equal(find('console keyb'), ['The console']);
  assert.equal(find('key migration'), []);
});

test.run();
