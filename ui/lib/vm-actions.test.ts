import * as assert from 'uvu/assert';
import { vmActionSchema, vmActionsByState, vmStateSchema } from '../../engine/contract/vms.ts';
import { makeVm } from '../../test/e2e/support/samples.ts';
import { suite } from '../../test/support/suite.ts';
import { disabledReason } from './vm-actions.ts';

const test = suite('vm actions');
const fine = { online: true, onlineHosts: 3 };

test('allows exactly what the contract allows, and says why not otherwise', () => {
  for (const state of vmStateSchema.options)
    for (const action of vmActionSchema.options) {
      const reason = disabledReason(makeVm({ state }), action, fine);
      const allowed = (vmActionsByState[state] as readonly string[]).includes(action);
      assert.is(reason === undefined, allowed, `${action} while ${state}: ${reason}`);
      if (reason !== undefined) assert.match(reason, /\.$/);
    }
});

test('names the states in which it would be possible', () => {
  assert.is(disabledReason(makeVm({ state: 'running' }), 'start', fine), 'Only while it is off or crashed.');
});

test('leaves the engine’s VM alone, except for looking at it', () => {
  const engine = makeVm({ isEngine: true, state: 'running' });
  assert.match(disabledReason(engine, 'stop', fine) ?? '', /engine/);
  assert.is(disabledReason(engine, 'console', fine), undefined);
});

test('a running job blocks the next action, but neither the console nor the power switch', () => {
  const busy = makeVm({ state: 'running', jobId: '11111111-1111-4111-8111-111111111111' });
  assert.match(disabledReason(busy, 'migrate', fine) ?? '', /job/);
  assert.is(disabledReason(busy, 'stop', fine), undefined);
  assert.is(disabledReason(busy, 'console', fine), undefined);
});

test('moving needs somewhere to go, and anything needs the engine', () => {
  const vm = makeVm({ state: 'running' });
  assert.match(disabledReason(vm, 'migrate', { online: true, onlineHosts: 1 }) ?? '', /no other host/);
  assert.match(disabledReason(vm, 'stop', { online: false, onlineHosts: 3 }) ?? '', /engine/);
});

test.run();
