import type { GlusterVolumePut } from '../contract/storage.ts';

/** Debian's libvirt-qemu (image/host keeps the number): QEMU must own what it writes. */
const qemuId = '64055';

/**
 * Options of a volume that holds VM disks. The base is Gluster's own `group virt` (GlusterFS 11.1), written out so that
 * another version cannot change it under us; below it what we measured to be better.
 */
export function wantedOptions(
  spec: Pick<GlusterVolumePut, 'layout' | 'allowedAddresses'>,
): Record<string, string> {
  return {
    'performance.quick-read': 'off',
    'performance.read-ahead': 'off',
    'performance.io-cache': 'off',
    'performance.low-prio-threads': '32',
    'network.remote-dio': 'disable',
    'performance.strict-o-direct': 'on',
    'features.shard': 'on',
    'user.cifs': 'off',
    'client.event-threads': '4',
    'server.event-threads': '4',
    'performance.client-io-threads': 'on',
    'cluster.lookup-optimize': 'off',
    'server.keepalive-time': '10',
    'server.keepalive-interval': '2',
    'server.keepalive-count': '5',
    // As shipped (20 s) a lost host stalls every VM for 39 s; so it is 3 to 4 s.
    'network.ping-timeout': '3',
    'client.tcp-user-timeout': '5',
    'server.tcp-user-timeout': '5',
    'storage.owner-uid': qemuId,
    'storage.owner-gid': qemuId,
    'auth.allow': [...spec.allowedAddresses].sort().join(','),
    ...(spec.layout.kind === 'single' ? {} : replicated),
  };
}

const replicated: Record<string, string> = {
  'cluster.eager-lock': 'enable',
  'cluster.quorum-type': 'auto',
  // glusterd would stop its bricks when peers are lost and start them on another port later, which clients do not
  // follow (see README); the quorum of the clients alone keeps the data safe.
  'cluster.server-quorum-type': 'none',
  'cluster.data-self-heal-algorithm': 'full',
  'cluster.locking-scheme': 'granular',
  'cluster.shd-max-threads': '8',
  'cluster.shd-wait-qlength': '10000',
  'cluster.choose-local': 'off',
  'cluster.granular-entry-heal': 'on',
};

/** Which options are to be set so that the volume has what is wanted; those we know nothing of stay. */
export function missingOptions(
  wanted: Readonly<Record<string, string>>,
  present: Readonly<Record<string, string>>,
): [string, string][] {
  return Object.entries(wanted).filter(([name, value]) => present[name] !== value);
}
