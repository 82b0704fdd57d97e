import type { z } from 'zod';
import { brickPutSchema, brickStatusSchema } from './disks.ts';
import { etcdPutSchema, etcdStatusSchema } from './etcd.ts';
import {
  fenceAgentSchema,
  fenceRecipientSchema,
  fenceSealSchema,
  fenceTestedSchema,
  fenceTestSchema,
  sealedSecretsSchema,
} from './fence.ts';
import {
  discoveredSchema,
  hostInfoSchema,
  hostLoadSchema,
  preflightReportSchema,
  preflightRequestSchema,
} from './host.ts';
import { networkConfirmSchema, networkPutSchema, networkStatusSchema } from './network.ts';
import { joinSchema, pairingStartedSchema, pairingStartSchema } from './pairing.ts';
import {
  glusterPeerSchema,
  glusterPeersPutSchema,
  glusterVolumePutSchema,
  mountPutSchema,
  volumeStatusSchema,
} from './storage.ts';
import { taskSchema } from './tasks.ts';
import { hostPowerSchema, timePutSchema, timeStatusSchema, unitStatusSchema } from './units.ts';
import {
  diskFileDeleteSchema,
  diskFilePutSchema,
  engineSeedPutSchema,
  imageFileSchema,
  vmActionRequestSchema,
  vmExpectedSchema,
  vmExpectSchema,
  vmMigrateRequestSchema,
  vmPutSchema,
  vmSerialHistorySchema,
  vmStatisticsSchema,
  vmStatusSchema,
} from './vms.ts';

/** Who may call a route: the role is the OU of the client's certificate, signed by the cluster's CA. */
export type CallerRole = 'engine' | 'host' | 'installer';

export type NodeRoute = {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** `{name}` stands for one path segment */
  path: string;
  body?: z.ZodType;
  reply?: z.ZodType;
  roles: readonly CallerRole[];
};

const managers = ['engine', 'installer'] as const;
const everyone = ['engine', 'installer', 'host'] as const;
const engine = ['engine'] as const;

/** The agent's API over mTLS; the one table that the server mounts and the client is typed from. */
export const nodeRoutes = {
  getHost: { method: 'GET', path: '/v1/host', reply: hostInfoSchema, roles: everyone },
  getLoad: { method: 'GET', path: '/v1/host/load', reply: hostLoadSchema, roles: everyone },
  getDiscovered: { method: 'GET', path: '/v1/discovered', reply: discoveredSchema, roles: managers },
  preflight: {
    method: 'POST',
    path: '/v1/preflight',
    body: preflightRequestSchema,
    reply: preflightReportSchema,
    roles: managers,
  },
  power: { method: 'POST', path: '/v1/power', body: hostPowerSchema, roles: managers },
  /**
   * POST: forget the cluster and be found again, as before it was paired: etcd and Gluster stopped and their state removed,
   * the bricks that were made here unmounted and wiped, mounts, network and time settings taken back. Done twice it is
   * done. Refused while VMs run here, or while a volume that other hosts use has its only copy here.
   */
  leave: { method: 'POST', path: '/v1/leave', roles: managers },

  startPairing: {
    method: 'POST',
    path: '/v1/pairings',
    body: pairingStartSchema,
    reply: pairingStartedSchema,
    roles: managers,
  },
  /** what the other host is, before it is taken */
  getPairingHost: { method: 'GET', path: '/v1/pairings/{id}/host', reply: hostInfoSchema, roles: managers },
  preflightPairing: {
    method: 'POST',
    path: '/v1/pairings/{id}/preflight',
    body: preflightRequestSchema,
    reply: preflightReportSchema,
    roles: managers,
  },
  finishPairing: { method: 'POST', path: '/v1/pairings/{id}/finish', body: joinSchema, roles: managers },
  /** forgets it; the other host stays unjoined and keeps its code */
  deletePairing: { method: 'DELETE', path: '/v1/pairings/{id}', roles: managers },

  getNetwork: { method: 'GET', path: '/v1/network', reply: networkStatusSchema, roles: managers },
  putNetwork: {
    method: 'PUT',
    path: '/v1/network',
    body: networkPutSchema,
    reply: networkStatusSchema,
    roles: managers,
  },
  confirmNetwork: {
    method: 'POST',
    path: '/v1/network/confirm',
    body: networkConfirmSchema,
    reply: networkStatusSchema,
    roles: managers,
  },
  getTime: { method: 'GET', path: '/v1/time', reply: timeStatusSchema, roles: managers },
  putTime: { method: 'PUT', path: '/v1/time', body: timePutSchema, reply: timeStatusSchema, roles: managers },
  getUnits: { method: 'GET', path: '/v1/units', reply: unitStatusSchema.array(), roles: managers },

  getEtcd: { method: 'GET', path: '/v1/etcd', reply: etcdStatusSchema, roles: managers },
  putEtcd: { method: 'PUT', path: '/v1/etcd', body: etcdPutSchema, reply: etcdStatusSchema, roles: managers },

  getBricks: { method: 'GET', path: '/v1/bricks', reply: brickStatusSchema.array(), roles: managers },
  putBrick: {
    method: 'PUT',
    path: '/v1/bricks/{name}',
    body: brickPutSchema,
    reply: brickStatusSchema,
    roles: managers,
  },

  getPeers: { method: 'GET', path: '/v1/gluster/peers', reply: glusterPeerSchema.array(), roles: managers },
  putPeers: {
    method: 'PUT',
    path: '/v1/gluster/peers',
    body: glusterPeersPutSchema,
    reply: glusterPeerSchema.array(),
    roles: managers,
  },
  getVolumes: {
    method: 'GET',
    path: '/v1/gluster/volumes',
    reply: volumeStatusSchema.array(),
    roles: managers,
  },
  putVolume: {
    method: 'PUT',
    path: '/v1/gluster/volumes/{name}',
    body: glusterVolumePutSchema,
    reply: volumeStatusSchema,
    roles: managers,
  },
  deleteVolume: { method: 'DELETE', path: '/v1/gluster/volumes/{name}', roles: managers },
  putMount: {
    method: 'PUT',
    path: '/v1/mounts/{name}',
    body: mountPutSchema,
    reply: volumeStatusSchema,
    roles: managers,
  },
  deleteMount: { method: 'DELETE', path: '/v1/mounts/{name}', roles: managers },

  getImages: { method: 'GET', path: '/v1/images', reply: imageFileSchema.array(), roles: managers },
  /** answers with a task when it copies */
  putDiskFile: {
    method: 'PUT',
    path: '/v1/disk-files',
    body: diskFilePutSchema,
    reply: taskSchema,
    roles: managers,
  },
  deleteDiskFile: { method: 'DELETE', path: '/v1/disk-files', body: diskFileDeleteSchema, roles: managers },

  putEngineSeed: { method: 'PUT', path: '/v1/engine-seed', body: engineSeedPutSchema, roles: managers },

  getVms: { method: 'GET', path: '/v1/vms', reply: vmStatusSchema.array(), roles: managers },
  getVm: { method: 'GET', path: '/v1/vms/{id}', reply: vmStatusSchema, roles: managers },
  putVm: { method: 'PUT', path: '/v1/vms/{id}', body: vmPutSchema, reply: vmStatusSchema, roles: managers },
  deleteVm: { method: 'DELETE', path: '/v1/vms/{id}', roles: managers },
  actOnVm: {
    method: 'POST',
    path: '/v1/vms/{id}/action',
    body: vmActionRequestSchema,
    reply: vmStatusSchema,
    roles: managers,
  },
  migrateVm: {
    method: 'POST',
    path: '/v1/vms/{id}/migrate',
    body: vmMigrateRequestSchema,
    reply: taskSchema,
    roles: managers,
  },
  /** a host announces a VM that it is about to move here; refused when it cannot be run here */
  expectVm: {
    method: 'PUT',
    path: '/v1/vms/{id}/incoming',
    body: vmExpectSchema,
    reply: vmExpectedSchema,
    roles: ['host'],
  },
  /** takes that back: afterwards the VM is not here and will not come. Refused (`vm.arrived`) when it has arrived. */
  forgetExpectedVm: { method: 'DELETE', path: '/v1/vms/{id}/incoming', roles: ['host'] },
  putVmSerialHistory: {
    method: 'PUT',
    path: '/v1/vms/{id}/serial-history',
    body: vmSerialHistorySchema,
    roles: ['host'],
  },
  getVmStatistics: {
    method: 'GET',
    path: '/v1/vm-statistics',
    reply: vmStatisticsSchema.array(),
    roles: managers,
  },

  /** the fence agents of this host, with what each of them asks for */
  getFenceAgents: { method: 'GET', path: '/v1/fence/agents', reply: fenceAgentSchema.array(), roles: engine },
  /** asks a fence device for its status; nothing is kept */
  testFenceDevice: {
    method: 'POST',
    path: '/v1/fence/test',
    body: fenceTestSchema,
    reply: fenceTestedSchema,
    roles: engine,
  },
  /** this host's certificate: whoever seals secrets for it needs its key */
  getFenceRecipient: {
    method: 'GET',
    path: '/v1/fence/recipient',
    reply: fenceRecipientSchema,
    roles: engine,
  },
  /** gives secrets back sealed for the hosts whose certificates come with it; nothing is kept */
  sealFenceSecrets: {
    method: 'POST',
    path: '/v1/fence/seal',
    body: fenceSealSchema,
    reply: sealedSecretsSchema,
    roles: engine,
  },

  getTask: { method: 'GET', path: '/v1/tasks/{id}', reply: taskSchema, roles: managers },
  cancelTask: { method: 'DELETE', path: '/v1/tasks/{id}', reply: taskSchema, roles: managers },
} as const satisfies Record<string, NodeRoute>;

/**
 * The whole table is also served on the host's unix socket (/run/trefoil/node.sock, root only, role `installer`), there
 * with /local/v1/csr, /local/v1/join and /local/v1/pairing besides (pairing.ts).
 *
 * Besides the table, by HTTP/1.1 Upgrade (raw bytes after 101):
 *   GET /v1/vms/{id}/console   Upgrade: trefoil-vnc       engine -> host: the VM's VNC stream
 *   GET /v1/vms/{id}/serial    Upgrade: trefoil-serial    engine -> host: the VM's serial console, both ways
 *   GET /v1/tunnel/libvirt     Upgrade: trefoil-tunnel    host -> host: to the target's libvirt, while it expects a migration
 *   GET /v1/tunnel/migration/{id}  Upgrade: trefoil-tunnel  host -> host: to the incoming QEMU of that VM
 * GET /v1/vms/{id}/serial-log?bytes=N   text/plain, the newest N bytes of what the VM wrote to its serial console
 * PUT /v1/images/{id}?name=&volume=&format=&size=   octet-stream upload of an image file (created whole or not at all)
 * GET /v1/events   server-sent events, see events.ts
 */
export type NodeRouteName = keyof typeof nodeRoutes;
