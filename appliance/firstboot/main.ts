/**
 * Runs in the engine's VM at boot when the seed disk holds something that was not applied (appliance/initramfs/init
 * compares): turns the seed into the files that network, PostgreSQL and engine start from. Wires only.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { exit, stdout } from 'node:process';
import { AppError, errorChain } from '../../node/contract/error.ts';
import { applySeed, readApplied, realEnv } from './apply.ts';
import { decide } from './plan.ts';
import { parseSeed } from './seed.ts';

const seedDisk = '/run/trefoil/seed';
const say = (text: string) => stdout.write(`${text}\n`);
/** As an error in the journal, which shows it on the console too. */
const complain = (text: string) => say(`<3>${text}`);

const applied = await readApplied(realEnv);
try {
  const disk = await readFile(seedDisk);
  const sha256 = createHash('sha256').update(disk).digest('hex');
  const seed = parseSeed(disk);
  const decision = decide(applied, sha256, seed.generation);
  if (decision.action === 'apply') {
    await applySeed(realEnv, seed, sha256);
    say(`seed of generation ${seed.generation} applied`);
  } else complain(`seed of generation ${seed.generation} not applied: it is ${decision.why}`);
} catch (error) {
  complain(error instanceof AppError ? `${error.message} ${error.remedy ?? ''}` : errorChain(error));
  if (applied === undefined) exit(1);
  // safety: a machine that worked goes on with what it has
  complain(`going on with the seed of generation ${applied.generation}`);
}
