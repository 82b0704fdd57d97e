import { AppError } from '../contract/error.ts';
import type { Discovered, PreflightReport, PreflightRequest } from '../contract/host.ts';
import type { Facts } from '../host/facts.ts';
import type { Initiator } from '../pairing/initiator.ts';
import type { Tasks } from '../tasks/registry.ts';
import type { NodeHandlers } from './handlers.ts';

export type HostRoutesEnv = {
  facts: Facts;
  tasks: Tasks;
  initiator: Initiator;
  discovered(): Promise<Discovered>;
  preflight(request: PreflightRequest): Promise<PreflightReport>;
  leave(): Promise<void>;
  power(action: 'power-off' | 'reboot'): Promise<void>;
};

export type HostRoutes = Pick<
  NodeHandlers,
  | 'getHost'
  | 'getLoad'
  | 'getDiscovered'
  | 'preflight'
  | 'power'
  | 'leave'
  | 'startPairing'
  | 'getPairingHost'
  | 'preflightPairing'
  | 'finishPairing'
  | 'deletePairing'
  | 'getTask'
  | 'cancelTask'
>;

export function hostRoutes(env: HostRoutesEnv): HostRoutes {
  const leave = shared(env.leave);
  return {
    getHost: () => env.facts.host(),
    getLoad: () => env.facts.load(),
    getDiscovered: () => env.discovered(),
    preflight: ({ body }) => env.preflight(body),
    power: async ({ body }) => {
      await env.power(body.action);
      return undefined;
    },
    leave: async () => {
      await leave();
      return undefined;
    },
    startPairing: ({ body }) => env.initiator.start(body),
    getPairingHost: ({ params }) => env.initiator.host(params.id),
    preflightPairing: ({ params, body }) => env.initiator.preflight(params.id, body),
    finishPairing: async ({ params, body }) => {
      await env.initiator.finish(params.id, body);
      return undefined;
    },
    deletePairing: ({ params }) => {
      env.initiator.forget(params.id);
      return undefined;
    },
    getTask: ({ params }) => env.tasks.get(params.id),
    cancelTask: ({ params }) => env.tasks.cancel(params.id),
  };
}

/** Whoever asked first may be gone while the work goes on: who asks meanwhile waits for the same. */
export function shared(work: () => Promise<void>): () => Promise<void> {
  let underWay: Promise<void> | undefined;
  return () => {
    underWay ??= work().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

export type LeaveEnv = {
  runningVms(): Promise<string[]>;
  /** volumes that other hosts use and that are on this host alone */
  onlyCopies(): Promise<string[]>;
  /** in order; each undoes what its room did for the cluster and is done when done twice */
  steps: readonly { what: string; undo(): Promise<void> }[];
  forget(): Promise<void>;
};

/** Forgets the cluster last: until then the cluster can still reach this host and ask it to leave again. */
export async function leaveCluster(env: LeaveEnv): Promise<void> {
  const running = await env.runningVms();
  if (running.length > 0)
    throw new AppError({
      code: 'host.has-vms',
      family: 'conflict',
      message: `This host still runs ${running.length === 1 ? 'the VM' : 'the VMs'} ${running.join(', ')}.`,
      remedy: 'Move them to another host or stop them first.',
      details: { vms: running },
    });
  const only = await env.onlyCopies();
  if (only.length > 0)
    throw new AppError({
      code: 'host.has-only-copy',
      family: 'conflict',
      message: `The only copy of ${only.length === 1 ? 'the volume' : 'the volumes'} ${only.join(', ')} is on this host.`,
      remedy: 'Move what is on it to another volume first.',
      details: { volumes: only },
    });
  for (const { undo } of env.steps) await undo();
  await env.forget();
}
