import type { HostId } from '../../node/contract/ids.ts';
import type { VmStatus } from '../../node/contract/vms.ts';
import type { VmRecord } from './model.ts';

/** What one host that answers says of one VM. */
export type Report = { hostId: HostId; hostName: string; status: VmStatus };
/** What each host that is online says; a host that is not online says nothing, and that decides nothing. */
export type Observation = {
  record: VmRecord | undefined;
  reports: readonly Report[];
  /** the assigned host answers now, and has told all it has */
  assignedIsOnline: boolean;
  /** a job is at work on it: hands off */
  busy: boolean;
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
  | { kind: 'flag-twice'; hostNames: string[] };

/** Whether its guest may be writing to its disks. */
export const isActive = ({ status }: { status: VmStatus }): boolean =>
  status.state !== 'off' && status.state !== 'crashed';

/**
 * Compares what is wanted of one VM with what hosts report. It never starts, never moves and never stops a VM: a host
 * that cannot be reached may still run it, and restarting it elsewhere takes a proof that this is over (HA's task).
 */
export function decide({ record, reports, assignedIsOnline, busy }: Observation): Action[] {
  const active = reports.filter(isActive);
  if (record === undefined) return unknown(reports);
  if (busy || record.lifecycle !== 'present') return [];
  const settled = active.filter(({ status }) => !status.state.startsWith('migrating'));
  if (settled.length > 1)
    return [{ kind: 'flag-twice', hostNames: settled.map(({ hostName }) => hostName).sort() }];
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

/** The engine's VM keeps its spec everywhere: formation put it there, and HA will need it. */
const leftovers = (record: VmRecord, reports: readonly Report[], except: HostId | undefined): Action[] =>
  record.isEngine
    ? []
    : reports
        .filter((report) => report.hostId !== except && report.status.state === 'off')
        .map(({ hostId }) => ({ kind: 'forget-on-host', hostId }));
