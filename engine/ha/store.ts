import { AppError } from '../../node/contract/error.ts';
import {
  type HaAssignment,
  type HaDisarmed,
  type HaFence,
  type HaMaintenance,
  type HaProof,
  type HaSpec,
  type HaVm,
  haKeys,
} from '../../node/contract/ha.ts';
import type { HostId, VmId } from '../../node/contract/ids.ts';
import type { ClusterStore, StoreEntry, StoreGuard, StoreWrite } from '../cluster/port.ts';
import { type HaRecord, type Kept, readRecord } from './view.ts';

/**
 * The engine's changes of HA's records. Each names what it read and is decided anew when that has changed meanwhile, so
 * doing it twice is doing it once. Of assignments the engine changes `movingTo` alone; who may run a VM is HA's affair.
 */
const attempts = 10;

type Found = ReadonlyMap<string, StoreEntry>;
type Change = { guards: StoreGuard[]; writes: StoreWrite[] };

/** Undefined from `decide`: nothing is to be changed. */
export async function change(
  store: ClusterStore,
  keys: readonly string[],
  decide: (found: Found) => Change | undefined,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const wanted = decide(await store.read(keys));
    if (wanted === undefined) return;
    try {
      await store.commit(wanted.guards, wanted.writes);
      return;
    } catch (thrown) {
      const again = thrown instanceof AppError && thrown.code === 'etcd.changed-meanwhile';
      if (!again || attempt === attempts) throw thrown;
    }
  }
}

export function recordAt<K extends HaRecord['kind']>(
  found: Found,
  key: string,
  kind: K,
): Kept<Extract<HaRecord, { kind: K }> extends { value: infer V } ? V : never> | undefined {
  const entry = found.get(key);
  if (entry === undefined) return undefined;
  const record = readRecord(key, entry.value);
  if (record?.kind === kind && 'value' in record)
    // What is of this kind has a value of this kind.
    return { value: record.value, revision: entry.revision } as ReturnType<typeof recordAt<K>>;
  throw new AppError({
    code: 'ha.unreadable-record',
    family: 'conflict',
    message:
      `The record ${key} in the cluster’s store cannot be read, so nothing is changed by it. ${record?.kind === 'unreadable' ? record.reason : ''}`.trim(),
    remedy: 'Update the engine if the record is of a newer version; else have support look at it.',
  });
}

export const guardOf = (key: string, kept: { revision: number } | undefined): StoreGuard => ({
  key,
  revision: kept?.revision ?? 0,
});
export const put = (key: string, value: object): StoreWrite => ({ key, value: JSON.stringify(value) });
export const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** As it is now, not as it was told of. */
export async function assignmentNow(store: ClusterStore, id: VmId): Promise<Kept<HaAssignment> | undefined> {
  const key = haKeys.assignment(id);
  return recordAt(await store.read([key]), key, 'assignment');
}

/** The generation that HA has of it; 0: it has none. */
export async function generationNow(store: ClusterStore, id: VmId): Promise<number> {
  const key = haKeys.vm(id);
  return recordAt(await store.read([key]), key, 'vm')?.value.generation ?? 0;
}

/** It is to run, as described. What is there already and says the same, or is newer, stays. */
export async function wantRunning(store: ClusterStore, vm: HaVm, spec: HaSpec): Promise<void> {
  const [vmKey, specKey] = [haKeys.vm(vm.id), haKeys.spec(vm.id)];
  await change(store, [vmKey, specKey], (found) => {
    const kept = recordAt(found, vmKey, 'vm');
    if (kept !== undefined && kept.value.generation >= vm.generation && kept.value.wanted === 'running')
      return undefined;
    return {
      guards: [guardOf(vmKey, kept), guardOf(specKey, found.get(specKey))],
      writes: [put(vmKey, vm), put(specKey, spec)],
    };
  });
}

/** Its host ends it at once, and then its assignment goes. */
export async function wantStopped(store: ClusterStore, id: VmId): Promise<void> {
  const key = haKeys.vm(id);
  await change(store, [key], (found) => {
    const kept = recordAt(found, key, 'vm');
    if (kept === undefined || kept.value.wanted === 'stopped') return undefined;
    return { guards: [guardOf(key, kept)], writes: [put(key, { ...kept.value, wanted: 'stopped' })] };
  });
}

/**
 * What it is made of has changed. Not its generation, nor whether it is to run: a VM whose guest has ended it stays off.
 */
export async function describe(
  store: ClusterStore,
  vm: Pick<HaVm, 'id' | 'name' | 'priority' | 'memoryMiB' | 'volumes' | 'allowedHosts'>,
  spec: HaSpec['spec'],
): Promise<void> {
  const [vmKey, specKey] = [haKeys.vm(vm.id), haKeys.spec(vm.id)];
  await change(store, [vmKey, specKey], (found) => {
    const kept = recordAt(found, vmKey, 'vm');
    if (kept === undefined) return undefined;
    const { allowedHosts: _, ...before } = kept.value;
    const record: HaVm = { ...before, ...vm };
    const { generation } = record;
    return {
      guards: [guardOf(vmKey, kept), guardOf(specKey, found.get(specKey))],
      writes: [put(vmKey, record), put(specKey, { v: 1, id: vm.id, generation, spec } satisfies HaSpec)],
    };
  });
}

/** HA knows nothing of it any more; only once nobody may run it. */
export async function forget(store: ClusterStore, id: VmId): Promise<void> {
  const [vmKey, specKey, assignmentKey] = [haKeys.vm(id), haKeys.spec(id), haKeys.assignment(id)];
  await change(store, [vmKey, specKey, assignmentKey], (found) => {
    const [vm, spec] = [found.get(vmKey), found.get(specKey)];
    if (vm === undefined && spec === undefined) return undefined;
    if (found.has(assignmentKey))
      throw new AppError({
        code: 'ha.still-assigned',
        family: 'unavailable',
        message: 'A host may still run this VM.',
        remedy: 'Stop it and wait until it is off.',
      });
    return {
      guards: [guardOf(vmKey, vm), guardOf(specKey, spec), { key: assignmentKey, revision: 0 }],
      writes: [
        { key: vmKey, remove: true },
        { key: specKey, remove: true },
      ],
    };
  });
}

const movedOn = (message: string): AppError =>
  new AppError({ code: 'vm.moved-meanwhile', family: 'conflict', message, retry: 'later' });

/**
 * From now on the target may run it too. `there`: it is the target's already. Throws when it is not the source's any more.
 */
export async function beginMove(
  store: ClusterStore,
  id: VmId,
  source: HostId,
  target: HostId,
): Promise<'begun' | 'there'> {
  const [key, fenceKey] = [haKeys.assignment(id), haKeys.fence(target)];
  let result: 'begun' | 'there' = 'begun';
  await change(store, [key, fenceKey], (found) => {
    const kept = recordAt(found, key, 'assignment');
    if (kept === undefined || kept.value.state !== 'given') throw movedOn('It does not run any more.');
    const { host, movingTo } = kept.value;
    if (host === target && movingTo === undefined) {
      result = 'there';
      return undefined;
    }
    if (host !== source) throw movedOn('It was restarted on another host meanwhile.');
    if (movingTo === target) return undefined;
    if (movingTo !== undefined) throw movedOn('It is being moved to another host.');
    if (found.has(fenceKey))
      throw movedOn('The host that it was to move to is being cut off from the storage.');
    return {
      // A proof about the target must have known of this VM: no fence may begin before this is written.
      guards: [guardOf(key, kept), { key: fenceKey, revision: 0 }],
      writes: [put(key, { ...kept.value, movingTo: target })],
    };
  });
  return result;
}

/** Only by who knows that the move was never ordered, or refused: the target may not run it after all. */
export async function takeBackMove(
  store: ClusterStore,
  id: VmId,
  source: HostId,
  target: HostId,
): Promise<void> {
  const key = haKeys.assignment(id);
  await change(store, [key], (found) => {
    const kept = recordAt(found, key, 'assignment');
    if (kept?.value.host !== source || kept.value.movingTo !== target) return undefined;
    const { movingTo: _, ...rest } = kept.value;
    return { guards: [guardOf(key, kept)], writes: [put(key, rest)] };
  });
}

/** A person's word that a host is off, as a proof for this one fence and no later one. */
export async function proveByPerson(
  store: ClusterStore,
  fence: Kept<HaFence>,
  by: HostId,
  says: string,
): Promise<void> {
  const { id, host } = fence.value;
  const key = haKeys.proof(id, by, 'person');
  const proof: HaProof = { v: 1, fence: id, by, kind: 'person', says };
  await change(store, [key, haKeys.fence(host)], (found) => {
    if (found.has(key)) return undefined;
    const now = recordAt(found, haKeys.fence(host), 'fence');
    if (now?.value.id !== id || now.value.phase !== 'fencing')
      throw new AppError({
        code: 'ha.not-fencing',
        family: 'conflict',
        message: 'It is not waited for a proof about this host any more.',
      });
    return {
      guards: [
        { key, revision: 0 },
        { key: haKeys.fence(host), revision: now.revision },
      ],
      writes: [put(key, proof)],
    };
  });
}

/** From now on the host takes no VMs. Whose word is there already stays. */
export async function beginMaintenance(store: ClusterStore, wanted: HaMaintenance): Promise<void> {
  const key = haKeys.maintenance(wanted.host);
  await change(store, [key], (found) =>
    recordAt(found, key, 'maintenance') === undefined
      ? { guards: [{ key, revision: 0 }], writes: [put(key, wanted)] }
      : undefined,
  );
}

/** Also when it cannot be read: it says nothing but that the host takes no VMs. */
export async function endMaintenance(store: ClusterStore, host: HostId): Promise<void> {
  const key = haKeys.maintenance(host);
  await change(store, [key], (found) => {
    const entry = found.get(key);
    if (entry === undefined) return undefined;
    return { guards: [guardOf(key, entry)], writes: [{ key, remove: true }] };
  });
}

/**
 * Lost hosts are not acted upon for `leftMs` from now. Not while one of `hosts` is cut off from the storage and its VMs
 * wait for that: they would wait all the longer. Once more: the time begins anew.
 */
export async function disarm(
  store: ClusterStore,
  wanted: HaDisarmed,
  hosts: ReadonlyArray<{ id: HostId; name: string }>,
): Promise<void> {
  const key = haKeys.disarmed;
  const fences = hosts.map(({ id, name }) => ({ name, key: haKeys.fence(id) }));
  await change(store, [key, ...fences.map((fence) => fence.key)], (found) => {
    const kept = recordAt(found, key, 'disarmed');
    const lost = fences.filter((fence) => found.has(fence.key)).map(({ name }) => name);
    if (lost.length > 0)
      throw new AppError({
        code: 'ha.host-is-lost',
        family: 'conflict',
        message: `HA cannot be disarmed now: it is at work on ${lost.join(', ')}, cut off from the storage.`,
        remedy: 'Bring the host back and wait until HA shows it online.',
        retry: 'later',
      });
    return {
      guards: [guardOf(key, kept), ...fences.map((fence) => ({ key: fence.key, revision: 0 }))],
      writes: [put(key, wanted)],
    };
  });
}

/** True: it was disarmed until now. Also when the record cannot be read: a person wants HA armed. */
export async function arm(store: ClusterStore): Promise<boolean> {
  const key = haKeys.disarmed;
  let was = false;
  await change(store, [key], (found) => {
    const entry = found.get(key);
    if (entry === undefined) return undefined;
    was = true;
    return { guards: [guardOf(key, entry)], writes: [{ key, remove: true }] };
  });
  return was;
}
