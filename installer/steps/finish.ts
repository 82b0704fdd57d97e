import { AppError } from '../../node/contract/error.ts';
import type { EngineSession, EngineView } from '../engine/engine.ts';
import { removeSecrets } from '../journal/journal.ts';
import { addressOf } from '../net/ipv4.ts';
import { etcdMembersOf } from '../plan/model.ts';
import { engineVm } from './engine.ts';
import { agentOf, need, type StepContext, type StepWork, until } from './model.ts';
import { sickVolumes } from './storage.ts';

const checkMs = 3 * 60_000;

/** Everything once more, from every host and through the engine: what is not well yet, in sentences. */
async function complaints(context: StepContext, engine: EngineSession | undefined): Promise<string[]> {
  const { plan } = context;
  const members = await Promise.all(
    etcdMembersOf(plan).map(async (host) => ({ host, status: await agentOf(context, host).call('getEtcd') })),
  );
  const vm = await engineVm(context);
  return [
    ...members
      .filter(({ status }) => !status.healthy)
      .map(({ host, status }) => `The cluster store on ${host.name} is not well: ${status.reason}.`),
    ...(vm?.state === 'running' ? [] : [`The engine's VM is ${vm?.state ?? 'not there'}.`]),
    ...(await sickVolumes(context)),
    ...(engine === undefined ? [] : engineComplaints(context, await engine.look())),
  ];
}

function engineComplaints({ plan }: StepContext, view: EngineView): string[] {
  return [
    ...plan.hosts.flatMap(({ name }) => {
      const host = view.hosts.find((each) => each.name === name);
      if (host === undefined) return [`The engine does not know ${name}.`];
      return host.state === 'online' ? [] : [`For the engine ${name} is ${host.state}: ${host.reason}`];
    }),
    ...plan.volumes.flatMap(({ name }) => {
      const volume = view.volumes.find((each) => each.name === name);
      if (volume === undefined) return [`The engine does not know the volume ${name}.`];
      return volume.state === 'healthy'
        ? []
        : [`For the engine ${name} is ${volume.state}: ${volume.summary}`];
    }),
  ];
}

/** Gone on without the answer file nobody here knows the password: then the hosts' own word must do. */
async function logIn({ env, plan, open, password, detail }: StepContext): Promise<EngineSession | undefined> {
  if (password === undefined) return undefined;
  detail('Logging in');
  const engine = env.engine(addressOf(plan.engine.address), need(open.journal().authority, 'an authority'));
  return await engine.logIn({ name: plan.admin.name, password });
}

export const selfCheck: StepWork = {
  run: async (context) => {
    const session = await logIn(context);
    let wrong: string[] = [];
    try {
      await until(
        context,
        {
          deadlineMs: checkMs,
          everyMs: 1_000,
          otherwise: () =>
            new AppError({
              code: 'cluster.unwell',
              family: 'unavailable',
              message: wrong.join(' '),
              remedy: 'Mend what is named and run the formation again: it only checks once more.',
            }),
        },
        async () => {
          wrong = await complaints(context, session);
          if (wrong[0] !== undefined) context.detail(wrong[0]);
          return wrong.length === 0 ? true : undefined;
        },
      );
    } finally {
      await session?.end();
    }
  },
};

export const tidy: StepWork = {
  run: ({ env }) => removeSecrets(env.directory),
};
