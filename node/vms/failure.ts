import { AppError } from '../contract/error.ts';
import type { VmSpec } from '../contract/vms.ts';

/** What libvirt and QEMU say when a domain cannot be started, and what it means for a person. */
const meanings: readonly {
  said: RegExp;
  code: string;
  family: 'conflict' | 'missing' | 'unavailable';
  message(spec: VmSpec, match: RegExpExecArray): string;
  remedy: string;
}[] = [
  {
    said: /Failed to get .* lock|Is another process using the image/,
    code: 'disk.locked',
    family: 'conflict',
    message: (spec) => `A disk of ${spec.name} is in use by another VM or host, so it was not started.`,
    remedy: 'Find out where it is in use; nothing was changed.',
  },
  {
    said: /Cannot get interface MTU on '([^']+)'|Unable to add port \S+ to (?:OVS )?bridge (\S+)/,
    code: 'network.missing',
    family: 'missing',
    message: (spec, match) =>
      `This host has no bridge ${match[1] ?? match[2] ?? ''} for the network card of ${spec.name}.`,
    remedy: 'Give this host the network, or start the VM on a host that has it.',
  },
  {
    said: /cannot set up guest memory|Cannot allocate memory/,
    code: 'host.out-of-memory',
    family: 'unavailable',
    message: (spec) => `This host has not enough memory left for ${spec.name}.`,
    remedy: 'Stop a VM here, or start this one on another host.',
  },
  {
    said: /Could not open '([^']+)': (.*)|Cannot access storage file '([^']+)'/,
    code: 'disk.unreadable',
    family: 'unavailable',
    message: (spec, match) => `A disk of ${spec.name} cannot be opened: ${match[1] ?? match[3] ?? ''}.`,
    remedy: 'Look at the storage.',
  },
];

export function startFailure(cause: unknown, spec: VmSpec): unknown {
  if (!(cause instanceof AppError) || !cause.code.startsWith('libvirt.')) return cause;
  for (const { said, code, family, message, remedy } of meanings) {
    const match = said.exec(cause.message);
    if (match !== null)
      return new AppError({
        code,
        family,
        message: message(spec, match),
        remedy,
        retry: 'other-host',
        cause,
      });
  }
  if (cause.family === 'unavailable' && /connection-lost|deadline/.test(cause.code)) return cause;
  return new AppError({
    code: 'vm.start-failed',
    family: 'unavailable',
    message: `${spec.name} could not be started: ${cause.message}`,
    retry: 'other-host',
    cause,
  });
}

export const notRunning = (name: string, state: string): AppError =>
  new AppError({
    code: 'vm.not-running',
    family: 'conflict',
    message: `${name} is ${state}, so there is nothing to do that to.`,
    details: { state },
  });

export const isMoving = (name: string): AppError =>
  new AppError({
    code: 'vm.migrating',
    family: 'conflict',
    message: `${name} is moving between hosts now.`,
    remedy: 'Wait until it has arrived, or cancel the move.',
    retry: 'later',
  });

export const stillRuns = (name: string, state: string): AppError =>
  new AppError({
    code: 'vm.running',
    family: 'conflict',
    message: `${name} is ${state}.`,
    remedy: 'Stop it first.',
    details: { state },
  });

export const notKnownYet = (): AppError =>
  new AppError({
    code: 'libvirt.not-ready',
    family: 'unavailable',
    message: 'libvirt on this host does not answer, so nothing is done to its VMs.',
    remedy: 'Nothing needs to be done: the agent connects again by itself.',
  });
