import { readFileSync } from 'node:fs';
import { argv, exit } from 'node:process';
import { serveApi } from '../../engine/api/server.ts';
import { staticFiles } from '../../engine/api/static.ts';
import { openClusterStore } from '../../engine/cluster/etcd.ts';
import { loadCluster } from '../../engine/cluster/store.ts';
import { migrate } from '../../engine/db/migrate.ts';
import { startEngine } from '../../engine/engine.ts';
import { makeOpenLink } from '../../engine/hosts/link.ts';
import { makeLog } from '../../engine/log/log.ts';
import { importSeed } from '../../engine/seed/seed.ts';
import { openEmbedded } from '../support/database.ts';
import type { DevPlan } from './world.ts';

/**
 * The engine of `npm run dev`: everything as in production but for the database, which is embedded, the cluster's store,
 * which answers without TLS, and TLS towards the browser, which ends at Vite. Restarted whenever its code changes; its database
 * and the simulated hosts stay, so each change is also a try of its restart.
 */
const [, , planFile = ''] = argv;
// Written by main.ts beside this file, a moment ago.
const plan = JSON.parse(readFileSync(planFile, 'utf8')) as DevPlan;
const log = makeLog((line) => {
  const { level, message, error } = JSON.parse(line) as Record<string, string>;
  process.stdout.write(
    `  engine ${level === 'info' ? '' : `${level}: `}${message}${error === undefined ? '' : ` (${error})`}\n`,
  );
});

const database = await openEmbedded(plan.databaseDirectory);
await migrate(database.db, log);
await importSeed(database.db, plan.seed, new Date(), log);
const cluster = await loadCluster(database.db);
if (cluster === undefined) throw new Error('the seed was not imported');
const engine = await startEngine({
  database,
  cluster,
  caCertificate: plan.identity.ca,
  openLink: makeOpenLink({
    ...plan.identity,
    portOf: ({ id }) => ({ address: '127.0.0.1', port: plan.ports[id] ?? 0 }),
  }),
  store: openClusterStore({ ...plan.identity, endpoints: plan.etcd }),
  files: staticFiles('dist/ui'),
  log,
  version: '0.1.0',
});
const server = await serveApi({
  address: '127.0.0.1',
  port: plan.port,
  app: () => engine.app,
  onUpgrade: engine.onUpgrade,
});

const stop = async () => {
  await engine.stop();
  await server.stop();
  await database.close();
  exit(0);
};
process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
