import { z } from 'zod';
import { fenceDeviceIdSchema } from '../../node/contract/fence.ts';
import { hostIdSchema, imageIdSchema, vmIdSchema } from '../../node/contract/ids.ts';
import { acceptedSchema, jobIdSchema, pageOf, pageQuerySchema } from './common.ts';
import { engineStatusSchema } from './engine.ts';
import { eventSchema } from './events.ts';
import {
  fenceDeviceCreateSchema,
  fenceDeviceSightSchema,
  fenceDeviceTestedSchema,
  fenceDeviceTestSchema,
  fenceDeviceUpdateSchema,
  fenceKindSchema,
} from './fence.ts';
import { haConfirmOffSchema, haDisarmSchema, haHostSchema, haNoteSightSchema, haStateSchema } from './ha.ts';
import { healthSchema, overviewSchema } from './health.ts';
import {
  discoveredHostSchema,
  hostAddSchema,
  hostSchema,
  maintenanceBeginSchema,
  maintenancePlanSchema,
} from './hosts.ts';
import { jobSchema } from './jobs.ts';
import type { Permission } from './permissions.ts';
import { loginSchema, passwordChangeSchema, sessionSchema } from './sessions.ts';
import { imageSchema, imageUploadQuerySchema, networkSchema, volumeSchema } from './storage.ts';
import {
  consoleTicketSchema,
  placementSchema,
  vmCreatedSchema,
  vmCreateSchema,
  vmMigrateSchema,
  vmSchema,
  vmUpdateSchema,
} from './vms.ts';

export type RouteTag =
  | 'engine'
  | 'sessions'
  | 'hosts'
  | 'ha'
  | 'vms'
  | 'jobs'
  | 'events'
  | 'storage'
  | 'networks';

export type EngineRoute = {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `{name}` stands for one path segment */
  path: string;
  tag: RouteTag;
  summary: string;
  /** `public`: no login; else the permission that the gate asks for */
  access: 'public' | Permission;
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodType;
  status: 200 | 201 | 202 | 204;
  reply?: z.ZodType;
  /**
   * How the bytes travel when it is not JSON both ways: `text` and `events` in the reply (`events` only when the client
   * asks with `Accept: text/event-stream`, else JSON), `upload` in the request (octet-stream).
   */
  transport?: 'text' | 'events' | 'upload';
};

const vm = z.object({ id: vmIdSchema });
const host = z.object({ id: hostIdSchema });
const fenceDevice = z.object({ id: hostIdSchema, device: fenceDeviceIdSchema });
const image = z.object({ id: imageIdSchema });
const job = z.object({ id: jobIdSchema });

const vmActionRoute = <Verb extends string>(verb: Verb, summary: string) =>
  ({
    method: 'POST',
    path: `/api/v1/vms/{id}/actions/${verb}`,
    tag: 'vms',
    summary,
    access: 'vms.run',
    params: vm,
    status: 202,
    reply: acceptedSchema,
  }) as const;

/**
 * The public API: the one table that the engine mounts, that the OpenAPI document is made from, and that types the
 * client (client.ts) of the UI and the command line. Whatever changes something answers 202 with the job that does it.
 *
 * Besides the table:
 *   GET /api/v1/openapi.json                 the OpenAPI 3.1 document (public)
 *   GET /api/v1/console?ticket=...           WebSocket, binary: the VM's VNC stream; the ticket works once within 30 s
 */
export const engineRoutes = {
  getHealth: {
    method: 'GET',
    path: '/api/v1/health',
    tag: 'engine',
    summary: 'Is the engine ready? 503 with the same body while it is not.',
    access: 'public',
    status: 200,
    reply: healthSchema,
  },
  getEngine: {
    method: 'GET',
    path: '/api/v1/engine',
    tag: 'engine',
    summary: 'The engine about itself: version, background loops, API extensions.',
    access: 'engine.read',
    status: 200,
    reply: engineStatusSchema,
  },
  getOverview: {
    method: 'GET',
    path: '/api/v1/overview',
    tag: 'engine',
    summary: 'Is everything fine, and can the cluster lose a host?',
    access: 'overview.read',
    status: 200,
    reply: overviewSchema,
  },

  createSession: {
    method: 'POST',
    path: '/api/v1/sessions',
    tag: 'sessions',
    summary: 'Log in.',
    access: 'public',
    body: loginSchema,
    status: 201,
    reply: sessionSchema,
  },
  getSession: {
    method: 'GET',
    path: '/api/v1/sessions/current',
    tag: 'sessions',
    summary: 'Who am I? Also gives the CSRF token again after a page was reloaded.',
    access: 'session.own',
    status: 200,
    reply: sessionSchema,
  },
  deleteSession: {
    method: 'DELETE',
    path: '/api/v1/sessions/current',
    tag: 'sessions',
    summary: 'Log out.',
    access: 'session.own',
    status: 204,
  },
  changePassword: {
    method: 'PUT',
    path: '/api/v1/users/current/password',
    tag: 'sessions',
    summary: 'Change the own password; all other sessions of this user end.',
    access: 'session.own',
    body: passwordChangeSchema,
    status: 204,
  },

  listHosts: {
    method: 'GET',
    path: '/api/v1/hosts',
    tag: 'hosts',
    summary: 'The hosts of the cluster.',
    access: 'hosts.read',
    query: pageQuerySchema,
    status: 200,
    reply: pageOf(hostSchema),
  },
  listDiscoveredHosts: {
    method: 'GET',
    path: '/api/v1/hosts/discovered',
    tag: 'hosts',
    summary: 'Hosts that scanning found and that are not yet of this cluster.',
    access: 'hosts.read',
    status: 200,
    reply: z.object({ items: z.array(discoveredHostSchema) }),
  },
  getHost: {
    method: 'GET',
    path: '/api/v1/hosts/{id}',
    tag: 'hosts',
    summary: 'One host.',
    access: 'hosts.read',
    params: host,
    status: 200,
    reply: hostSchema,
  },
  addHost: {
    method: 'POST',
    path: '/api/v1/hosts',
    tag: 'hosts',
    summary: 'Pair with a discovered host and make it a member that runs VMs.',
    access: 'hosts.add',
    body: hostAddSchema,
    status: 202,
    reply: acceptedSchema,
  },

  getMaintenancePlan: {
    method: 'GET',
    path: '/api/v1/hosts/{id}/maintenance',
    tag: 'hosts',
    summary: 'What maintenance of this host would move where, and what speaks against it.',
    access: 'hosts.read',
    params: host,
    status: 200,
    reply: maintenancePlanSchema,
  },
  beginMaintenance: {
    method: 'POST',
    path: '/api/v1/hosts/{id}/maintenance',
    tag: 'hosts',
    summary: 'Move all VMs away while they run, and give it no more; refused when it cannot be spared.',
    access: 'hosts.maintain',
    params: host,
    body: maintenanceBeginSchema,
    status: 202,
    reply: acceptedSchema,
  },
  endMaintenance: {
    method: 'DELETE',
    path: '/api/v1/hosts/{id}/maintenance',
    tag: 'hosts',
    summary: 'It may have VMs again; none is moved back by this.',
    access: 'hosts.maintain',
    params: host,
    status: 204,
  },

  disarmHa: {
    method: 'POST',
    path: '/api/v1/ha/disarm',
    tag: 'ha',
    summary: 'For planned work: nothing is done about lost hosts for some minutes, a day at most.',
    access: 'ha.disarm',
    body: haDisarmSchema,
    status: 200,
    reply: haStateSchema,
  },
  armHa: {
    method: 'DELETE',
    path: '/api/v1/ha/disarm',
    tag: 'ha',
    summary: 'Act upon lost hosts again, at once.',
    access: 'ha.disarm',
    status: 204,
  },
  getHa: {
    method: 'GET',
    path: '/api/v1/ha',
    tag: 'ha',
    summary: 'HA: hosts, VMs, who leads, and whether any one host may be lost.',
    access: 'ha.read',
    status: 200,
    reply: haStateSchema,
  },
  listHaTimeline: {
    method: 'GET',
    path: '/api/v1/ha/timeline',
    tag: 'ha',
    summary: 'What HA saw and decided, newest first.',
    access: 'ha.read',
    query: pageQuerySchema,
    status: 200,
    reply: pageOf(haNoteSightSchema),
  },
  confirmHostOff: {
    method: 'POST',
    path: '/api/v1/ha/hosts/{id}/confirm-off',
    tag: 'ha',
    summary:
      'A person confirms that a lost host is off, so that its VMs may start elsewhere. Never for one that may run.',
    access: 'ha.confirm',
    params: host,
    body: haConfirmOffSchema,
    status: 200,
    reply: haHostSchema,
  },

  listFenceKinds: {
    method: 'GET',
    path: '/api/v1/fence/agents',
    tag: 'ha',
    summary: 'Kinds of fence devices, each with the form that it asks to be filled in.',
    access: 'hosts.read',
    status: 200,
    reply: z.object({ items: z.array(fenceKindSchema) }),
  },
  listFenceDevices: {
    method: 'GET',
    path: '/api/v1/hosts/{id}/fence-devices',
    tag: 'ha',
    summary: 'What can switch off this host from outside, and whether it answers.',
    access: 'hosts.read',
    params: host,
    status: 200,
    reply: z.object({ items: z.array(fenceDeviceSightSchema) }),
  },
  createFenceDevice: {
    method: 'POST',
    path: '/api/v1/hosts/{id}/fence-devices',
    tag: 'ha',
    summary: 'Add a fence device. Its secrets are sealed for each host and never given back.',
    access: 'fence.change',
    params: host,
    body: fenceDeviceCreateSchema,
    status: 201,
    reply: fenceDeviceSightSchema,
  },
  testFenceDevice: {
    method: 'POST',
    path: '/api/v1/hosts/{id}/fence-devices/test',
    tag: 'ha',
    summary: 'Ask a device for its status, also before it is saved, from each host that would use it.',
    access: 'fence.change',
    params: host,
    body: fenceDeviceTestSchema,
    status: 200,
    reply: fenceDeviceTestedSchema,
  },
  updateFenceDevice: {
    method: 'PUT',
    path: '/api/v1/hosts/{id}/fence-devices/{device}',
    tag: 'ha',
    summary: 'Change a fence device; secrets that are left out stay as they are.',
    access: 'fence.change',
    params: fenceDevice,
    body: fenceDeviceUpdateSchema,
    status: 200,
    reply: fenceDeviceSightSchema,
  },
  deleteFenceDevice: {
    method: 'DELETE',
    path: '/api/v1/hosts/{id}/fence-devices/{device}',
    tag: 'ha',
    summary: 'Forget a fence device and its secrets.',
    access: 'fence.change',
    params: fenceDevice,
    status: 204,
  },

  listVms: {
    method: 'GET',
    path: '/api/v1/vms',
    tag: 'vms',
    summary: 'VMs, by name.',
    access: 'vms.read',
    query: pageQuerySchema,
    status: 200,
    reply: pageOf(vmSchema),
  },
  createVm: {
    method: 'POST',
    path: '/api/v1/vms',
    tag: 'vms',
    summary: 'Create a VM, from an image or with an empty disk.',
    access: 'vms.create',
    body: vmCreateSchema,
    status: 202,
    reply: vmCreatedSchema,
  },
  getVm: {
    method: 'GET',
    path: '/api/v1/vms/{id}',
    tag: 'vms',
    summary: 'One VM.',
    access: 'vms.read',
    params: vm,
    status: 200,
    reply: vmSchema,
  },
  updateVm: {
    method: 'PATCH',
    path: '/api/v1/vms/{id}',
    tag: 'vms',
    summary: 'Change a VM; CPUs and memory take effect at its next start.',
    access: 'vms.change',
    params: vm,
    body: vmUpdateSchema,
    status: 200,
    reply: vmSchema,
  },
  deleteVm: {
    method: 'DELETE',
    path: '/api/v1/vms/{id}',
    tag: 'vms',
    summary: 'Delete a VM that is off, with its disks.',
    access: 'vms.delete',
    params: vm,
    status: 202,
    reply: acceptedSchema,
  },
  startVm: vmActionRoute('start', 'Start it on the host that the scheduler chooses.'),
  shutdownVm: vmActionRoute('shutdown', 'Ask the guest to shut down.'),
  stopVm: vmActionRoute('stop', 'Cut its power.'),
  rebootVm: vmActionRoute('reboot', 'Ask the guest to reboot.'),
  migrateVm: {
    ...vmActionRoute('migrate', 'Move it to another host while it runs.'),
    body: vmMigrateSchema,
  },
  getPlacement: {
    method: 'GET',
    path: '/api/v1/vms/{id}/placement',
    tag: 'vms',
    summary: 'What the scheduler thinks of each host for this VM now.',
    access: 'vms.read',
    params: vm,
    status: 200,
    reply: placementSchema,
  },
  createConsoleTicket: {
    method: 'POST',
    path: '/api/v1/vms/{id}/console',
    tag: 'vms',
    summary: 'A ticket that opens the console once within 30 seconds.',
    access: 'vms.console',
    params: vm,
    status: 201,
    reply: consoleTicketSchema,
  },
  getSerialLog: {
    method: 'GET',
    path: '/api/v1/vms/{id}/serial-log',
    tag: 'vms',
    summary: 'The newest bytes of what the VM wrote to its serial console.',
    access: 'vms.console',
    params: vm,
    query: z.object({ bytes: z.coerce.number().int().min(1).max(1_048_576).default(65_536) }),
    status: 200,
    reply: z.string(),
    transport: 'text',
  },

  listJobs: {
    method: 'GET',
    path: '/api/v1/jobs',
    tag: 'jobs',
    summary: 'Jobs, newest first.',
    access: 'jobs.read',
    query: pageQuerySchema.omit({ search: true }).extend({
      /** `active`: those that have not ended */
      state: z.enum(['all', 'active']).default('all'),
    }),
    status: 200,
    reply: pageOf(jobSchema),
  },
  getJob: {
    method: 'GET',
    path: '/api/v1/jobs/{id}',
    tag: 'jobs',
    summary: 'One job with its steps.',
    access: 'jobs.read',
    params: job,
    status: 200,
    reply: jobSchema,
  },
  cancelJob: {
    method: 'POST',
    path: '/api/v1/jobs/{id}/cancel',
    tag: 'jobs',
    summary: 'Cancel a job; what it did is undone.',
    access: 'jobs.cancel',
    params: job,
    status: 202,
    reply: jobSchema,
  },

  listEvents: {
    method: 'GET',
    path: '/api/v1/events',
    tag: 'events',
    summary: 'Events, newest first; or, with Accept: text/event-stream, all changes as they happen.',
    access: 'events.read',
    query: pageQuerySchema,
    status: 200,
    reply: pageOf(eventSchema),
    transport: 'events',
  },

  listVolumes: {
    method: 'GET',
    path: '/api/v1/volumes',
    tag: 'storage',
    summary: 'Volumes with their replication and healing.',
    access: 'storage.read',
    query: pageQuerySchema,
    status: 200,
    reply: pageOf(volumeSchema),
  },
  listImages: {
    method: 'GET',
    path: '/api/v1/images',
    tag: 'storage',
    summary: 'Images that disks can be made from.',
    access: 'storage.read',
    query: pageQuerySchema,
    status: 200,
    reply: pageOf(imageSchema),
  },
  uploadImage: {
    method: 'POST',
    path: '/api/v1/images',
    tag: 'storage',
    summary: 'Upload an image; it is there whole or not at all.',
    access: 'images.change',
    query: imageUploadQuerySchema,
    status: 201,
    reply: imageSchema,
    transport: 'upload',
  },
  deleteImage: {
    method: 'DELETE',
    path: '/api/v1/images/{id}',
    tag: 'storage',
    summary: 'Delete an image; disks made from it stay.',
    access: 'images.change',
    params: image,
    status: 202,
    reply: acceptedSchema,
  },
  listNetworks: {
    method: 'GET',
    path: '/api/v1/networks',
    tag: 'networks',
    summary: 'Networks that VMs can attach to.',
    access: 'networks.read',
    status: 200,
    reply: z.object({ items: z.array(networkSchema) }),
  },
} as const satisfies Record<string, EngineRoute>;

export type EngineRouteName = keyof typeof engineRoutes;

export const openApiPath = '/api/v1/openapi.json';
export const consolePath = '/api/v1/console';
/** With the cookie, each change must carry the session's `csrfToken` in this header. */
export const csrfHeader = 'x-trefoil-csrf';
/** Names of additions to the API after its first version; see GET /api/v1/engine. */
export const apiExtensions: readonly string[] = ['ha', 'fence-devices'];
