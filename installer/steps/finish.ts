import { AppError } from '../../node/contract/error.ts';
import { removeSecrets } from '../journal/journal.ts';
import { addressOf } from '../net/ipv4.ts';
import { etcdMembersOf, firstOf } from '../plan/model.ts';
import { agentOf, need, type StepContext, type StepWork, until } from './model.ts';
import { sickVolumes } from './storage.ts';

const checkMs = 3 * 60_000;

/** Everything once more, from every host and through the engine: what is not well yet, in sentences. */
async function complaints(context: StepContext): Promise<string[]> {
  const { plan } = context;
  const members = await Promise.all(
    etcdMembersOf(plan).map(async (host) => ({ host, status: await agentOf(context, host).call('getEtcd') })),
  );
  const vm = await agentOf(context, firstOf(plan)).call('getVm', { params: { id: plan.engine.spec.id } });
  return [
    ...members
      .filter(({ status }) => !status.healthy)
      .map(({ host, status }) => `The cluster store on ${host.name} is not well: ${status.reason}.`),
    ...(vm.state === 'running' ? [] : [`The engine's VM is ${vm.state}.`]),
    ...(await sickVolumes(context)),
    ...(await engineComplaints(context)),
  ];
}

async function engineComplaints({ env, plan, open, password }: StepContext): Promise<string[]> {
  const engine = env.engine(addressOf(plan.engine.address), need(open.journal().authority, 'an authority'));
  if ((await engine.health())?.state !== 'ready') return ['The engine does not answer.'];
  // Gone on without the answer file: nobody here knows the password, and the health route must do.
  if (password === undefined) return [];
  const view = await engine.look({ name: plan.admin.name, password });
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

export const selfCheck: StepWork = {
  run: async (context) => {
    let wrong: string[] = [];
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
        wrong = await complaints(context);
        if (wrong[0] !== undefined) context.detail(wrong[0]);
        return wrong.length === 0 ? true : undefined;
      },
    );
  },
};

export const tidy: StepWork = {
  run: ({ env }) => removeSecrets(env.directory),
};
