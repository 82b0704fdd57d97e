import { randomUUID } from 'node:crypto';
import { AppError } from '../../../node/contract/error.ts';
import type { Join } from '../../../node/contract/pairing.ts';
import { certificateRequest } from '../../../node/identity/certificate.ts';
import { checkJoin } from '../../../node/identity/model.ts';
import { type Handlers, refuse, takes } from './handlers.ts';
import { preflightOf } from './handlers-host.ts';
import { type FakeHost, type FakeWorld, hostByAddress, hostById, hostNow, infoOf } from './model.ts';

type Names = 'startPairing' | 'getPairingHost' | 'preflightPairing' | 'finishPairing' | 'deletePairing';

/** What /local/v1/join and the last call of a pairing do. */
export function joinHost(world: FakeWorld, host: FakeHost, join: Join): void {
  if (host.kept.join !== undefined) {
    if (host.kept.join.clusterId === join.clusterId) return;
    throw refuse(
      'conflict',
      'host.joined',
      `${host.options.name} already belongs to the cluster ${host.kept.join.clusterName}.`,
    );
  }
  checkJoin({ id: host.id, selfSigned: host.selfSigned }, join, hostNow(world, host));
  host.kept.join = join;
  newCode(host);
}

const newCode = (host: FakeHost): void => {
  host.code = [...host.code].reverse().join('');
  host.triesLeft = 5;
};

const paired = (world: FakeWorld, host: FakeHost, id: string | undefined): FakeHost => {
  const other = hostById(world, host.pairings.get(id ?? '') ?? '');
  if (other === undefined)
    throw refuse('missing', 'pairing.gone', 'This pairing was forgotten.', 'Start the pairing again.');
  if (!other.powered)
    throw refuse('unavailable', 'host.unreachable', `${other.options.name} cannot be reached.`);
  return other;
};

export const pairingHandlers: Pick<Handlers, Names> = {
  startPairing: async ({ world, host, body }) => {
    await takes(world, 300);
    const other = hostByAddress(world, body.address);
    if (other === undefined || !other.powered || host.unreachable.has(body.address))
      throw refuse(
        'unavailable',
        'host.unreachable',
        `Nothing answers at ${body.address}, port ${body.port}.`,
        'See whether the host is switched on and its cable is in.',
      );
    if (other.kept.join !== undefined)
      throw refuse(
        'conflict',
        'host.joined',
        `${other.options.name} already belongs to a cluster.`,
        'Let it leave that cluster first.',
      );
    if (body.code !== other.code) {
      other.triesLeft -= 1;
      if (other.triesLeft === 0) newCode(other);
      throw new AppError({
        code: 'pairing.wrong-code',
        family: 'denied',
        message: `The code is not the one that ${other.options.name} shows.`,
        remedy: 'Read the code on its console again.',
      });
    }
    const id = randomUUID();
    host.pairings.set(id, other.id);
    return { id, hostId: other.id, csr: await certificateRequest(other.id, other.keys) };
  },

  getPairingHost: ({ world, host, params }) => infoOf(world, paired(world, host, params['id'])),

  preflightPairing: async ({ world, host, params, body }) => {
    await takes(world, 1_000);
    return preflightOf(world, paired(world, host, params['id']), body);
  },

  finishPairing: async ({ world, host, params, body }) => {
    await takes(world, 300);
    joinHost(world, paired(world, host, params['id']), body);
    host.pairings.delete(params['id'] ?? '');
    return undefined;
  },

  deletePairing: ({ host, params }) => {
    host.pairings.delete(params['id'] ?? '');
    return undefined;
  },
};
