import { type HaAssignment, type HaFence, haKeys } from '../../node/contract/ha.ts';
import type { HostId } from '../../node/contract/ids.ts';
import { type Kept, majorityOf, type Write } from '../../node/ha/model.ts';
import type { HaRecord, Unreadable } from '../../node/ha/view.ts';
import type { Machine } from './machine.ts';
import type { Scene } from './plan.ts';

/**
 * Laws about what is written to etcd, judged by what is there at that moment and not by the code that wrote it:
 * - a VM goes to another host, or into another epoch, only when it was given back, or its host is fenced; within an epoch
 *   only to the host to which it was moving;
 * - hosts are fenced only on the reports of a majority, or when their agent is gone, and never more than can be lost;
 * - a fence holds (`fenced`) only by a proof that is written down, or a watchdog that is;
 * - while HA is disarmed no host is fenced anew;
 * - only the leader fences and gives.
 */
type Records = ReadonlyMap<string, Kept<HaRecord | Unreadable>>;

export function judge(scene: Scene, records: Records, writes: readonly Write[], by: Machine): void {
  for (const write of writes) {
    const [folder] = write.key.slice(haKeys.prefix.length).split('/');
    if (folder === 'assignments') judgeAssignment(scene, records, write, by);
    if (folder === 'fences') judgeFence(scene, records, write, by);
  }
}

type Values = { [R in HaRecord as R['kind']]: R['value'] };
function get<K extends keyof Values>(records: Records, key: string, kind: K): Values[K] | undefined {
  const record = records.get(key)?.value;
  // A record's kind says of which type its value is; the compiler cannot follow that for any kind.
  return record?.kind === kind ? (record.value as unknown as Values[K]) : undefined;
}

function judgeAssignment(scene: Scene, records: Records, write: Write, by: Machine): void {
  const before = get(records, write.key, 'assignment');
  // The store holds what was written; that it is of this kind is what the key says.
  const after = 'remove' in write ? undefined : (write.value as HaAssignment);
  const name = scene.vm((after ?? before)?.vm ?? scene.plan.vms[0]!.id).name;
  const isFenced = (host: HostId) => get(records, haKeys.fence(host), 'fence')?.phase === 'fenced';
  if (before === undefined || after === undefined || after.epoch !== before.epoch) {
    leads(scene, records, by, `gave or took ${name}`);
    if (before === undefined) return;
    const isFree =
      before.state !== 'given' ||
      (isFenced(before.host) && (before.movingTo === undefined || isFenced(before.movingTo)));
    if (!isFree) scene.breaks(`${name} was taken from ${scene.machine(before.host).name} without a proof`);
    if (after !== undefined && after.epoch <= before.epoch) scene.breaks(`the epoch of ${name} went back`);
    return;
  }
  if (after.host !== before.host && after.host !== before.movingTo)
    scene.breaks(`${name} went to ${scene.machine(after.host).name} in the same epoch, and not by a move`);
}

function judgeFence(scene: Scene, records: Records, write: Write, by: Machine): void {
  const before = get(records, write.key, 'fence');
  if ('remove' in write) {
    leads(scene, records, by, 'lifted a fence');
    return;
  }
  const after = write.value as HaFence;
  const { name } = scene.machine(after.host);
  leads(scene, records, by, `wrote a fence of ${name}`);
  const majority = majorityOf(scene.machines.length);
  if (before === undefined) {
    if (records.has(haKeys.disarmed)) scene.breaks(`${name} was fenced although HA is disarmed`);
    const reports = scene.machines.flatMap(({ id }) => get(records, haKeys.report(id), 'report') ?? []);
    const silent = reports.filter(({ host, silent: of }) => host !== after.host && of.includes(after.host));
    const isThere = reports.some(({ host }) => host === after.host);
    if (silent.length < majority && isThere) scene.breaks(`${name} was fenced on the word of too few`);
    const fences = scene.machines.filter(({ id }) => records.has(haKeys.fence(id))).length + 1;
    if (fences > scene.machines.length - majority)
      scene.breaks(`${name} was fenced: one more than can be lost`);
  }
  if (after.phase !== 'fenced' || before?.phase === 'fenced') return;
  const proofs = [...records.values()].flatMap(({ value }) =>
    value.kind === 'proof' && value.value.fence === after.id ? [value.value] : [],
  );
  if (proofs.length === 0 && !records.has(haKeys.watchdog(after.host)) && usesVolumes(records, after.host))
    scene.breaks(`${name} is called fenced without a proof`);
}

const usesVolumes = (records: Records, host: HostId): boolean =>
  [...records.values()].some(
    ({ value }) =>
      value.kind === 'assignment' && (value.value.host === host || value.value.movingTo === host),
  );

function leads(scene: Scene, records: Records, by: Machine, what: string): void {
  const leader = get(records, haKeys.leader, 'leader');
  if (leader?.host !== by.id) scene.breaks(`${by.name} ${what} and does not lead`);
}
