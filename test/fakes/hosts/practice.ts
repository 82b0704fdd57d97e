import { parseAnswers } from '../../../installer/answers/parse.ts';
import type { Answers, AnswersInput } from '../../../installer/contract/answers.ts';
import type { HostReport } from '../../../installer/preflight/model.ts';
import { questionsFor } from '../../../installer/preflight/questions.ts';
import { preflightRequestSchema } from '../../../node/contract/host.ts';
import { preflightOf } from './handlers-host.ts';
import { type FakeWorld, type HostOptions, infoOf } from './model.ts';

/** `count` alike hosts: host1 at 10.77.0.11, and so on. */
export const alikeHosts = (count: number): HostOptions[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `host${index + 1}`,
    address: `10.77.0.${11 + index}`,
    code: `PA1RC0D${'ABCDEFGHJKMN'[index]}`,
  }));

export const practicePassword = 'eleven blue herons';

/** What a person would answer to form a cluster of these hosts, the first being `this`. */
export const answersFor = (world: FakeWorld, change: Partial<AnswersInput> = {}): AnswersInput => ({
  cluster: { name: 'practice' },
  admin: { name: 'admin', password: practicePassword },
  hosts: world.hosts.map(({ options, code }, index) => ({
    name: options.name,
    find: index === 0 ? ('this' as const) : { address: options.address },
    ...(index === 0 ? {} : { pairingCode: code }),
  })),
  networks: { storage: { cidr: '10.77.1.0/24' } },
  engine: { address: '10.77.0.100/24', gateway: '10.77.0.1', names: ['127.0.0.1', 'localhost'] },
  ...change,
});

/** Answers as the installer has them after reading the file. Throws the first problem. */
export function soundAnswers(input: AnswersInput): Answers {
  const { answers, problems } = parseAnswers(JSON.stringify(input));
  const wrong = problems.find((problem) => problem.severity === 'error');
  if (answers === undefined || wrong !== undefined) throw new Error(JSON.stringify(wrong));
  return answers;
}

/** What a look at each host gives, without pairing with it. */
export function reportsOf(world: FakeWorld, answers: Answers): HostReport[] {
  const seen = answers.hosts.map((answer, index) => {
    const host = world.hosts[index];
    if (host === undefined) throw new Error(`no host for ${answer.name}`);
    return { answer, host, info: infoOf(world, host), foundAt: host.options.address };
  });
  return seen.map(({ answer, host, info, foundAt }) => ({
    answer,
    info,
    foundAt,
    report: preflightOf(
      world,
      host,
      preflightRequestSchema.parse(questionsFor(answers, { answer, info }, seen)),
    ),
    clockSkewMs: host.options.clockOffsetMs ?? 0,
  }));
}
