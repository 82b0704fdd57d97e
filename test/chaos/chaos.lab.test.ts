import { stdout } from 'node:process';
import * as assert from 'uvu/assert';
import { readClusterFile } from '../lab/cluster-file.ts';
import { openLab } from '../lab/lab.ts';
import { makeRandom } from '../sim/random.ts';
import { suite } from '../support/suite.ts';
import { runChaos } from './rounds.ts';

const test = suite('three minutes of random faults', { deadlineMs: 850_000 });

test('nothing is lost, nothing is doubled, and the cluster is well after each', async () => {
  const lab = await openLab();
  const cluster = await readClusterFile();
  assert.ok(cluster, 'the lab is up');
  const rounds = await runChaos({
    lab,
    engine: cluster.engine,
    random: makeRandom(2026),
    minutes: 3,
    say: (text) => void stdout.write(`${text}\n`),
  });
  assert.ok(rounds.length > 0);
  assert.equal(
    rounds.flatMap(({ wrong }) => wrong),
    [],
  );
});

test.run();
