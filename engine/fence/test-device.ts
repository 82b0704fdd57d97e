import { asAppError } from '../../node/contract/error.ts';
import type { FenceTest } from '../../node/contract/fence.ts';
import type { FenceDeviceTested } from '../contract/fence.ts';
import type { HostEntry } from '../hosts/hosts.ts';

/** Agents are given 30 s by their host. */
const oneMs = 40_000;
/** A person waits for it; hosts that were not asked by then are told so. */
const allMs = 90_000;

type Answer = FenceDeviceTested['answers'][number];
type Asked = Answer & { code?: string; state?: 'on' | 'off' };

/**
 * Asks a device for its status from each host that would use it. One after the other: switched power strips often take
 * one login at a time. A refused password is not tried by others: some devices lock the user out after a few.
 */
export async function testDevice(
  target: HostEntry,
  users: readonly HostEntry[],
  body: FenceTest,
  now: () => number,
): Promise<FenceDeviceTested> {
  const answers: Asked[] = [];
  const untilMs = now() + allMs;
  for (const user of users) {
    const refusedBefore = answers.some(({ code }) => code === 'fence.login-refused');
    const notAsked = refusedBefore
      ? 'It was not asked: a wrong password, tried again, may lock the user out.'
      : now() >= untilMs
        ? 'It was not asked: the others took too long.'
        : user.state !== 'online'
          ? 'It is not online, so it could not try.'
          : undefined;
    answers.push(
      notAsked === undefined
        ? await ask(user, target, body)
        : { host: nameOf(user), ok: false, says: notAsked },
    );
  }
  return {
    ok: answers.every(({ ok }) => ok),
    says: sentence(target, answers),
    answers: answers.map(({ host, ok, says, tookMs }) => ({
      host,
      ok,
      says,
      ...(tookMs === undefined ? {} : { tookMs }),
    })),
  };
}

const nameOf = ({ record }: HostEntry) => ({ id: record.id, name: record.name });

async function ask(user: HostEntry, target: HostEntry, body: FenceTest): Promise<Asked> {
  const host = nameOf(user);
  try {
    const signal = AbortSignal.timeout(oneMs);
    const { state, says, tookMs } = await user.link.client.call('testFenceDevice', { body }, { signal });
    const isOther = state === 'off' && target.state === 'online';
    return {
      host,
      ok: !isOther,
      state,
      tookMs,
      says: isOther ? `${says}, but ${target.record.name} is running.` : `${says}.`,
    };
  } catch (thrown) {
    const { code, message } = asAppError(thrown, 'asking a fence device');
    return { host, ok: false, code, says: message };
  }
}

function sentence(target: HostEntry, answers: readonly Asked[]): string {
  const { name } = target.record;
  const [first] = answers;
  if (first === undefined) return 'There is no host that could ask it.';
  if (answers.some(({ ok, state }) => !ok && state === 'off'))
    return `The device says that ${name} is off, but it is running: this is not the power of ${name}.`;
  const bad = answers.filter(({ ok }) => !ok);
  const state = answers.find((answer) => answer.state !== undefined)?.state;
  if (bad.length === 0)
    return `Status now says: ${state}. ${answers.length === 1 ? `${first.host.name} reaches the device.` : `All ${answers.length} hosts that would use it reach it.`}`;
  if (bad.length === answers.length) return first.says;
  const names = bad.map(({ host }) => host.name).join(', ');
  return `Status now says: ${state}. But ${names} did not get that answer.`;
}
