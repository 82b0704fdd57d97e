import { AppError, type ErrorFamily, type Retry } from '../contract/error.ts';
import { int, optional, optionalText, struct } from './codec.ts';
import { networkRef, optionalDomainRef } from './procedures/shapes.ts';
import type { Decoded } from './xdr.ts';

/** virError as it travels: every field is kept, since `domain` says who complains (QEMU, the guest agent, RPC ...). */
export const remoteError = struct({
  code: int,
  domain: int,
  message: optionalText,
  level: int,
  vm: optionalDomainRef,
  text1: optionalText,
  text2: optionalText,
  text3: optionalText,
  int1: int,
  int2: int,
  network: optional(networkRef),
});
export type RemoteError = Decoded<typeof remoteError>;

type Meaning = { code: string; family: ErrorFamily; retry?: Retry };

/** virErrorNumber -> what it means for us. What is not listed is `libvirt.failed`. */
const meanings: Readonly<Record<number, Meaning>> = {
  1: { code: 'libvirt.internal', family: 'unavailable' },
  3: { code: 'libvirt.not-supported', family: 'conflict' },
  8: { code: 'libvirt.invalid-argument', family: 'invalid' },
  9: { code: 'libvirt.operation-failed', family: 'conflict', retry: 'later' },
  27: { code: 'libvirt.xml', family: 'invalid' },
  38: { code: 'libvirt.system', family: 'unavailable' },
  39: { code: 'libvirt.rpc', family: 'unavailable' },
  42: { code: 'libvirt.no-domain', family: 'missing' },
  45: { code: 'libvirt.not-authenticated', family: 'denied' },
  55: { code: 'libvirt.wrong-state', family: 'conflict' },
  66: { code: 'libvirt.no-secret', family: 'missing' },
  67: { code: 'libvirt.config-not-supported', family: 'invalid', retry: 'other-host' },
  68: { code: 'libvirt.timed-out', family: 'unavailable' },
  69: { code: 'libvirt.migrated-not-persistent', family: 'conflict' },
  72: { code: 'libvirt.no-snapshot', family: 'missing' },
  74: { code: 'libvirt.argument-not-supported', family: 'invalid' },
  80: { code: 'libvirt.no-metadata', family: 'missing' },
  78: { code: 'libvirt.aborted', family: 'conflict' },
  81: { code: 'libvirt.migration-unsafe', family: 'conflict' },
  83: { code: 'libvirt.block-copy-active', family: 'conflict', retry: 'later' },
  86: { code: 'libvirt.agent-unresponsive', family: 'unavailable' },
  87: { code: 'libvirt.busy', family: 'conflict', retry: 'later' },
  88: { code: 'libvirt.access-denied', family: 'denied' },
  93: { code: 'libvirt.migrated-after-all', family: 'conflict' },
  97: { code: 'libvirt.agent-out-of-step', family: 'unavailable' },
  99: { code: 'libvirt.no-device', family: 'missing' },
  102: { code: 'libvirt.invalid-checkpoint', family: 'invalid' },
  103: { code: 'libvirt.no-checkpoint', family: 'missing' },
  109: { code: 'libvirt.checkpoint-inconsistent', family: 'conflict' },
  110: { code: 'libvirt.several-domains', family: 'conflict' },
};

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);

/** The daemon's own words are the message: they name the file, the device, the reason. */
export function remoteFailure(error: RemoteError, procedure: string): AppError {
  const meaning = meanings[error.code] ?? { code: 'libvirt.failed', family: 'unavailable' };
  const { vm, network, ...fields } = error;
  const said = error.message?.trim();
  return new AppError({
    ...meaning,
    message: sentence(
      said === undefined || said === '' ? `libvirt refused ${procedure} without a reason` : said,
    ),
    details: {
      procedure,
      ...fields,
      ...(vm === undefined ? {} : { vm: { ...vm } }),
      ...(network === undefined ? {} : { network: { ...network } }),
    },
  });
}

/** The connection ended while, or before, something was asked. Whether the daemon still did it is not known. */
export const connectionLost = (why: string, cause?: unknown): AppError =>
  new AppError({
    code: 'libvirt.connection-lost',
    family: 'unavailable',
    message: `The connection to libvirt is gone: ${sentence(why)}`,
    remedy: 'Nothing needs to be done: the agent connects again by itself.',
    cause,
  });

export const garbageReceived = (cause: unknown): AppError =>
  new AppError({
    code: 'libvirt.garbage',
    family: 'unavailable',
    message: 'libvirt sent something that is not its protocol, so the connection was closed.',
    cause,
  });

export const deadlineMissed = (procedure: string, deadlineMs: number): AppError =>
  new AppError({
    code: 'libvirt.deadline',
    family: 'unavailable',
    message: `libvirt did not answer ${procedure} within ${deadlineMs / 1000} s.`,
    details: { procedure, deadlineMs },
  });

export const callCancelled = (procedure: string, cause: unknown): AppError =>
  new AppError({
    code: 'libvirt.cancelled',
    family: 'unavailable',
    message: `The call ${procedure} was given up by its caller.`,
    details: { procedure },
    cause,
  });

/** Our own mistake, found before a byte was sent. */
export const unsendable = (procedure: string, cause: unknown): AppError =>
  new AppError({
    code: 'libvirt.unsendable',
    family: 'invalid',
    message: `What was to be asked of libvirt (${procedure}) does not fit its protocol.`,
    details: { procedure },
    cause,
  });
