/**
 * Random faults in a running lab: `npm run chaos -- --minutes 60 --seed S`. See README.md.
 *   --fault NAME[,NAME]   only these
 *   --prefix X            another lab
 *   --json FILE
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { argv, exit, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { readClusterFile } from '../lab/cluster-file.ts';
import { openLab } from '../lab/lab.ts';
import { makeRandom } from '../sim/random.ts';
import { faultNames } from './faults.ts';
import { runChaos } from './rounds.ts';

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    fault: { type: 'string' },
    prefix: { type: 'string', default: 'tf' },
    json: { type: 'string', default: '.cache/bench/chaos.json' },
  },
});
const say = (text: string) => void stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
const wanted = values.fault?.split(',');
const allowed = wanted === undefined ? faultNames : faultNames.filter((name) => wanted.includes(name));
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (allowed.length === 0 || !(minutes > 0) || !Number.isInteger(seed)) {
  say(`--minutes and --seed are numbers; faults are ${faultNames.join(', ')}`);
  exit(2);
}

const lab = await openLab({ prefix: values.prefix });
const cluster = await readClusterFile(values.prefix);
if (cluster === undefined) {
  say('there is no running lab: npm run up');
  exit(2);
}
const rounds = await runChaos({
  lab,
  engine: cluster.engine,
  random: makeRandom(seed),
  minutes,
  allowed,
  say,
});
mkdirSync(dirname(values.json), { recursive: true });
writeFileSync(values.json, `${JSON.stringify({ seed, rounds }, undefined, 1)}\n`);
const bad = rounds.filter(({ wrong }) => wrong.length > 0);
say(
  `seed ${seed}: ${rounds.length} rounds, ${bad.length === 0 ? 'nothing lost, nothing doubled' : 'NOT WELL'}`,
);
exit(bad.length === 0 ? 0 : 1);
