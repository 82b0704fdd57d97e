import { AppError } from '../contract/error.ts';
import type { EtcdPut, EtcdStatus } from '../contract/etcd.ts';
import type { Log } from '../log/log.ts';
import type { Units } from '../systemd/units.ts';
import type { EtcdClient } from './client.ts';
import {
  etcdEnvironment,
  etcdPaths,
  etcdUnit,
  localClientUrl,
  needsRestart,
  settingOf,
} from './server-config.ts';

/**
 * This host as a member of etcd. A crash at any line leaves what the next call completes: certificates before settings,
 * settings before the start. Its data is never removed but by `removeEtcd`.
 */
export type EtcdFiles = {
  read(path: string): Promise<string | undefined>;
  /** atomic, survives a power cut; owned by etcd's user when asked */
  write(path: string, content: string, options: { mode: number; forEtcd: boolean }): Promise<void>;
  /** made if missing, owned by etcd's user */
  makeEtcdFolder(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
  removeTree(path: string): Promise<void>;
};
export type ServerEnv = {
  files: EtcdFiles;
  units: Pick<
    Units,
    'enable' | 'disable' | 'stop' | 'status' | 'resetFailed' | 'startWithoutWaiting' | 'restartWithoutWaiting'
  >;
  log: Log;
};
export type EtcdCertificates = { ca: string; cert: string; key: string };

async function writeCertificates(
  env: ServerEnv,
  certificates: EtcdCertificates,
): Promise<{ caChanged: boolean }> {
  await env.files.makeEtcdFolder(etcdPaths.pki);
  let caChanged = false;
  const wanted = [
    [etcdPaths.ca, certificates.ca],
    [etcdPaths.cert, certificates.cert],
    [etcdPaths.key, certificates.key],
  ] as const;
  for (const [path, text] of wanted) {
    if ((await env.files.read(path)) === text) continue;
    await env.files.write(path, text, { mode: 0o600, forEtcd: true });
    // etcd reads certificate and key again for each connection, the CA only when it starts
    if (path === etcdPaths.ca) caChanged = true;
  }
  return { caChanged };
}

/**
 * Does not wait until etcd serves: the members of a new cluster need each other for that, so all of them are told
 * first. `etcdStatus` says when it is healthy.
 */
export async function ensureEtcd(
  env: ServerEnv,
  wanted: EtcdPut,
  certificates: EtcdCertificates,
): Promise<void> {
  const before = await env.files.read(etcdPaths.environment);
  const after = etcdEnvironment(wanted);
  const hasData = await env.files.exists(`${etcdPaths.data}/member`);
  const tokenBefore = before === undefined ? undefined : settingOf(before, 'INITIAL_CLUSTER_TOKEN');
  if (hasData && tokenBefore !== wanted.clusterToken)
    throw new AppError({
      code: 'etcd.other-cluster',
      family: 'conflict',
      message: 'This host still holds the data of another cluster in etcd.',
      remedy: 'Let the host leave its old cluster first; this removes that data.',
    });

  const { caChanged } = await writeCertificates(env, certificates);
  await env.files.makeEtcdFolder(etcdPaths.data);
  if (before !== after) await env.files.write(etcdPaths.environment, after, { mode: 0o600, forEtcd: false });
  await env.units.enable([etcdUnit]);

  const unit = await env.units.status(etcdUnit);
  const runs = ['active', 'activating', 'reloading'].includes(unit.activeState);
  if (!runs) {
    if (unit.activeState === 'failed') await env.units.resetFailed(etcdUnit);
    await env.units.startWithoutWaiting(etcdUnit);
    env.log.info(`etcd: ${unit.activeState} -> starting (member ${wanted.name})`);
  } else if (caChanged || needsRestart(before, after) || (!hasData && before !== after)) {
    await env.units.restartWithoutWaiting(etcdUnit);
    env.log.info(`etcd: ${unit.activeState} -> restarting (its settings changed)`);
  }
}

/** For a host that leaves its cluster: it must have been removed from the members before. */
export async function removeEtcd(env: ServerEnv): Promise<void> {
  const unit = await env.units.status(etcdUnit);
  if (unit.loadState !== 'not-found') {
    await env.units.disable([etcdUnit]);
    await env.units.stop(etcdUnit);
  }
  // the settings go last: as long as they are there, a crash in between is seen as "still a member"
  await env.files.removeTree(etcdPaths.data);
  await env.files.removeTree(etcdPaths.pki);
  await env.files.removeTree(etcdPaths.environment);
}

export async function etcdStatus(
  env: Pick<ServerEnv, 'files' | 'units'>,
  client: Pick<EtcdClient, 'status' | 'get'>,
): Promise<EtcdStatus> {
  const configured = (await env.files.read(etcdPaths.environment)) !== undefined;
  if (!configured)
    return { configured, running: false, healthy: false, reason: 'This host is not a member of etcd.' };
  const unit = await env.units.status(etcdUnit);
  const running = ['active', 'activating'].includes(unit.activeState);
  if (!running)
    return { configured, running, healthy: false, reason: `etcd does not run here (${unit.activeState}).` };
  try {
    const status = await client.status(localClientUrl, { deadlineMs: 2_000 });
    const facts = {
      configured,
      running,
      memberId: status.memberId,
      leader: status.leaderId === status.memberId,
      dbSizeBytes: status.dbSize,
    };
    if (status.leaderId === undefined)
      return { ...facts, healthy: false, reason: 'etcd runs here but reaches no majority of its members.' };
    if (status.errors.length > 0)
      return { ...facts, healthy: false, reason: `etcd reports: ${status.errors.join(', ')}.` };
    if (status.isLearner)
      return { ...facts, healthy: false, reason: 'This member of etcd is still copying the data.' };
    return { ...facts, healthy: true, reason: 'etcd serves here.' };
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { configured, running, healthy: false, reason: 'etcd runs here but does not answer yet.' };
  }
}
