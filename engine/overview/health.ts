import type { Health } from '../contract/health.ts';

/** How the engine is, for those who wait for it: asked often, so the database is asked at most twice a second. */
export function makeHealth(env: {
  version: string;
  started(): boolean;
  ping(deadlineMs: number): Promise<void>;
  now(): number;
}): () => Promise<Health> {
  let last: { at: number; answer: Promise<boolean> } | undefined;
  const databaseAnswers = (): Promise<boolean> => {
    if (last === undefined || env.now() - last.at > 500)
      last = {
        at: env.now(),
        answer: env.ping(1_500).then(
          () => true,
          () => false,
        ),
      };
    return last.answer;
  };
  return async () => {
    const { version } = env;
    if (!(await databaseAnswers())) return { state: 'database-down', version };
    return { state: env.started() ? 'ready' : 'starting', version };
  };
}
