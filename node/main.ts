import { randomBytes, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { openAgent } from './agent.ts';
import { makeLog } from './log/log.ts';

const log = makeLog('trefoil-node');
const version = await readFile('/usr/lib/trefoil/version', 'utf8').then(
  (text) => text.trim(),
  () => '0.0.0-unbuilt',
);

const agent = await openAgent({
  stateDirectory: process.env['TREFOIL_STATE'] ?? '/var/lib/trefoil',
  runDirectory: process.env['TREFOIL_RUN'] ?? '/run/trefoil',
  networkDirectory: process.env['TREFOIL_NETWORKD'] ?? '/run/systemd/network',
  port: Number(process.env['TREFOIL_PORT'] ?? 7440),
  version,
  hostname,
  random: randomBytes,
  newId: randomUUID,
  log,
});

const stop = async (signal: string) => {
  log.info('stopping', { signal });
  setTimeout(() => process.exit(1), 10_000).unref();
  await agent.close();
  process.exit(0);
};
process.once('SIGTERM', () => void stop('SIGTERM'));
process.once('SIGINT', () => void stop('SIGINT'));
process.on('unhandledRejection', (reason) => log.error('nobody waited for a failure', reason));
