import { AppError } from '../../node/contract/error.ts';
import type { HostInfo, PreflightReport, PreflightRequest } from '../../node/contract/host.ts';
import { isThis } from '../answers/check-hosts.ts';
import type { Answers, HostAnswer } from '../contract/answers.ts';
import { error, type Problem } from '../contract/problems.ts';
import { addressOf, isInside } from '../net/ipv4.ts';
import type { FormationEnv } from '../run/env.ts';
import { late, until } from '../steps/model.ts';
import type { HostReport } from './model.ts';
import { questionsFor } from './questions.ts';

const discoverMs = 15_000;
const thisHost = '127.0.0.1';

/** How one host is asked before it belongs to anybody. */
type Look = {
  answer: HostAnswer;
  foundAt: string;
  host(): Promise<HostInfo>;
  preflight(request: PreflightRequest): Promise<PreflightReport>;
  end(): Promise<void>;
};

export type Gathered = { reports: HostReport[]; problems: Problem[] };

/**
 * Looks at every host and lets it measure itself. Nothing is changed anywhere: the other hosts are asked through a
 * pairing that is dropped again, so that only who knows their codes sees them, and their codes stay good.
 */
export async function gather(env: FormationEnv, answers: Answers, signal: AbortSignal): Promise<Gathered> {
  const problems: Problem[] = [];
  const told = async <T>(answer: HostAnswer, body: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await body();
    } catch (thrown) {
      if (signal.aborted || !(thrown instanceof AppError)) throw thrown;
      problems.push(problemOf(answer, thrown, answers));
      return undefined;
    }
  };
  env.progress({ event: 'preflight', text: 'Looking for the hosts' });
  const looks: Look[] = [];
  for (const answer of answers.hosts) {
    // One after the other: a wrong code must not be tried twice at once.
    const look = await told(answer, () => beginLook(env, answers, answer, signal));
    if (look !== undefined) looks.push(look);
  }
  try {
    const own = looks.find((look) => isThis(look.answer));
    const seen = await present(looks, (look) =>
      told(look.answer, async () => withClock(env, look, await look.host())),
    );
    const zero = seen.find(({ look }) => look === own)?.clockOffsetMs ?? 0;
    const hosts = seen.map(({ look, info, clockOffsetMs }) => ({
      look,
      answer: look.answer,
      info,
      foundAt: look === own ? ownAddress(info, answers) : look.foundAt,
      clockSkewMs: Math.round(clockOffsetMs - zero),
    }));
    env.progress({ event: 'preflight', text: `Measuring ${hosts.length} hosts and the ways between them` });
    const reports = await present(hosts, async ({ look, ...host }) => ({
      ...host,
      report: await told(host.answer, () => look.preflight(questionsFor(answers, host, hosts))),
    }));
    return { reports, problems };
  } finally {
    await Promise.all(looks.map((look) => look.end().catch(() => undefined)));
  }
}

async function present<A, B>(items: readonly A[], body: (item: A) => Promise<B | undefined>): Promise<B[]> {
  return (await Promise.all(items.map(body))).filter((each) => each !== undefined);
}

async function withClock(env: FormationEnv, look: Look, info: HostInfo) {
  // The second answer is quick, so that its time of day can be compared with ours.
  const before = env.now().getTime();
  const again = await look.host();
  const middle = (before + env.now().getTime()) / 2;
  return { look, info, clockOffsetMs: Date.parse(again.now) - middle };
}

const ownAddress = (info: HostInfo, answers: Answers): string => {
  const all = info.nics.flatMap((nic) => nic.addresses).filter((cidr) => !cidr.includes(':'));
  const own = all.map(addressOf).find((address) => isInside(address, answers.engine.address));
  return own ?? all.map(addressOf)[0] ?? thisHost;
};

async function beginLook(
  env: FormationEnv,
  answers: Answers,
  answer: HostAnswer,
  signal: AbortSignal,
): Promise<Look> {
  const { hosts } = env;
  if (answer.find === 'this')
    return {
      answer,
      foundAt: thisHost,
      host: () => hosts.local.call('getHost'),
      preflight: (body) => hosts.local.call('preflight', { body }),
      end: async () => {},
    };
  const found = await find(env, answers, answer, signal);
  const announced = await hosts.announcement(found, answer.name);
  if ('id' in answer.find && announced.id !== answer.find.id)
    throw new AppError({
      code: 'host.other-machine',
      family: 'conflict',
      message: `Another machine answers at ${found}, where ${answer.name} was.`,
      remedy: 'Look for the host again: "trefoil-installer discover".',
    });
  if (announced.state === 'joined')
    throw new AppError({
      code: 'host.joined',
      family: 'conflict',
      message: `${answer.name} already belongs to a cluster.`,
      remedy: 'Let it leave that cluster first, or take another host.',
    });
  const local = await hosts.local.call('getHost');
  if (announced.version !== local.version)
    throw new AppError({
      code: 'host.other-version',
      family: 'conflict',
      message: `${answer.name} runs version ${announced.version}, this host runs ${local.version}.`,
      remedy: 'Install the same version on all hosts.',
    });
  const body = { address: found, code: answer.pairingCode ?? '' };
  const { id } = await hosts.local.call('startPairing', { body });
  const params = { id };
  return {
    answer,
    foundAt: found,
    host: () => hosts.local.call('getPairingHost', { params }),
    preflight: (request) => hosts.local.call('preflightPairing', { params, body: request }),
    end: () => hosts.local.call('deletePairing', { params }),
  };
}

/** Its address: given, or as it announces itself; best one that is in the engine's subnet. */
async function find(
  env: FormationEnv,
  answers: Answers,
  answer: HostAnswer,
  signal: AbortSignal,
): Promise<string> {
  const wanted = answer.find;
  if (wanted === 'this') return thisHost;
  if ('address' in wanted) return wanted.address;
  const { addresses } = await until(
    { env, signal },
    {
      deadlineMs: discoverMs,
      otherwise: late(
        'host.not-found',
        `${answer.name} (${wanted.id}) does not announce itself on this network.`,
        'See whether it is switched on and not yet in a cluster, or name its address.',
      ),
    },
    async () => {
      const { hosts } = await env.hosts.local.call('getDiscovered');
      return hosts.find((host) => host.id === wanted.id);
    },
  );
  const ipv4 = addresses.filter((address) => !address.includes(':'));
  const best = ipv4.find((address) => isInside(address, answers.engine.address)) ?? ipv4[0] ?? addresses[0];
  if (best !== undefined) return best;
  throw new AppError({
    code: 'host.no-address',
    family: 'unavailable',
    message: `${answer.name} announces itself without an address.`,
    remedy: 'See whether its network gives addresses, or name its address.',
  });
}

function problemOf(answer: HostAnswer, thrown: AppError, answers: Answers): Problem {
  const index = answers.hosts.indexOf(answer);
  const path = thrown.code.startsWith('pairing.') ? `hosts[${index}].pairingCode` : `hosts.${answer.name}`;
  const reason =
    thrown.code === 'pairing.wrong-code'
      ? `The pairing code of ${answer.name} is not the one that it shows now.`
      : thrown.message.includes(answer.name)
        ? thrown.message
        : `${answer.name}: ${thrown.message}`;
  return error(path, thrown.code, reason, thrown.remedy ?? 'Mend this, then run the installer again.');
}
