import { haKeys } from '../../node/contract/ha.ts';
import { type HostId, hostIdSchema, type VmId, vmIdSchema } from '../../node/contract/ids.ts';
import type { NewEvent } from '../events/store.ts';
import { type HostEntry, type HostsEnv, isMember } from '../hosts/hosts.ts';
import type { Change } from '../hosts/observe.ts';
import type { Changes } from '../live/changes.ts';
import type { Catalog } from '../vms/catalog.ts';
import { hostKey } from '../vms/env.ts';
import type { World } from './world.ts';

export type HeedEnv = {
  changes: Changes;
  catalog: Catalog;
  world(): World;
  /** who waits is woken, who watches is told, and it is reconciled */
  touched(id: VmId): void;
  record(event: NewEvent): Promise<void>;
  /** a host is online: what is asked of hosts now and then is asked now */
  ask(): void;
};

/** What follows from what hosts tell: who waits is woken, who watches is told, what differs is reconciled. */
export function heed(env: HeedEnv): Pick<HostsEnv, 'onState' | 'onChange'> {
  const lost = new WeakSet<HostEntry>();
  const { touched } = env;
  return {
    onState(entry, vms) {
      env.changes.notify(hostKey(entry.record.id));
      env.world().tellHost(entry);
      const ids = new Set(vms);
      for (const record of env.catalog.all()) if (record.hostId === entry.record.id) ids.add(record.id);
      for (const id of ids) touched(id);
      for (const name of entry.picture?.volumes.keys() ?? []) env.world().tellVolume(name);
      if (entry.state === 'online') env.ask();
      tellState(env, entry, lost);
    },
    onChange(entry, change) {
      apply(env, entry, change, touched);
    },
  };
}

function apply(env: HeedEnv, entry: HostEntry, change: Change, touched: (id: VmId) => void): void {
  switch (change.kind) {
    case 'vm':
      touched(change.id);
      break;
    case 'vm-usage':
      for (const id of change.ids) env.world().tellVm(id);
      break;
    case 'volume':
      env.world().tellVolume(change.name);
      break;
    case 'task':
      env.changes.notify(`task:${change.task.id}`);
      break;
    case 'load':
      env.world().tellHost(entry);
      break;
    case 'notice': {
      const { severity, code, message } = change.notice;
      void env.record({ severity, code, message, subject: subjectOf(entry) });
      break;
    }
    case 'unit':
      break;
  }
}

const subjectOf = ({ record }: HostEntry) => ({ kind: 'host', id: record.id, name: record.name });

/** People are told when a host is lost and when it is back; that it is being connected to is no news. */
function tellState(env: HeedEnv, entry: HostEntry, lost: WeakSet<HostEntry>): void {
  const { name } = entry.record;
  if (entry.state === 'unreachable' && !lost.has(entry) && isMember(entry)) {
    lost.add(entry);
    void env.record({
      severity: env.world().host(entry).maintenance === undefined ? 'error' : 'info',
      code: 'host.unreachable',
      message: `${name} cannot be reached: ${entry.reason}`,
      subject: subjectOf(entry),
    });
  } else if (entry.state === 'online' && lost.delete(entry)) {
    void env.record({
      severity: 'info',
      code: 'host.online',
      message: `${name} is online again.`,
      subject: subjectOf(entry),
    });
  }
}

const ofVms = [haKeys.vm(''), haKeys.spec(''), haKeys.assignment('')];

/** What follows from a change of HA's records. */
export const heedHa =
  (env: { touched(id: VmId): void; tellHost(id: HostId): void; tellHa(): void; notes(): void }) =>
  (keys: readonly string[]): void => {
    env.tellHa();
    const ids = new Set<VmId>();
    let notes = false;
    for (const key of keys) {
      notes ||= key.startsWith(haKeys.timeline);
      if (key.startsWith(haKeys.maintenance(''))) {
        const host = hostIdSchema.safeParse(key.slice(haKeys.maintenance('').length));
        if (host.success) env.tellHost(host.data);
      }
      const prefix = ofVms.find((each) => key.startsWith(each));
      const id = vmIdSchema.safeParse(prefix === undefined ? undefined : key.slice(prefix.length));
      if (id.success) ids.add(id.data);
    }
    for (const id of ids) env.touched(id);
    if (notes) env.notes();
  };
