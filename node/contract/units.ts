import { z } from 'zod';

export const unitStatusSchema = z.object({
  name: z.string(),
  activeState: z.string(),
  subState: z.string(),
  result: z.string().optional(),
});

/** POST /v1/power on a host */
export const hostPowerSchema = z.object({ action: z.enum(['power-off', 'reboot']) });

export const timeStatusSchema = z.object({
  synchronized: z.boolean(),
  /** positive: this host's clock is ahead of its source; absent when there is none */
  offsetMs: z.number().optional(),
  sources: z.array(z.string()),
});

/** PUT /v1/time: servers from the admin, else the cluster's hosts keep each other together */
export const timePutSchema = z.object({
  servers: z.array(z.string()).max(8),
  peers: z.array(z.string()).max(12),
});

export type UnitStatus = z.infer<typeof unitStatusSchema>;
export type TimeStatus = z.infer<typeof timeStatusSchema>;
export type TimePut = z.infer<typeof timePutSchema>;
