import { enginePriority } from '../../node/contract/ha.ts';
import type { VmId } from '../../node/contract/ids.ts';
import type { EngineSigns } from '../../node/ha/model.ts';
import type { Guest, Machine } from './machine.ts';
import type { Scene } from './plan.ts';

/** The engine in its VM, as the host that runs it sees it by each of the two ways. */
const bootMs = 12_000;
/** libvirt waits so long for the agent in a VM before it says that it does not answer. */
const agentPatienceMs = 5_000;

const guestOf = (scene: Scene, machine: Machine): Guest | undefined =>
  [...machine.guests.values()].find(({ vm }) => scene.vm(vm).priority === enginePriority);

export function engineSigns(scene: Scene, machine: Machine): EngineSigns | undefined {
  const guest = guestOf(scene, machine);
  if (guest?.state !== 'running' || guest.incoming === true || machine.libvirtHangs) return undefined;
  const { vm, engine, startedMs = -bootMs } = guest;
  const { nowMs } = scene.clock;
  const isUp = nowMs - startedMs >= bootMs;
  const isSilent = engine?.is === 'still' && nowMs - engine.sinceMs >= agentPatienceMs;
  const channel = isSilent ? 'silent' : engine?.is === 'gone' || !isUp ? 'gone' : 'ready';
  const answers = engine === undefined && isUp && !scene.engineIsCut;
  return { vm, run: `${vm} ${startedMs}`, api: answers ? 'ready' : 'silent', channel };
}

/** It is up, or boots. */
export const lives = (machine: Machine, vm: VmId): boolean => {
  const guest = machine.guests.get(vm);
  return guest !== undefined && guest.engine === undefined;
};

/** Wherever it runs. It is back by itself, as by systemd in its VM, or only when the VM is started again. */
export function hurtEngine(scene: Scene, is: 'still' | 'gone', backInMs?: number): void {
  for (const machine of scene.machines) {
    const guest = guestOf(scene, machine);
    if (guest?.state !== 'running' || guest.incoming === true || guest.engine !== undefined) continue;
    guest.engine = { is, sinceMs: scene.clock.nowMs };
    if (backInMs !== undefined) scene.onMachine(machine, backInMs, () => delete guest.engine);
  }
}

export const engineIsHurt = (scene: Scene): boolean =>
  scene.machines.some((machine) => guestOf(scene, machine)?.engine !== undefined);
