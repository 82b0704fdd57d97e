/** `npm run down [-- --prefix X]`: no process, mount, namespace or loop device of the lab is left, and none of its files. */
import { argv, exit, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { removeClusterFile } from './cluster-file.ts';
import { openLab } from './lab.ts';
import { remains } from './sweep.ts';

const { values } = parseArgs({ args: argv.slice(2), options: { prefix: { type: 'string', default: 'tf' } } });

try {
  const lab = await openLab({ prefix: values.prefix });
  await lab.stop();
  await removeClusterFile(values.prefix);
  const left = await remains(lab.plan);
  if (left.length > 0) throw new Error(`this is left:\n${left.join('\n')}`);
  stdout.write(`Nothing of the lab "${values.prefix}" is left.\n`);
  exit(0);
} catch (error) {
  stderr.write(`down: ${error instanceof Error ? error.message : String(error)}\n`);
  exit(1);
}
