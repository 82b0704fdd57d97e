import type { HaAssignment } from '../../node/contract/ha.ts';
import type { HostId } from '../../node/contract/ids.ts';
import type { VmStatus } from '../../node/contract/vms.ts';
import type { VmRecord } from './model.ts';

/** What one host that answers says of one VM. */
export type Report = { hostId: HostId; hostName: string; status: VmStatus };
/** What HA has of a VM; absent when HA has nothing to do with it. */
export type HaSight = {
  /** false: the store does not answer; nothing is decided by what it said last */
  current: boolean;
  wanted: 'running' | 'stopped' | undefined;
  assignment: HaAssignment | undefined;
  /** of the host that has it */
  hostName: string;
  /** its records say what it is made of */
  isDescribed: boolean;
  /** hosts that are kept off the storage: what runs there writes nothing */
  fenced: ReadonlySet<HostId>;
};

/** What each host that is online says; a host that is not online says nothing, and that decides nothing. */
export type Observation = {
  record: VmRecord | undefined;
  reports: readonly Report[];
  /** the assigned host answers now, and has told all it has */
  assignedIsOnline: boolean;
  /** a job is at work on it: hands off */
  busy: boolean;
  ha?: HaSight | undefined;
};

export type Action =
  /** it runs on this host although that was not recorded: record it */
  | { kind: 'adopt'; hostId: HostId; why: string }
  /** the assigned host says that it has ended, or no longer knows it */
  | { kind: 'note-stopped'; why: string }
  /** a host keeps the spec of a VM that is off, or that runs elsewhere */
  | { kind: 'forget-on-host'; hostId: HostId }
  /** the engine's own VM is seen for the first time */
  | { kind: 'record-engine'; hostId: HostId; status: VmStatus }
  | { kind: 'flag-unknown'; hostId: HostId; hostName: string; name: string }
  | { kind: 'flag-twice'; hostNames: string[] }
  /** HA has it on this host */
  | { kind: 'follow-ha'; hostId: HostId; hostName: string; why: string }
  /** its guest has ended it: HA is told that it stays off */
  | { kind: 'want-stopped' }
  /** its records of HA are brought in line with what it is made of */
  | { kind: 'describe' }
  /** HA need not know it any more */
  | { kind: 'forget-in-ha' };

/** Whether its guest may be writing to its disks. */
export const isActive = ({ status }: { status: VmStatus }): boolean =>
  status.state !== 'off' && status.state !== 'crashed';

/**
 * Compares what is wanted of one VM with what hosts report. It never starts, never moves and never stops a VM: a host
 * that cannot be reached may still run it, and restarting it elsewhere takes a proof that this is over (HA's task).
 */
export function decide({ record, reports, assignedIsOnline, busy, ha }: Observation): Action[] {
  const active = reports.filter((report) => isActive(report) && ha?.fenced.has(report.hostId) !== true);
  if (record === undefined) return unknown(reports);
  if (busy || record.lifecycle !== 'present') return [];
  const settled = active.filter(({ status }) => !status.state.startsWith('migrating'));
  if (settled.length > 1)
    return [{ kind: 'flag-twice', hostNames: settled.map(({ hostName }) => hostName).sort() }];
  if (ha !== undefined && isUnderHa(record, ha)) return underHa(record, ha, reports);
  return [
    ...(ha?.current === true && ha.wanted !== undefined ? [forgetInHa] : []),
    ...plain(record, reports, active, settled, assignedIsOnline),
  ];
}

const forgetInHa: Action = { kind: 'forget-in-ha' };

/** Of one for which HA was turned off its records may be left; they say nothing about it. */
const isUnderHa = (record: VmRecord, ha: HaSight): boolean =>
  record.haEnabled || record.isEngine || ha.wanted === 'running' || ha.assignment !== undefined;

function plain(
  record: VmRecord,
  reports: readonly Report[],
  active: readonly Report[],
  settled: readonly Report[],
  assignedIsOnline: boolean,
): Action[] {
  // While it moves, both ends report it; the one that has it afterwards decides.
  if (active.length > settled.length) return [];
  const [running] = settled;
  if (running !== undefined) return runsOn(record, running, reports);
  return runsNowhere(record, reports, assignedIsOnline);
}

function unknown(reports: readonly Report[]): Action[] {
  return reports.flatMap((report): Action[] => {
    const { hostId, hostName, status } = report;
    if (status.role === 'engine') return isActive(report) ? [{ kind: 'record-engine', hostId, status }] : [];
    return [{ kind: 'flag-unknown', hostId, hostName, name: status.name }];
  });
}

function runsOn(record: VmRecord, running: Report, reports: readonly Report[]): Action[] {
  const actions: Action[] = [];
  if (record.power !== 'running' || record.hostId !== running.hostId)
    actions.push({
      kind: 'adopt',
      hostId: running.hostId,
      why:
        record.power === 'running'
          ? `it runs on ${running.hostName} now`
          : `${running.hostName} reports it running`,
    });
  return [...actions, ...leftovers(record, reports, running.hostId)];
}

function runsNowhere(record: VmRecord, reports: readonly Report[], assignedIsOnline: boolean): Action[] {
  if (record.power === 'off' || record.hostId === null) return leftovers(record, reports, undefined);
  if (!assignedIsOnline) return [];
  const own = reports.find(({ hostId }) => hostId === record.hostId);
  // A crash is kept to be looked at, until somebody starts, stops or deletes it.
  if (own?.status.state === 'crashed') return [];
  const why = own === undefined ? 'its host no longer knows it' : own.status.reason;
  return [{ kind: 'note-stopped', why }];
}

/**
 * Where HA decides, its assignment is the truth: that a host does not report it, or is not there, changes nothing. Taken
 * down in this order: HA is told, then it is recorded; a crash in between is taken up here.
 */
function underHa(record: VmRecord, ha: HaSight, reports: readonly Report[]): Action[] {
  if (!ha.current) return [];
  const { assignment, wanted } = ha;
  if (wanted !== 'running') {
    // Somebody may still run it: its host is about to end it.
    if (assignment !== undefined || record.isEngine) return [];
    if (record.power === 'running')
      return [{ kind: 'note-stopped', why: record.note || 'HA has stopped it.' }];
    return leftovers(record, reports, undefined);
  }
  if (assignment?.state === 'ended') return record.isEngine ? [] : [{ kind: 'want-stopped' }];
  const actions: Action[] = [];
  const isKnown = record.power === 'running' && (record.haEnabled || record.isEngine);
  if (assignment !== undefined && (!isKnown || record.hostId !== assignment.host))
    actions.push({
      kind: 'follow-ha',
      hostId: assignment.host,
      hostName: ha.hostName,
      why: assignment.why,
    });
  if (!ha.isDescribed && !record.isEngine) actions.push({ kind: 'describe' });
  // Where it is, and where it is on its way to, a spec that is off may be about to start.
  const { host, movingTo } = assignment ?? {};
  return [...actions, ...leftovers(record, reports, host).filter((action) => action.hostId !== movingTo)];
}

/** The engine's VM keeps its spec everywhere: formation put it there, and HA will need it. */
const leftovers = (
  record: VmRecord,
  reports: readonly Report[],
  except: HostId | undefined,
): Extract<Action, { kind: 'forget-on-host' }>[] =>
  record.isEngine
    ? []
    : reports
        .filter((report) => report.hostId !== except && report.status.state === 'off')
        .map(({ hostId }) => ({ kind: 'forget-on-host', hostId }));
