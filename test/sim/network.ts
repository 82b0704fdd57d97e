import type { Machine, Net } from './machine.ts';
import type { Scene } from './plan.ts';

export const networks = ['mgmt', 'stor'] as const;

/** Two networks with directions, and hosts that cannot reach each other. What is asked needs an answer: both ways. */
export const connected = (from: Machine, to: Machine, net: Net): boolean => {
  if (!from.works || !to.works) return false;
  if (from === to) return true;
  const [here, there] = [from.nets[net], to.nets[net]];
  return here.out && there.in && there.out && here.in && !from.severed.has(to.id) && !to.severed.has(from.id);
};

/** Each agent asks each other one on each network. */
export function probe(scene: Scene, machine: Machine): void {
  for (const other of scene.machines) {
    if (other === machine) continue;
    scene.clock.in(scene.random.between(1, 20), () => {
      if (!machine.agentWorks || !networks.some((net) => connected(machine, other, net))) return;
      if (other.agentIsUp && other.agentIsStopped) return;
      const { nowMs } = scene.clock;
      const hasContact =
        other.contactMs !== undefined && (nowMs - other.contactMs) * other.rate < scene.times.stopStartingMs;
      machine.heard.set(other.id, {
        atMs: nowMs * machine.rate,
        answer: other.agentIsUp ? 'agent' : 'refused',
        hasContact,
      });
    });
  }
}
