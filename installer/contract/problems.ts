import { z } from 'zod';

/** One thing that stands in the way (error) or that the admin should know (warning), before anything is changed. */
export const problemSchema = z.object({
  severity: z.enum(['error', 'warning']),
  /** noun.reason */
  code: z.string(),
  /** where in the answers, e.g. `hosts[1].pairingCode`; or `hosts.host2` for what was seen on a host */
  path: z.string(),
  /** plain sentences */
  reason: z.string(),
  remedy: z.string(),
});
export type Problem = z.infer<typeof problemSchema>;

export const error = (path: string, code: string, reason: string, remedy: string): Problem => ({
  severity: 'error',
  code,
  path,
  reason,
  remedy,
});
export const warning = (path: string, code: string, reason: string, remedy: string): Problem => ({
  severity: 'warning',
  code,
  path,
  reason,
  remedy,
});
export const hasErrors = (problems: readonly Problem[]): boolean =>
  problems.some((problem) => problem.severity === 'error');
