import { z } from 'zod';
import { generationSchema, hostIdSchema, nameSchema, vmIdSchema } from './ids.ts';
import { vmSpecSchema } from './vms.ts';

/**
 * What HA keeps in etcd, one JSON value a key (node/ha/README.md). Records have no times: clocks of hosts are never
 * compared. `v` is the record's version: who finds a newer one waits for its own update instead of guessing.
 */
const version = z.literal(1).default(1);

/** Of the engine's VM; no other VM may have it. */
export const enginePriority = 1000;

/** Written by the engine: a VM that HA keeps running. The run spec itself is beside it, see `haKeys.spec`. */
export const haVmSchema = z.object({
  v: version,
  id: vmIdSchema,
  name: vmSpecSchema.shape.name,
  generation: generationSchema,
  wanted: z.enum(['running', 'stopped']),
  /** higher first; the engine's VM has 1000, which no other may have */
  priority: z.number().int().min(0).max(1000),
  /** it starts so long after all VMs of a higher priority run; absent: it waits for none */
  startDelaySeconds: z.number().int().min(0).max(3_600).optional(),
  memoryMiB: z.number().int().positive(),
  volumes: z.array(nameSchema),
  /** hosts it may run on; absent: all */
  allowedHosts: z.array(hostIdSchema).optional(),
  /** taken when it may and has room; where a person or the engine's scheduler wants it */
  preferredHost: hostIdSchema.optional(),
});

/** Written by the engine in the same transaction as the VM's record: how its domain is made; holds from the next start. */
export const haSpecSchema = z.object({
  v: version,
  id: vmIdSchema,
  generation: generationSchema,
  spec: vmSpecSchema,
});

/**
 * The one right to run a VM: `host`, in this epoch. Written by the leader alone, save that the host that has it may give
 * it back (`released`) or tell that the guest ended by itself (`ended`). The epoch grows with each new owner.
 */
export const haAssignmentSchema = z.object({
  v: version,
  vm: vmIdSchema,
  host: hostIdSchema,
  epoch: z.number().int().positive(),
  state: z.enum(['given', 'released', 'ended']),
  /** where a live migration takes it; may run it too from the moment this is written */
  movingTo: hostIdSchema.optional(),
  /** of the VM's record when it was given: a VM that ended by itself is given anew when this has grown */
  generation: generationSchema,
  /** hosts that tried and gave it back since it last ran well */
  failedOn: z.array(hostIdSchema).default([]),
  why: z.string(),
});

/** On the host's lease, written by the host: it is there, and what it sees. Gone with the lease. */
export const haReportSchema = z.object({
  v: version,
  host: hostIdSchema,
  /** a new one each time the host or its agent starts */
  instance: z.string(),
  /** hosts that it has not heard on any network for the time in timings.ts */
  silent: z.array(hostIdSchema),
  vms: z.array(
    z.object({ vm: vmIdSchema, epoch: z.number().int(), state: z.enum(['running', 'starting', 'paused']) }),
  ),
  /** false: libvirt does not answer; `vms` is what was known last */
  vmsKnown: z.boolean().default(true),
  freeMemoryMiB: z.number().int(),
  /** takes no more VMs, and gives those that it has away */
  maintenance: z.boolean().default(false),
  /** fences whose rules are in force here, by their ids */
  barred: z.array(z.string()).default([]),
});

/**
 * Stays when the host is gone. Written before the first VM may start, removed before the watchdog is disarmed: while it is
 * there, the machine is certainly reset when its agent falls silent.
 */
export const haWatchdogSchema = z.object({
  v: version,
  host: hostIdSchema,
  instance: z.string(),
  /** after this long unfed it resets the machine */
  timeoutMs: z.number().int().positive(),
});

/**
 * A host is being kept off the storage (`fencing`), may no longer write (`fenced`, by the proof), or may come back
 * (`lifting`: rules are taken away). `id` names this one time.
 */
export const haFenceSchema = z.object({
  v: version,
  id: z.string().min(1),
  host: hostIdSchema,
  phase: z.enum(['fencing', 'fenced', 'lifting']),
  why: z.string(),
  proof: z.string().optional(),
});

export const haProofSchema = z.object({
  v: version,
  fence: z.string().min(1),
  by: hostIdSchema,
  kind: z.enum(['storage', 'power', 'watchdog', 'person']),
  /** who saw what, for people */
  says: z.string(),
});

/** Written by the host that was fenced: it has seen its fence and runs nothing any more. */
export const haReturnSchema = z.object({
  v: version,
  fence: z.string().min(1),
  host: hostIdSchema,
  instance: z.string(),
});

/**
 * One line of the timeline, for people: `at` is the writer's own clock, and nothing is ever decided by it. Each host keeps
 * its newest ones under keys that sort by time.
 */
export const haNoteSchema = z.object({
  v: version,
  at: z.iso.datetime(),
  by: hostIdSchema,
  severity: z.enum(['info', 'warning', 'error']),
  /** id of the host or the VM that it is about */
  about: z.string(),
  text: z.string(),
});

/** Written by the engine: the host takes no VMs, and what was moved away from it may be switched off. */
export const haMaintenanceSchema = z.object({
  v: version,
  host: hostIdSchema,
  /** who, since when by the engine's clock, and why: for people alone */
  by: z.string(),
  since: z.iso.datetime(),
  reason: z.string().default(''),
});

export const longestDisarmMs = 24 * 3_600_000;
/**
 * Written by the engine: lost hosts are not acted upon for so long. No time of day: hosts count `leftMs` down by their
 * monotonic clocks from when they saw this revision, and the leader writes what is left each minute, until it is over.
 */
export const haDisarmedSchema = z.object({
  v: version,
  leftMs: z.number().int().positive().max(longestDisarmMs),
  by: z.string(),
  reason: z.string().default(''),
});

export const haLeaderSchema = z.object({ v: version, host: hostIdSchema, instance: z.string() });

export const haKeys = {
  prefix: '/trefoil/v1/ha/',
  leader: '/trefoil/v1/ha/leader',
  vm: (id: string) => `/trefoil/v1/ha/vms/${id}`,
  spec: (id: string) => `/trefoil/v1/ha/specs/${id}`,
  specs: '/trefoil/v1/ha/specs/',
  /** base64 of 32 random bytes: what agents prove their probes by; the first agent makes it */
  probeKey: '/trefoil/v1/ha/probe-key',
  assignment: (vm: string) => `/trefoil/v1/ha/assignments/${vm}`,
  report: (host: string) => `/trefoil/v1/ha/reports/${host}`,
  watchdog: (host: string) => `/trefoil/v1/ha/watchdogs/${host}`,
  fence: (host: string) => `/trefoil/v1/ha/fences/${host}`,
  proof: (fence: string, by: string, kind: string) => `/trefoil/v1/ha/proofs/${fence}/${by}-${kind}`,
  /** `number` counts the host's notes within one start of its agent */
  note: (at: string, host: string, number: number) => `/trefoil/v1/ha/timeline/${at}-${host}-${number}`,
  timeline: '/trefoil/v1/ha/timeline/',
  maintenance: (host: string) => `/trefoil/v1/ha/maintenance/${host}`,
  disarmed: '/trefoil/v1/ha/disarmed',
  returned: (host: string) => `/trefoil/v1/ha/returns/${host}`,
} as const;

export type HaVm = z.infer<typeof haVmSchema>;
export type HaSpec = z.infer<typeof haSpecSchema>;
export type HaNote = z.infer<typeof haNoteSchema>;
export type HaAssignment = z.infer<typeof haAssignmentSchema>;
export type HaReport = z.infer<typeof haReportSchema>;
export type HaWatchdog = z.infer<typeof haWatchdogSchema>;
export type HaFence = z.infer<typeof haFenceSchema>;
export type HaProof = z.infer<typeof haProofSchema>;
export type HaReturn = z.infer<typeof haReturnSchema>;
export type HaMaintenance = z.infer<typeof haMaintenanceSchema>;
export type HaDisarmed = z.infer<typeof haDisarmedSchema>;
export type HaLeader = z.infer<typeof haLeaderSchema>;
