import { z } from 'zod';
import type { UnitStatus } from '../contract/units.ts';

export const unitPropertiesSchema = z.object({
  Id: z.string(),
  LoadState: z.string(),
  ActiveState: z.string(),
  SubState: z.string(),
  UnitFileState: z.string().default(''),
  NeedDaemonReload: z.boolean().default(false),
});
/** Of services, mounts and so on; units without a result (targets) have none. */
export const typePropertiesSchema = z.object({
  Result: z.string().optional(),
  MainPID: z.number().optional(),
  ExecMainStatus: z.number().optional(),
});

export type UnitDetails = UnitStatus & {
  /** `not-found`: there is no such unit */
  loadState: string;
  /** `enabled`, `disabled`, `masked`, ...; '' when it has no file */
  fileState: string;
  needsReload: boolean;
  mainPid: number | undefined;
  exitStatus: number | undefined;
};

/** `skipped`: a condition of the unit said no, which is no failure for systemd; the caller sees it in the state. */
export const goodJobResults: ReadonlySet<string> = new Set(['done', 'skipped']);

/** What systemd means by a job's result, in a sentence that goes on after "could not be started: ". */
export const jobResultWords: Readonly<Record<string, string>> = {
  canceled: 'another request came in between',
  timeout: 'it did not get ready in time',
  failed: 'it failed',
  dependency: 'a unit that it needs failed',
  invalid: 'this cannot be done with this kind of unit',
  assert: 'a requirement of the unit is not met',
  unsupported: 'this host does not support this kind of unit',
  collected: 'systemd forgot the unit meanwhile',
  once: 'it may run only once',
  gone: 'it did not reach that state',
};
