import { z } from 'zod';
import {
  diskIdSchema,
  hostIdSchema,
  imageIdSchema,
  nameSchema,
  vmIdSchema,
} from '../../node/contract/ids.ts';
import { acceptedSchema, timestampSchema } from './common.ts';
import { haPolicySchema, haPrioritySchema } from './ha.ts';

/**
 *   creating -> off -> starting -> running -> stopping -> off -> deleting -> (gone)
 *                                  running -> migrating -> running
 *   paused, crashed, unknown: as the host reports them (unknown: its host is unreachable)
 */
export const vmStateSchema = z.enum([
  'creating',
  'off',
  'starting',
  'running',
  'stopping',
  'migrating',
  'paused',
  'crashed',
  'unknown',
  'deleting',
]);
export const vmActionSchema = z.enum([
  'start',
  'shutdown',
  'stop',
  'reboot',
  'migrate',
  'delete',
  'console',
  'edit',
]);
export type VmState = z.infer<typeof vmStateSchema>;
export type VmAction = z.infer<typeof vmActionSchema>;

/** Which action is allowed in which state: guards in the engine, disabled buttons and their reasons in the UI. */
export const vmActionsByState = {
  creating: [],
  off: ['start', 'delete', 'edit'],
  starting: ['stop', 'console'],
  running: ['shutdown', 'stop', 'reboot', 'migrate', 'console', 'edit'],
  stopping: ['stop', 'console'],
  migrating: ['console'],
  paused: ['stop', 'console'],
  crashed: ['start', 'stop', 'delete'],
  unknown: [],
  deleting: [],
} as const satisfies Record<VmState, readonly VmAction[]>;

export const statesAllowing = (action: VmAction): VmState[] =>
  vmStateSchema.options.filter((state) => (vmActionsByState[state] as readonly VmAction[]).includes(action));

export const vmDiskSchema = z.object({
  id: diskIdSchema,
  name: z.string(),
  volume: nameSchema,
  sizeMiB: z.number().int(),
  format: z.enum(['raw', 'qcow2']),
});
export const vmNicSchema = z.object({ network: nameSchema, mac: z.string(), addresses: z.array(z.string()) });

export const vmNameSchema = z
  .string()
  .min(1, 'give it a name')
  .max(63)
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/,
    'letters, digits, dots, hyphens; starting and ending with a letter or digit',
  );

export const vmSchema = z
  .object({
    id: vmIdSchema,
    name: vmNameSchema,
    description: z.string(),
    state: vmStateSchema,
    /** why, a plain sentence; empty when there is nothing to say */
    reason: z.string(),
    cpus: z.number().int(),
    memoryMiB: z.number().int(),
    disks: z.array(vmDiskSchema),
    nics: z.array(vmNicSchema),
    image: z.object({ id: imageIdSchema, name: z.string() }).optional(),
    host: z.object({ id: hostIdSchema, name: nameSchema }).optional(),
    /** the engine's own VM: shown, never changed from here */
    isEngine: z.boolean(),
    ha: haPolicySchema,
    cpuBusyPercent: z.number().optional(),
    memoryUsedMiB: z.number().optional(),
    createdAt: timestampSchema,
    startedAt: timestampSchema.optional(),
    /** the job that is at work on it */
    jobId: z.uuid().optional(),
  })
  .meta({ id: 'Vm' });

export const vmCreateSchema = z.strictObject({
  name: vmNameSchema,
  description: z.string().max(1000).default(''),
  cpus: z.number().int().min(1).max(128).default(1),
  memoryMiB: z.number().int().min(64).max(4_194_304).default(1024),
  imageId: imageIdSchema.optional(),
  /** of the first disk; at least the image's size */
  diskMiB: z.number().int().min(1).max(67_108_864),
  volume: nameSchema.default('data'),
  network: nameSchema.default('mgmt'),
  cloudInit: z
    .strictObject({
      hostName: nameSchema.optional(),
      userData: z.string().max(65_536).optional(),
      networkConfig: z.string().max(16_384).optional(),
    })
    .optional(),
  /** absent: HA is on when the disk is stored on enough hosts */
  ha: z
    .strictObject({ enabled: z.boolean().optional(), priority: haPrioritySchema.default('normal') })
    .optional(),
  start: z.boolean().default(true),
});
/** POST /api/v1/vms: the VM's id is known at once, its record is there in state `creating` */
export const vmCreatedSchema = acceptedSchema.extend({ id: vmIdSchema });
export const vmUpdateSchema = z.strictObject({
  name: vmNameSchema.optional(),
  description: z.string().max(1000).optional(),
  /** takes effect at the next start */
  cpus: z.number().int().min(1).max(128).optional(),
  memoryMiB: z.number().int().min(64).max(4_194_304).optional(),
  /** turned on or off only while it is off */
  ha: z.strictObject({ enabled: z.boolean().optional(), priority: haPrioritySchema.optional() }).optional(),
});
/** POST /api/v1/vms/{id}/actions/migrate; no host: the scheduler chooses */
export const vmMigrateSchema = z.strictObject({ hostId: hostIdSchema.optional() });

/** GET /api/v1/vms/{id}/placement: what the scheduler thinks of each host for this VM now */
export const placementSchema = z.object({
  hosts: z.array(
    z.object({
      id: hostIdSchema,
      name: nameSchema,
      fits: z.boolean(),
      score: z.number(),
      reasons: z.array(z.string()),
    }),
  ),
});

/** POST /api/v1/vms/{id}/console: a ticket that works once, within 30 s: WebSocket /api/v1/console?ticket=... (binary, VNC) */
export const consoleTicketSchema = z.object({
  ticket: z.string(),
  path: z.string(),
  expiresAt: timestampSchema,
});
/** GET /api/v1/vms/{id}/serial-log?bytes= : text/plain, the newest bytes of the serial console */

export type Vm = z.infer<typeof vmSchema>;
export type VmCreate = z.infer<typeof vmCreateSchema>;
export type VmUpdate = z.infer<typeof vmUpdateSchema>;
export type Placement = z.infer<typeof placementSchema>;
export type ConsoleTicket = z.infer<typeof consoleTicketSchema>;
