import { z } from 'zod';
import { longestDisarmMs } from '../../node/contract/ha.ts';
import { hostIdSchema, nameSchema, vmIdSchema } from '../../node/contract/ids.ts';
import { timestampSchema } from './common.ts';
import { fenceDeviceSightSchema } from './fence.ts';

/** Of a VM: whether HA keeps it running, and which VMs come first when not all find room. */
export const haPrioritySchema = z.enum(['low', 'normal', 'high']);
export const haPolicySchema = z.object({ enabled: z.boolean(), priority: haPrioritySchema });

/**
 *   online -> suspect -> fencing -> fenced -> returning -> online
 *   maintenance: takes no VMs; unknown: the engine does not know what HA knows
 */
export const haHostStateSchema = z.enum([
  'online',
  'suspect',
  'fencing',
  'fenced',
  'returning',
  'maintenance',
  'unknown',
]);

export const haHostSchema = z.object({
  id: hostIdSchema,
  name: nameSchema,
  state: haHostStateSchema,
  /** why, a plain sentence */
  why: z.string(),
  leads: z.boolean(),
  /** what could prove that it writes nothing any more, should it be lost; a person always can */
  proofs: z.object({ storage: z.boolean(), device: z.boolean(), watchdog: z.boolean() }),
  /** the same in plain sentences, with what it costs that one is missing */
  proofsSay: z.string(),
  fenceDevices: z.array(fenceDeviceSightSchema),
  /** it is waited for a proof, and a person may give it: POST /api/v1/ha/hosts/{id}/confirm-off */
  canConfirmOff: z.boolean(),
});

export const haVmSightSchema = z.object({
  id: vmIdSchema,
  name: z.string(),
  wanted: z.enum(['running', 'stopped']),
  /** higher first; the engine's own VM has 1000 */
  priority: z.number().int(),
  /** who alone may run it now; absent: nobody */
  host: z.object({ id: hostIdSchema, name: nameSchema }).optional(),
  movingTo: z.object({ id: hostIdSchema, name: nameSchema }).optional(),
  /** grows each time it is given to a host */
  epoch: z.number().int().optional(),
  state: z.enum(['given', 'released', 'ended', 'waiting']),
  why: z.string(),
});

export const haAdmissionSchema = z.object({
  answer: z.enum(['yes', 'no', 'unknown']),
  /** one sentence: whether any one host may be lost, or which VMs would stay down */
  why: z.string(),
  /** per host whose loss would leave VMs down */
  stayDown: z.array(z.object({ host: nameSchema, vms: z.array(z.string()) })),
});

/** GET /api/v1/ha */
export const haStateSchema = z
  .object({
    /** agents are there and one of them leads: lost hosts are acted upon */
    armed: z.boolean(),
    why: z.string(),
    /** for planned work: lost hosts are not acted upon for so many minutes; then it is armed by itself */
    disarmed: z.object({ minutesLeft: z.number().int(), by: z.string(), reason: z.string() }).optional(),
    /** false: the store does not answer, and what is here may be old */
    current: z.boolean(),
    leader: z.object({ id: hostIdSchema, name: nameSchema }).optional(),
    hosts: z.array(haHostSchema),
    vms: z.array(haVmSightSchema),
    admission: haAdmissionSchema,
    /** records that could not be read, by their keys; what they speak of is left as it is */
    unreadable: z.array(z.object({ key: z.string(), reason: z.string(), remedy: z.string() })),
  })
  .meta({ id: 'Ha' });

/** GET /api/v1/ha/timeline: what HA decided and saw, newest first */
export const haNoteSightSchema = z
  .object({
    /** by the clock of the host that tells it */
    at: timestampSchema,
    by: z.object({ id: hostIdSchema, name: z.string() }),
    severity: z.enum(['info', 'warning', 'error']),
    about: z.object({ kind: z.enum(['host', 'vm', 'other']), id: z.string(), name: z.string() }),
    text: z.string(),
  })
  .meta({ id: 'HaNote' });

/** POST /api/v1/ha/hosts/{id}/confirm-off: the host's name, typed, so that nobody confirms the wrong one */
export const haConfirmOffSchema = z.strictObject({ name: z.string().max(63) });

export const longestDisarmMinutes = longestDisarmMs / 60_000;

/** POST /api/v1/ha/disarm: for how long, a day at most */
export const haDisarmSchema = z.strictObject({
  minutes: z.number().int().min(1, 'a minute at least').max(longestDisarmMinutes, 'a day at most'),
  reason: z.string().max(200).default(''),
});

export type HaPriority = z.infer<typeof haPrioritySchema>;
export type HaPolicy = z.infer<typeof haPolicySchema>;
export type HaHostState = z.infer<typeof haHostStateSchema>;
export type HaHostSight = z.infer<typeof haHostSchema>;
export type HaVmSight = z.infer<typeof haVmSightSchema>;
export type HaAdmission = z.infer<typeof haAdmissionSchema>;
export type HaState = z.infer<typeof haStateSchema>;
export type HaNoteSight = z.infer<typeof haNoteSightSchema>;
