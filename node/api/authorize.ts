import { AppError } from '../contract/error.ts';
import type { Membership } from '../contract/host.ts';
import type { CallerRole } from '../contract/routes.ts';
import type { Caller } from './handlers.ts';

/**
 * The one gate of the agent's API: undefined is yes. Root on the unix socket has the role `installer` (it can do as much
 * without us); everybody else needs a certificate that the cluster's authority signed, with a role that the route allows.
 */
export function refusalOf(
  roles: readonly CallerRole[],
  caller: Caller,
  membership: Membership,
): AppError | undefined {
  switch (caller.kind) {
    case 'local':
      return roles.includes('installer') ? undefined : wrongRole('installer');
    case 'stranger':
      return membership.state === 'unjoined' ? unjoined() : unknownCaller(caller.why);
    case 'peer':
      // A connection that was made while the host was in a cluster may live a moment longer than that.
      if (membership.state === 'unjoined') return unjoined();
      return roles.includes(caller.role) ? undefined : wrongRole(caller.role);
  }
}

/** Pairing is for a host that belongs to nobody, and for that alone. */
export function pairingRefusalOf(membership: Membership): AppError | undefined {
  if (membership.state === 'unjoined') return undefined;
  return new AppError({
    code: 'pairing.already-joined',
    family: 'denied',
    message: 'This host already belongs to a cluster.',
    remedy: 'Remove it from that cluster first.',
  });
}

const unjoined = (): AppError =>
  new AppError({
    code: 'host.unjoined',
    family: 'denied',
    message: 'This host does not belong to a cluster yet, so it takes no orders.',
    remedy: 'Add it to a cluster with the pairing code on its console.',
  });

const unknownCaller = (why: string): AppError =>
  new AppError({
    code: 'caller.unknown',
    family: 'denied',
    message: "Only programs with a certificate of this host's cluster may call it.",
    details: { why },
  });

const wrongRole = (role: CallerRole): AppError =>
  new AppError({
    code: 'caller.wrong-role',
    family: 'denied',
    message: `A program with the role ${role} may not do this.`,
  });
