import type { NodeClient } from '../../node/contract/client.ts';
import { AppError } from '../../node/contract/error.ts';
import type { Identity } from '../agents/exchange.ts';
import type { OpenJournal } from '../journal/journal.ts';
import type { Plan, PlanHost, Step } from '../plan/model.ts';
import type { FormationEnv } from '../run/env.ts';

export type StepContext = {
  env: FormationEnv;
  open: OpenJournal;
  plan: Plan;
  step: Step;
  signal: AbortSignal;
  /** only in memory, and only when the answers gave one */
  password: string | undefined;
  detail(text: string): void;
};

/**
 * What a step does. `run` may be done again over its own half-done work; `isDone` looks at the world, not at the journal;
 * `settle` follows whenever the step is found or made done; `undo` also stands what was never done.
 */
export type StepWork = {
  isDone?(context: StepContext): Promise<boolean>;
  run(context: StepContext): Promise<void>;
  settle?(context: StepContext): Promise<void>;
  undo?(context: StepContext): Promise<void>;
};

export const need = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Error(`formation lacks ${what}`);
  return value;
};

export function subjectHost({ plan, step }: StepContext): PlanHost {
  return need(
    plan.hosts.find((host) => host.name === step.subject),
    `the host of step ${step.id}`,
  );
}

/** The installer's own identity in the cluster. */
export function identityOf({ open }: StepContext): Identity {
  const { installer } = open.secrets();
  return {
    ca: need(open.journal().authority, 'an authority'),
    certificate: need(installer?.certificate, 'a certificate'),
    key: need(installer?.key, 'a key'),
  };
}

/** The first host by its unix socket, the others by mTLS at the address they have or had. */
export function agentOf(context: StepContext, host: PlanHost): NodeClient {
  const { hosts } = context.env;
  if (host.first) return hosts.local;
  const addresses = [host.address, host.foundAt];
  return hosts.remote({ id: host.id, name: host.name, addresses }, identityOf(context));
}

/** Asks again until there is an answer. A failure that time may heal is asked again too; after the deadline it is told. */
export async function until<T>(
  { env, signal }: Pick<StepContext, 'env' | 'signal'>,
  options: { deadlineMs: number; everyMs?: number; otherwise: () => AppError },
  probe: () => Promise<T | undefined>,
): Promise<T> {
  const end = env.monotonic() + options.deadlineMs;
  for (;;) {
    signal.throwIfAborted();
    let failure: unknown;
    try {
      const found = await probe();
      if (found !== undefined) return found;
    } catch (thrown) {
      if (!mayHeal(thrown)) throw thrown;
      failure = thrown;
    }
    if (env.monotonic() >= end) throw failure ?? options.otherwise();
    await env.sleep(options.everyMs ?? 500, signal);
  }
}

export const mayHeal = (thrown: unknown): boolean => thrown instanceof AppError && thrown.retry === 'later';

export const late = (code: string, message: string, remedy: string): (() => AppError) => {
  return () => new AppError({ code, family: 'unavailable', message, remedy });
};
