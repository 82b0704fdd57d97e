import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { aroundName, subjectHref } from './subject.ts';

const test = suite('event subjects');

test('each thing that has a page is found there', () => {
  assert.is(subjectHref({ kind: 'vm', id: '7' }), '/vms/7');
  assert.is(subjectHref({ kind: 'host', id: '7' }), '/hosts/7');
  assert.is(subjectHref({ kind: 'volume', id: 'data' }), '/storage');
  assert.is(subjectHref({ kind: 'user', id: '7' }), undefined);
  assert.is(subjectHref(undefined), undefined);
});

test('the name in the sentence becomes the link', () => {
  assert.equal(aroundName('The VM web01 started.', 'web01'), {
    before: 'The VM ',
    name: 'web01',
    after: ' started.',
  });
  assert.is(aroundName('It started.', 'web01'), undefined);
  assert.is(aroundName('It started.', ''), undefined);
});

test.run();
