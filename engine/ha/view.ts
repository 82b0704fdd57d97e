import type { z } from 'zod';
import {
  type FenceDevice,
  type FenceHealth,
  fenceDeviceSchema,
  fenceHealthSchema,
  fenceKeys,
} from '../../node/contract/fence.ts';
import {
  type HaAssignment,
  type HaDisarmed,
  type HaFence,
  type HaLeader,
  type HaMaintenance,
  type HaNote,
  type HaProof,
  type HaReport,
  type HaSpec,
  type HaVm,
  type HaWatchdog,
  haAssignmentSchema,
  haDisarmedSchema,
  haFenceSchema,
  haKeys,
  haLeaderSchema,
  haMaintenanceSchema,
  haNoteSchema,
  haProofSchema,
  haReportSchema,
  haReturnSchema,
  haSpecSchema,
  haVmSchema,
  haWatchdogSchema,
} from '../../node/contract/ha.ts';
import type { HostId, VmId } from '../../node/contract/ids.ts';
import { remedyOf } from './unreadable.ts';

export type Kept<T> = { value: T; revision: number };

/** What the records of HA say, as the engine reads them. */
export type HaView = {
  leader: HaLeader | undefined;
  vms: ReadonlyMap<VmId, Kept<HaVm>>;
  specs: ReadonlyMap<VmId, Kept<HaSpec>>;
  assignments: ReadonlyMap<VmId, Kept<HaAssignment>>;
  reports: ReadonlyMap<HostId, HaReport>;
  watchdogs: ReadonlyMap<HostId, HaWatchdog>;
  fences: ReadonlyMap<HostId, Kept<HaFence>>;
  proofs: readonly HaProof[];
  maintenance: ReadonlyMap<HostId, HaMaintenance>;
  disarmed: HaDisarmed | undefined;
  /** hosts that a fence device can switch off */
  devices: ReadonlySet<HostId>;
  fenceDevices: ReadonlyMap<string, Kept<FenceDevice>>;
  /** by device: what it answered last */
  fenceHealth: ReadonlyMap<string, FenceHealth>;
  /** oldest first, with their keys */
  notes: ReadonlyArray<{ key: string; note: HaNote }>;
  unreadable: ReadonlyArray<{ key: string; reason: string; remedy: string }>;
};

/** What one key holds; parsed once, when it came. */
export type HaRecord =
  | { kind: 'leader'; value: HaLeader }
  | { kind: 'vm'; value: HaVm }
  | { kind: 'spec'; value: HaSpec }
  | { kind: 'assignment'; value: HaAssignment }
  | { kind: 'report'; value: HaReport }
  | { kind: 'watchdog'; value: HaWatchdog }
  | { kind: 'fence'; value: HaFence }
  | { kind: 'proof'; value: HaProof }
  | { kind: 'returned'; value: z.infer<typeof haReturnSchema> }
  | { kind: 'maintenance'; value: HaMaintenance }
  | { kind: 'disarmed'; value: HaDisarmed }
  | { kind: 'note'; value: HaNote }
  | { kind: 'device'; value: FenceDevice }
  | { kind: 'device-health'; value: FenceHealth }
  | { kind: 'unreadable'; reason: string; isNewer?: true };

const kinds = {
  leader: ['leader', haLeaderSchema, () => haKeys.leader],
  vms: ['vm', haVmSchema, ({ id }: HaVm) => haKeys.vm(id)],
  specs: ['spec', haSpecSchema, ({ id }: HaSpec) => haKeys.spec(id)],
  assignments: ['assignment', haAssignmentSchema, ({ vm }: HaAssignment) => haKeys.assignment(vm)],
  reports: ['report', haReportSchema, ({ host }: HaReport) => haKeys.report(host)],
  watchdogs: ['watchdog', haWatchdogSchema, ({ host }: HaWatchdog) => haKeys.watchdog(host)],
  fences: ['fence', haFenceSchema, ({ host }: HaFence) => haKeys.fence(host)],
  proofs: ['proof', haProofSchema, ({ fence, by, kind }: HaProof) => haKeys.proof(fence, by, kind)],
  returns: ['returned', haReturnSchema, undefined],
  maintenance: ['maintenance', haMaintenanceSchema, ({ host }: HaMaintenance) => haKeys.maintenance(host)],
  disarmed: ['disarmed', haDisarmedSchema, () => haKeys.disarmed],
  timeline: ['note', haNoteSchema, undefined],
  'fence-devices': ['device', fenceDeviceSchema, ({ id }: FenceDevice) => fenceKeys.device(id)],
  'fence-health': ['device-health', fenceHealthSchema, ({ device }: FenceHealth) => fenceKeys.health(device)],
} as const;

/** Undefined: a key of another kind, of a newer program perhaps. What does not fit is named and left out. */
export function readRecord(key: string, text: string): HaRecord | undefined {
  const folder = key.slice(haKeys.prefix.length).split('/')[0] ?? '';
  const entry = kinds[folder as keyof typeof kinds];
  if (entry === undefined) return undefined;
  const [kind, schema, keyOf] = entry;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { kind: 'unreadable', reason: 'It is no JSON.' };
  }
  if (typeof json === 'object' && json !== null && 'v' in json && typeof json.v === 'number' && json.v > 1)
    return {
      kind: 'unreadable',
      reason: `It is of a newer version (${json.v}); this engine knows 1.`,
      isNewer: true,
    };
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return {
      kind: 'unreadable',
      reason: `${issue?.path.join('.') || 'the value'}: ${issue?.message ?? 'invalid'}.`,
    };
  }
  // The schema of a kind makes the value of that kind; the table above is where the two meet.
  const record = { kind, value: parsed.data } as HaRecord;
  const own = (keyOf as ((value: unknown) => string) | undefined)?.(parsed.data);
  if (own !== undefined && own !== key) return { kind: 'unreadable', reason: `It speaks of ${own}.` };
  return record;
}

export function makeView(records: Iterable<[string, Kept<HaRecord>]>): HaView {
  const vms = new Map<VmId, Kept<HaVm>>();
  const specs = new Map<VmId, Kept<HaSpec>>();
  const assignments = new Map<VmId, Kept<HaAssignment>>();
  const reports = new Map<HostId, HaReport>();
  const watchdogs = new Map<HostId, HaWatchdog>();
  const fences = new Map<HostId, Kept<HaFence>>();
  const proofs: HaProof[] = [];
  const maintenance = new Map<HostId, HaMaintenance>();
  let disarmed: HaDisarmed | undefined;
  const devices = new Set<HostId>();
  const fenceDevices = new Map<string, Kept<FenceDevice>>();
  const fenceHealth = new Map<string, FenceHealth>();
  const notes: Array<{ key: string; note: HaNote }> = [];
  const unreadable: Array<{ key: string; reason: string; remedy: string }> = [];
  let leader: HaLeader | undefined;
  for (const [key, { value: record, revision }] of records) {
    switch (record.kind) {
      case 'leader':
        leader = record.value;
        break;
      case 'vm':
        vms.set(record.value.id, { value: record.value, revision });
        break;
      case 'spec':
        specs.set(record.value.id, { value: record.value, revision });
        break;
      case 'assignment':
        assignments.set(record.value.vm, { value: record.value, revision });
        break;
      case 'report':
        reports.set(record.value.host, record.value);
        break;
      case 'watchdog':
        watchdogs.set(record.value.host, record.value);
        break;
      case 'fence':
        fences.set(record.value.host, { value: record.value, revision });
        break;
      case 'proof':
        proofs.push(record.value);
        break;
      case 'maintenance':
        maintenance.set(record.value.host, record.value);
        break;
      case 'disarmed':
        disarmed = record.value;
        break;
      case 'device':
        devices.add(record.value.host);
        fenceDevices.set(record.value.id, { value: record.value, revision });
        break;
      case 'device-health':
        fenceHealth.set(record.value.device, record.value);
        break;
      case 'note':
        notes.push({ key, note: record.value });
        break;
      case 'unreadable':
        unreadable.push({
          key,
          reason: record.reason,
          remedy: remedyOf(key, record.isNewer === true),
        });
        break;
      case 'returned':
        break;
    }
  }
  notes.sort((a, b) => (a.key < b.key ? -1 : 1));
  unreadable.sort((a, b) => (a.key < b.key ? -1 : 1));
  return {
    leader,
    vms,
    specs,
    assignments,
    reports,
    watchdogs,
    fences,
    proofs,
    devices,
    fenceDevices,
    fenceHealth,
    maintenance,
    disarmed,
    notes,
    unreadable,
  };
}

/** Its agents are there, or have been: a cluster that was formed before there was HA has none of its records. */
export const isThere = (view: HaView): boolean =>
  view.leader !== undefined || view.reports.size > 0 || view.vms.size > 0;
