import type { HostId, VmId } from '../../node/contract/ids.ts';
import type { NewEvent } from '../events/store.ts';
import type { Hosts } from '../hosts/hosts.ts';
import type { Changes } from '../live/changes.ts';
import type { Log } from '../log/log.ts';
import type { Candidate } from '../scheduler/decide.ts';
import type { Catalog } from './catalog.ts';
import type { VmHa } from './ha.ts';

/** What VMs' jobs and their reconcile loop need of the world. */
export type VmsEnv = {
  catalog: Catalog;
  hosts: Hosts;
  changes: Changes;
  log: Log;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  candidates(): Candidate[];
  record(event: NewEvent): Promise<void>;
  /** resolves when the reconcile loop is not at work on this VM; while a job is, it does not begin */
  quiet(id: VmId): Promise<void>;
  ha: VmHa;
};

export const vmKey = (id: VmId): string => `vm:${id}`;
export const hostKey = (id: HostId): string => `host:${id}`;
