import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { runScenario } from './run.ts';
import { readScenario } from './scenario.ts';

const test = suite('HA in the simulator', { deadlineMs: 60_000 });

const texts = (scenario: object, seed = 1) => {
  const { broken, log } = runScenario(readScenario(scenario), seed);
  assert.equal(broken, []);
  return log;
};
const timeOf = (log: ReturnType<typeof texts>, pattern: RegExp) => {
  const line = log.find(({ text }) => pattern.test(text));
  assert.ok(line, `nothing says ${pattern}:\n${log.map(({ atMs, text }) => `${atMs} ${text}`).join('\n')}`);
  return line.atMs;
};

test('a host loses its power: its VM runs elsewhere by storage fencing alone', () => {
  const first = texts({ vms: 1, commands: [], untilMs: 10_000 });
  const host =
    /on (host\d)/.exec(first.findLast(({ text }) => text.includes(' runs on '))?.text ?? '')?.[1] ?? 'host1';
  const log = texts({ vms: 1, commands: [{ atMs: 10_000, do: 'power-off', host }], untilMs: 30_000 });
  assert.ok(timeOf(log, /vm1 runs on .* \(epoch 2\)/) < 15_000);
});

test('a host that stood still for a minute ends its VMs before it may have its storage back', () => {
  const commands = ['host1', 'host2', 'host3'].map((host) => [
    { atMs: 10_000, do: 'freeze', host },
    { atMs: 70_000, do: 'thaw', host },
  ]);
  for (const one of commands) {
    const log = texts({ vms: 3, commands: one, untilMs: 120_000 });
    const back = timeOf(log, /is back and runs nothing/);
    assert.ok(back >= 70_000 && back < timeOf(log, /may have its storage back/));
  }
});

test('two of three hosts are lost: the third starts nothing and ends what it runs', () => {
  const cut = ['host1', 'host2'].map((host) => ({ atMs: 10_000, do: 'power-off', host }));
  const log = texts({ vms: 3, commands: cut, untilMs: 60_000 });
  assert.not.ok(log.some(({ atMs, text }) => atMs > 10_000 && /runs on/.test(text)));
});

test('the whole cluster loses its power and comes back: all VMs run again with nobody’s help', () => {
  const commands = [
    { atMs: 10_000, do: 'all-off' },
    { atMs: 20_000, do: 'all-on' },
  ];
  const log = texts({ vms: 3, commands, untilMs: 120_000 });
  for (const vm of ['vm1', 'vm2', 'vm3'])
    assert.ok(log.some(({ atMs, text }) => atMs > 20_000 && text.startsWith(`${vm} runs on`)));
});

test('a VM that dies is started in its place', () => {
  const log = texts({ vms: 1, commands: [{ atMs: 10_000, do: 'crash-vm', vm: 'vm1' }], untilMs: 20_000 });
  assert.is(log.filter(({ text }) => /vm1 runs on .* \(epoch 1\)/.test(text)).length, 2);
});

test.run();
