import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { readScenario } from './scenario.ts';
import { lawOf, shrink } from './shrink.ts';

const test = suite('a smaller scenario that breaks the same law');

const scenario = (count: number) =>
  readScenario({
    vms: 4,
    slow: true,
    commands: Array.from({ length: count }, (_, index) => ({
      atMs: index,
      do: 'freeze',
      host: `host${(index % 3) + 1}`,
    })),
    untilMs: 100,
  });

test('only the commands stay that it takes, wherever they are', () => {
  for (const needed of [[0], [12], [3, 9], [0, 6, 12]]) {
    const breaks = ({ commands }: { commands: { atMs: number }[] }) =>
      needed.every((atMs) => commands.some((command) => command.atMs === atMs));
    const small = shrink(scenario(13), breaks);
    assert.equal(
      small.commands.map(({ atMs }) => atMs),
      needed,
    );
    assert.equal([small.vms, small.slow], [1, false]);
  }
});

test('what it takes besides commands stays', () => {
  const small = shrink(scenario(5), ({ slow, vms }) => slow && vms === 4);
  assert.equal([small.commands.length, small.vms, small.slow], [0, 4, true]);
});

test('a law is known by what it says, not by when and who', () => {
  const said = (ms: number, host: number) => `${ms} ms: vm1 was written by host${host} in epoch 1`;
  assert.is(lawOf(said(10, 1)), lawOf(said(99, 2)));
  assert.is.not(lawOf(said(10, 1)), lawOf('10 ms: host1 was fenced on the word of too few'));
});

test.run();
