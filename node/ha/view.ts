import {
  type HaAssignment,
  type HaDisarmed,
  type HaFence,
  type HaLeader,
  type HaMaintenance,
  type HaProof,
  type HaReport,
  type HaReturn,
  type HaVm,
  type HaWatchdog,
  haAssignmentSchema,
  haDisarmedSchema,
  haFenceSchema,
  haKeys,
  haLeaderSchema,
  haMaintenanceSchema,
  haProofSchema,
  haReportSchema,
  haReturnSchema,
  haVmSchema,
  haWatchdogSchema,
} from '../contract/ha.ts';
import type { HostId, VmId } from '../contract/ids.ts';
import type { Kept, Member, View, Volume } from './model.ts';

/** A record of the store, parsed when it came. */
export type HaRecord =
  | { kind: 'leader'; value: HaLeader }
  | { kind: 'vm'; value: HaVm }
  | { kind: 'assignment'; value: HaAssignment }
  | { kind: 'report'; value: HaReport }
  | { kind: 'watchdog'; value: HaWatchdog }
  | { kind: 'fence'; value: HaFence }
  | { kind: 'proof'; value: HaProof }
  | { kind: 'returned'; value: HaReturn }
  | { kind: 'maintenance'; value: HaMaintenance }
  | { kind: 'disarmed'; value: HaDisarmed };

export type Unreadable = { kind: 'corrupt'; reason: string };

const kinds = {
  vms: ['vm', haVmSchema],
  assignments: ['assignment', haAssignmentSchema],
  reports: ['report', haReportSchema],
  watchdogs: ['watchdog', haWatchdogSchema],
  fences: ['fence', haFenceSchema],
  proofs: ['proof', haProofSchema],
  returns: ['returned', haReturnSchema],
  leader: ['leader', haLeaderSchema],
  maintenance: ['maintenance', haMaintenanceSchema],
  disarmed: ['disarmed', haDisarmedSchema],
} as const;

/** Undefined: a key of another kind. Throws nothing: a value that does not fit is told by its reason. */
export function readRecord(key: string, json: unknown): HaRecord | Unreadable | undefined {
  const [folder = ''] = key.slice(haKeys.prefix.length).split('/');
  const entry = kinds[folder as keyof typeof kinds];
  if (entry === undefined) return undefined;
  const [kind, schema] = entry;
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return {
      kind: 'corrupt',
      reason: `${issue?.path.join('.') || 'the value'}: ${issue?.message ?? 'invalid'}`,
    };
  }
  // The schema of a kind makes the value of that kind; the table above is where the two meet.
  return { kind, value: parsed.data } as HaRecord;
}

export type Layout = { members: readonly Member[]; volumes: readonly Volume[] };

/** The records as `decide` reads them. Each is under the key that its own value names, or it is left out. */
export function makeView(layout: Layout, records: Iterable<[string, Kept<HaRecord | Unreadable>]>): View {
  const vms = new Map<VmId, HaVm>();
  const assignments = new Map<VmId, Kept<HaAssignment>>();
  const reports = new Map<HostId, Kept<HaReport>>();
  const watchdogs = new Map<HostId, Kept<HaWatchdog>>();
  const fences = new Map<HostId, Kept<HaFence>>();
  const proofs = new Map<string, HaProof[]>();
  const returns = new Map<HostId, HaReturn>();
  const maintenance = new Set<HostId>();
  const unreadable = new Set<string>();
  let disarmed: Kept<HaDisarmed> | undefined;
  let leader: Kept<HaLeader> | undefined;
  for (const [key, { value: record, revision }] of records) {
    switch (record.kind) {
      case 'corrupt':
        unreadable.add(key);
        break;
      case 'leader':
        leader = { value: record.value, revision };
        break;
      case 'vm':
        if (key === haKeys.vm(record.value.id)) vms.set(record.value.id, record.value);
        break;
      case 'assignment':
        if (key === haKeys.assignment(record.value.vm))
          assignments.set(record.value.vm, { value: record.value, revision });
        break;
      case 'report':
        if (key === haKeys.report(record.value.host))
          reports.set(record.value.host, { value: record.value, revision });
        break;
      case 'watchdog':
        if (key === haKeys.watchdog(record.value.host))
          watchdogs.set(record.value.host, { value: record.value, revision });
        break;
      case 'fence':
        if (key === haKeys.fence(record.value.host))
          fences.set(record.value.host, { value: record.value, revision });
        break;
      case 'proof':
        if (key === haKeys.proof(record.value.fence, record.value.by, record.value.kind))
          proofs.set(record.value.fence, [...(proofs.get(record.value.fence) ?? []), record.value]);
        break;
      case 'returned':
        if (key === haKeys.returned(record.value.host)) returns.set(record.value.host, record.value);
        break;
      case 'maintenance':
        if (key === haKeys.maintenance(record.value.host)) maintenance.add(record.value.host);
        break;
      case 'disarmed':
        disarmed = { value: record.value, revision };
        break;
    }
  }
  return {
    ...layout,
    leader,
    vms,
    assignments,
    reports,
    watchdogs,
    fences,
    proofs,
    returns,
    maintenance,
    disarmed,
    unreadable,
  };
}
