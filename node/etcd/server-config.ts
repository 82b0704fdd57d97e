import type { EtcdPut } from '../contract/etcd.ts';

/** What etcd is started with, as `ETCD_*` lines that systemd reads. All pure. */
export const etcdUnit = 'etcd.service';
export const etcdPaths = {
  environment: '/var/lib/trefoil/etcd/environment',
  /** on the system disk, never on a brick's: their load would cost elections */
  data: '/var/lib/etcd/trefoil',
  pki: '/var/lib/etcd/pki',
  ca: '/var/lib/etcd/pki/ca.crt',
  cert: '/var/lib/etcd/pki/host.crt',
  key: '/var/lib/etcd/pki/host.key',
} as const;

export const peerUrlOf = (address: string): string => `https://${address}:2380`;
export const clientUrlOf = (address: string): string => `https://${address}:2379`;
/** from this host itself, without the network */
export const localClientUrl = 'https://127.0.0.1:2379';
/** Prometheus text, plain HTTP, this host only: `etcd_disk_wal_fsync_duration_seconds` and the like */
export const localMetricsUrl = 'http://127.0.0.1:2381';

/**
 * A leader must get a heartbeat out, with a write to its disk in between, well before it is due; an election waits ten
 * heartbeats. The floor (100 ms, 1 s) is etcd's default: leases of 3 s need it. The ceiling keeps a slow disk from
 * making the loss of a leader last for half a minute: above it, the disk is not fit (preflight says so).
 */
export function etcdTimes(fsyncP99Ms: number | undefined): { heartbeatMs: number; electionMs: number } {
  const needed = Math.ceil((2 * (fsyncP99Ms ?? 0) + 20) / 10) * 10;
  const heartbeatMs = Math.min(500, Math.max(100, needed));
  return { heartbeatMs, electionMs: heartbeatMs * 10 };
}

const mebibyte = 1024 * 1024;

export function etcdEnvironment(wanted: EtcdPut): string {
  const { heartbeatMs, electionMs } = etcdTimes(wanted.fsyncP99Ms);
  const members = [...wanted.members].sort((a, b) => (a.name < b.name ? -1 : 1));
  const settings: Record<string, string | number | boolean> = {
    NAME: wanted.name,
    DATA_DIR: etcdPaths.data,
    LISTEN_PEER_URLS: peerUrlOf(wanted.address),
    LISTEN_CLIENT_URLS: `${clientUrlOf(wanted.address)},${localClientUrl}`,
    LISTEN_METRICS_URLS: localMetricsUrl,
    ADVERTISE_CLIENT_URLS: clientUrlOf(wanted.address),
    INITIAL_ADVERTISE_PEER_URLS: peerUrlOf(wanted.address),
    INITIAL_CLUSTER: members.map(({ name, address }) => `${name}=${peerUrlOf(address)}`).join(','),
    INITIAL_CLUSTER_STATE: wanted.initialState,
    INITIAL_CLUSTER_TOKEN: wanted.clusterToken,
    HEARTBEAT_INTERVAL: heartbeatMs,
    ELECTION_TIMEOUT: electionMs,
    // a member that comes back does not force an election on those that are well
    PRE_VOTE: true,
    // only with a healthy majority is a member added or removed
    STRICT_RECONFIG_CHECK: true,
    // the cluster document stays below 10 MiB: a runaway writer is stopped long before the disk is full
    QUOTA_BACKEND_BYTES: 512 * mebibyte,
    AUTO_COMPACTION_MODE: 'periodic',
    AUTO_COMPACTION_RETENTION: '1h',
    SNAPSHOT_COUNT: 10_000,
    // a member compares its data with the others before it serves
    EXPERIMENTAL_INITIAL_CORRUPT_CHECK: true,
    // both ports ask for a certificate of the cluster's CA: there is no other gate
    CLIENT_CERT_AUTH: true,
    TRUSTED_CA_FILE: etcdPaths.ca,
    CERT_FILE: etcdPaths.cert,
    KEY_FILE: etcdPaths.key,
    PEER_CLIENT_CERT_AUTH: true,
    PEER_TRUSTED_CA_FILE: etcdPaths.ca,
    PEER_CERT_FILE: etcdPaths.cert,
    PEER_KEY_FILE: etcdPaths.key,
    LOGGER: 'zap',
    LOG_LEVEL: 'warn',
  };
  const lines = Object.entries(settings).map(([name, value]) => `ETCD_${name}=${value}`);
  return ['# Written by trefoil-node; changes are overwritten.', ...lines, ''].join('\n');
}

/** One setting of an environment file that we wrote; undefined when it is not there. */
export function settingOf(environment: string, name: string): string | undefined {
  const start = `ETCD_${name}=`;
  return environment
    .split('\n')
    .find((line) => line.startsWith(start))
    ?.slice(start.length);
}

/**
 * Whether a running member must be restarted for the new settings. The `INITIAL_*` ones count only before the first
 * start: a cluster that grew is no reason to restart its members.
 */
export function needsRestart(before: string | undefined, after: string): boolean {
  const lasting = (text: string) =>
    text.split('\n').filter((line) => line.startsWith('ETCD_') && !line.startsWith('ETCD_INITIAL_'));
  return before === undefined || lasting(before).join('\n') !== lasting(after).join('\n');
}
