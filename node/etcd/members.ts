import type { Clock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import type { EtcdClient } from './client.ts';
import { peerUrlOf } from './server-config.ts';
import type { Member } from './wire.ts';

/**
 * Changes of membership, each safe to repeat. A replaced member is removed before the new one is added; a new one
 * starts as a learner, without a vote, so that it can cost no quorum while it copies the data.
 */
type MembersClient = Pick<EtcdClient, 'members' | 'memberAdd' | 'memberPromote' | 'memberRemove'>;

const find = async (client: MembersClient, address: string): Promise<Member | undefined> =>
  (await client.members()).find((member) => member.peerURLs.includes(peerUrlOf(address)));

const hasCode = (error: unknown, code: string): boolean => error instanceof AppError && error.code === code;

export async function ensureLearner(client: MembersClient, address: string): Promise<Member> {
  const there = await find(client, address);
  if (there !== undefined) return there;
  try {
    return await client.memberAdd(peerUrlOf(address), { learner: true });
  } catch (error) {
    // added by an attempt whose answer was lost, or by someone else at the same time
    const now = hasCode(error, 'etcd.outcome-unknown') || hasCode(error, 'etcd.precondition');
    const member = now ? await find(client, address) : undefined;
    if (member === undefined) throw error;
    return member;
  }
}

/** Waits until the learner has caught up, then gives it its vote. */
export async function ensureVoter(
  env: { clock: Clock },
  client: MembersClient,
  address: string,
  options: { deadlineMs: number; signal?: AbortSignal },
): Promise<void> {
  const end = env.clock.now() + options.deadlineMs;
  for (;;) {
    const member = await find(client, address);
    if (member === undefined)
      throw new AppError({
        code: 'etcd.no-such-member',
        family: 'missing',
        message: `There is no member of etcd at ${address}.`,
      });
    if (!member.isLearner) return;
    try {
      await client.memberPromote(member.id);
      return;
    } catch (error) {
      const later = hasCode(error, 'etcd.precondition') || hasCode(error, 'etcd.outcome-unknown');
      if (!later && !hasCode(error, 'etcd.unavailable')) throw error;
      if (env.clock.now() >= end)
        throw new AppError({
          code: 'etcd.learner-behind',
          family: 'unavailable',
          message: `The new member of etcd at ${address} did not catch up within ${Math.round(options.deadlineMs / 1000)} s.`,
          remedy: 'Check that etcd runs on that host and reaches the others on its port 2380.',
          cause: error,
        });
    }
    await env.clock.sleep(500, options.signal);
  }
}

export async function ensureRemoved(client: MembersClient, address: string): Promise<void> {
  const member = await find(client, address);
  if (member !== undefined) await client.memberRemove(member.id);
}
