import { readFile } from 'node:fs/promises';
import { exit } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { asAppError } from '../node/contract/error.ts';
import { makeEarlyApp } from './api/early.ts';
import { serveApi } from './api/server.ts';
import { staticFiles } from './api/static.ts';
import { openClusterStore } from './cluster/etcd.ts';
import { loadCluster } from './cluster/store.ts';
import { loadConfig } from './config.ts';
import type { Health } from './contract/health.ts';
import type { Database } from './db/database.ts';
import { migrate } from './db/migrate.ts';
import { openPostgres } from './db/postgres.ts';
import { type Engine, startEngine } from './engine.ts';
import { makeOpenLink } from './hosts/link.ts';
import { answerAtChannel, systemChannel } from './liveness/channel.ts';
import { type Log, makeLog } from './log/log.ts';
import { importSeed, readSeed } from './seed/seed.ts';

/**
 * The engine's program. It listens at once and says "starting"; then waits for its database as long as that takes, brings
 * the schema and the seed in, and starts. SIGTERM: no new requests, steps at work end or are taken up at the next start.
 */
async function main(log: Log): Promise<void> {
  const config = await loadConfig(process.env);
  const [certificate, key, ca, version] = await Promise.all([
    readFile(config.tls.certificateFile, 'utf8'),
    readFile(config.tls.keyFile, 'utf8'),
    readFile(config.tls.caFile, 'utf8'),
    readFile(config.versionFile, 'utf8').then(
      (text) => text.trim(),
      () => 'unknown',
    ),
  ]);
  const stopping = new AbortController();
  const files = staticFiles(config.uiDirectory);
  let state: Health['state'] = 'starting';
  const early = makeEarlyApp({ health: () => ({ state, version }), files, log });
  let engine: Engine | undefined;
  const server = await serveApi({
    ...config.listen,
    tls: { certificate, key },
    app: () => engine?.app ?? early,
    onUpgrade: (request, socket, head) =>
      engine === undefined ? socket.destroy() : engine.onUpgrade(request, socket, head),
  });
  log.info('listening', { port: server.port, version });
  const channel = answerAtChannel({
    ...systemChannel,
    state: async () => (engine === undefined ? state : (await engine.health()).state),
    log,
  });

  const database = openPostgres(config.database);
  const stop = async (signal: string) => {
    if (stopping.signal.aborted) return;
    log.info('stopping', { signal });
    stopping.abort();
    channel.stop();
    setTimeout(() => exit(1), 20_000).unref();
    await engine?.stop();
    await server.stop();
    await database.close();
    exit(0);
  };
  process.on('SIGTERM', () => void stop('SIGTERM'));
  process.on('SIGINT', () => void stop('SIGINT'));

  await untilReady(database, log, stopping.signal, (answers) => {
    state = answers ? 'starting' : 'database-down';
  });
  const seed = await readSeed(config.seedFile);
  if (seed !== undefined) await importSeed(database.db, seed, new Date(), log);
  const cluster = await loadCluster(database.db);
  if (cluster === undefined)
    throw new Error(`there is neither a cluster in the database nor a seed at ${config.seedFile}`);
  const identity = { ca, certificate, key };
  engine = await startEngine({
    database,
    cluster,
    caCertificate: ca,
    openLink: makeOpenLink(identity),
    store: openClusterStore({ ...identity, endpoints: cluster.etcdEndpoints }),
    files,
    log,
    version,
  });
  void keepClaim(database, log, stopping.signal);
}

/** A database that was restarted has forgotten that it is ours; should another engine have it now, this one must end. */
async function keepClaim(database: Database, log: Log, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(claimEveryMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    try {
      await database.claim();
    } catch (thrown) {
      if (asAppError(thrown, 'keeping the database').code !== 'database.other-engine') continue;
      log.error('another engine has taken the database; this one ends', thrown);
      exit(1);
    }
  }
}

/** Until the database answers, is ours alone, and has our schema. Not being there yet is normal after a boot. */
async function untilReady(
  database: Database,
  log: Log,
  signal: AbortSignal,
  tell: (answers: boolean) => void,
): Promise<void> {
  let told = '';
  for (;;) {
    try {
      // One that is not there refuses at once; one that has just started takes seconds for its first connection.
      await database.ping(firstAnswerMs);
      tell(true);
      await database.claim();
      await migrate(database.db, log);
      return;
    } catch (thrown) {
      const error = asAppError(thrown, 'opening the database');
      if (error.code === 'database.wrong-schema') throw thrown;
      tell(error.code !== 'database.unavailable' && error.code !== 'internal.bug');
      if (error.message !== told)
        log.warn('waiting for the database', { code: error.code, why: error.message });
      told = error.message;
      await delay(askAgainMs, undefined, { signal });
    }
  }
}

const claimEveryMs = 2_000;
const firstAnswerMs = 15_000;
const askAgainMs = 150;
const log = makeLog();
process.on('unhandledRejection', (reason) => log.error('something was not awaited', reason));
main(log).catch((error: unknown) => {
  log.error('the engine cannot start', error);
  exit(1);
});
