/** Why an action cannot be taken now, from the contract's one table of states; undefined when it can. */
import { statesAllowing, type Vm, type VmAction, vmActionsByState } from '../../engine/contract/vms.ts';
import { listWords } from './format.ts';
import { vmLook } from './status.ts';

export const actionLabel = {
  start: 'Start',
  shutdown: 'Shut down',
  stop: 'Force stop',
  reboot: 'Reboot',
  migrate: 'Move',
  delete: 'Delete',
  console: 'Console',
  edit: 'Edit',
} as const satisfies Record<VmAction, string>;

/** A word of warning beside what cannot be taken back. */
export const actionHint: Partial<Record<VmAction, string>> = {
  stop: 'like pulling the power cord',
  delete: 'with its disks',
};

export type ActionContext = {
  /** the engine answers */
  online: boolean;
  /** hosts that could take a VM */
  onlineHosts: number;
};

export function disabledReason(vm: Vm, action: VmAction, context: ActionContext): string | undefined {
  if (!context.online) return 'The engine cannot be reached right now.';
  if (vm.isEngine && action !== 'console')
    return 'This is the engine’s own VM; the cluster looks after it by itself.';
  const allowed: readonly VmAction[] = vmActionsByState[vm.state];
  if (!allowed.includes(action)) {
    if (vm.state === 'unknown')
      return `${hostName(vm)} is unreachable, so nobody can say whether this VM runs.`;
    const states = statesAllowing(action).map((state) => vmLook[state].label.toLowerCase());
    return `Only while it is ${listWords(states).replace(' and ', ' or ')}.`;
  }
  if (action === 'migrate' && context.onlineHosts < 2) return 'There is no other host online to move it to.';
  // Watching is always possible; stopping must stay possible while a job hangs.
  if (vm.jobId !== undefined && action !== 'console' && action !== 'stop')
    return 'A job is at work on this VM; wait for it, or cancel it.';
  return undefined;
}

const hostName = (vm: Vm) => vm.host?.name ?? 'Its host';
