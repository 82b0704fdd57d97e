import { createHash } from 'node:crypto';
import { AppError } from '../../node/contract/error.ts';
import { diskIdSchema, imageIdSchema, vmIdSchema } from '../../node/contract/ids.ts';
import { isPassword } from '../answers/hash.ts';
import type { Answers } from '../contract/answers.ts';
import { hasErrors, type Problem } from '../contract/problems.ts';
import { createJournal, type OpenJournal, openJournal } from '../journal/journal.ts';
import type { Journal } from '../journal/model.ts';
import type { Plan, StepKind } from '../plan/model.ts';
import { type PlanIds, planFormation } from '../plan/plan.ts';
import { gather } from '../preflight/gather.ts';
import { judge } from '../preflight/judge.ts';
import { distinct } from '../preflight/problems.ts';
import type { FormationEnv } from './env.ts';
import { runSteps } from './runner.ts';
import { undoSteps } from './undo.ts';

export type FormOptions = {
  /** absent: go on with the formation that was begun */
  answers: Answers | undefined;
  dryRun: boolean;
  stopAfter?: string | undefined;
  signal: AbortSignal;
};
export type FormResult =
  | { kind: 'problems'; problems: Problem[] }
  | { kind: 'plan'; plan: Plan; problems: Problem[] }
  | { kind: 'formed' | 'stopped'; journal: Journal; problems: Problem[] };

/** A failure in one of these is taken back at once: the hosts were only just being claimed. */
const claiming: readonly StepKind[] = ['authority', 'join', 'pair'];

/** Forms a cluster, or goes on where the last run ended. The caller holds the lock. */
export async function form(env: FormationEnv, options: FormOptions): Promise<FormResult> {
  const { answers, dryRun, stopAfter, signal } = options;
  const present = await openJournal(env.directory);
  if (present !== undefined) await checkSame(present.journal(), answers);
  if (present !== undefined && dryRun) return { kind: 'plan', plan: present.journal().plan, problems: [] };
  if (present?.journal().state === 'formed')
    return { kind: 'formed', journal: present.journal(), problems: [] };

  let problems: Problem[] = [];
  let open = present;
  if (open === undefined) {
    if (answers === undefined) throw nothingBegun();
    const found = await examine(env, answers, signal);
    problems = found.problems;
    if (hasErrors(problems)) return { kind: 'problems', problems };
    if (dryRun) return { kind: 'plan', plan: await found.plan(), problems };
    open = await begin(env, answers, await found.plan());
  } else if (answers !== undefined) await takeCodes(open, answers);

  const password = answers?.admin.password;
  try {
    const kind = await runSteps({ env, open, password, signal, stopAfter });
    return { kind, journal: open.journal(), problems };
  } catch (thrown) {
    const { plan, failure } = open.journal();
    const step = plan.steps.find((each) => each.id === failure?.step);
    if (signal.aborted || step === undefined || !claiming.includes(step.kind)) throw thrown;
    await undoSteps({ env, open, signal });
    throw thrown;
  }
}

/** Preflight, and the plan if nothing stands in its way. Changes nothing. */
export async function examine(
  env: FormationEnv,
  answers: Answers,
  signal: AbortSignal,
): Promise<{ problems: Problem[]; plan(): Promise<Plan> }> {
  // Without the agent of this host nothing can be asked at all: told once, not for each host.
  await env.hosts.local.call('getHost');
  const { reports, problems } = await gather(env, answers, signal);
  const images = await env.images();
  return {
    problems: distinct([...problems, ...judge(answers, reports)]),
    plan: async () =>
      planFormation(answers, await passwordHashOf(env, answers), reports, images, newIds(env)),
  };
}

async function passwordHashOf(env: FormationEnv, { admin }: Answers): Promise<string> {
  return admin.passwordHash ?? (await env.hashPassword(admin.password ?? ''));
}

function newIds(env: FormationEnv): PlanIds {
  const mac = [...env.randomBytes(3)].map((byte) => byte.toString(16).padStart(2, '0'));
  return {
    clusterId: env.uuid(),
    etcdToken: Buffer.from(env.randomBytes(16)).toString('hex'),
    engineVm: vmIdSchema.parse(env.uuid()),
    engineMac: ['52', '54', '00', ...mac].join(':'),
    systemDisk: diskIdSchema.parse(env.uuid()),
    dataDisk: diskIdSchema.parse(env.uuid()),
    image: () => imageIdSchema.parse(env.uuid()),
  };
}

/** SHA-256 over all answers but the secret and the passing ones. */
export function digestOf(answers: Answers): string {
  const lasting = {
    ...answers,
    admin: answers.admin.name,
    hosts: answers.hosts.map(({ pairingCode: _, ...host }) => host),
  };
  return createHash('sha256').update(JSON.stringify(lasting)).digest('hex');
}

const codesOf = (answers: Answers): Record<string, string> =>
  Object.fromEntries(
    answers.hosts.flatMap(({ name, pairingCode }) =>
      pairingCode === undefined ? [] : [[name, pairingCode]],
    ),
  );

async function begin(env: FormationEnv, answers: Answers, plan: Plan): Promise<OpenJournal> {
  const journal: Journal = {
    format: 1,
    state: 'forming',
    startedAt: env.now().toISOString(),
    answersDigest: digestOf(answers),
    plan,
    bricks: {},
    done: [],
    undone: [],
  };
  return await createJournal(env.directory, journal, { format: 1, pairingCodes: codesOf(answers) });
}

/** A host that was not paired yet may show another code by now. */
async function takeCodes(open: OpenJournal, answers: Answers): Promise<void> {
  if (open.secrets().authorityKey === undefined && open.journal().authority !== undefined) return;
  await open.changeSecrets((secrets) => {
    secrets.pairingCodes = codesOf(answers);
  });
}

async function checkSame(
  { state, plan, answersDigest }: Journal,
  answers: Answers | undefined,
): Promise<void> {
  const { name } = plan.cluster;
  if (state === 'undoing')
    throw new AppError({
      code: 'formation.undoing',
      family: 'conflict',
      message: `The formation of the cluster ${name} is being taken back.`,
      remedy: 'Run "trefoil-installer undo" to its end first.',
    });
  if (answers === undefined) return;
  const { password } = answers.admin;
  const same =
    digestOf(answers) === answersDigest &&
    (password === undefined || (await isPassword(password, plan.admin.passwordHash)));
  if (same) return;
  throw state === 'formed'
    ? new AppError({
        code: 'formation.formed',
        family: 'conflict',
        message: `This host already belongs to the cluster ${name}.`,
        remedy: 'Use its page, or install the host anew to form another cluster.',
      })
    : new AppError({
        code: 'formation.other-answers',
        family: 'conflict',
        message: `The formation of the cluster ${name} was begun with other answers.`,
        remedy: 'Go on with the same answers, or take it back first: "trefoil-installer undo".',
      });
}

const nothingBegun = (): AppError =>
  new AppError({
    code: 'formation.none',
    family: 'invalid',
    message: 'No formation was begun on this host, and no answers were given.',
    remedy: 'Give an answer file: "trefoil-installer form --answers FILE".',
  });

/** Takes back the formation that was begun on this host. The caller holds the lock. */
export async function undo(env: FormationEnv, signal: AbortSignal): Promise<void> {
  const open = await openJournal(env.directory);
  if (open === undefined)
    throw new AppError({
      code: 'formation.none',
      family: 'missing',
      message: 'No formation was begun on this host, so there is nothing to undo.',
    });
  await undoSteps({ env, open, signal });
}
