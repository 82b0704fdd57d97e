import { AppError } from '../../node/contract/error.ts';
import type { Join } from '../../node/contract/pairing.ts';
import { type Authority, issue, leafDays, makeAuthority, sign } from '../pki/authority.ts';
import type { PlanHost } from '../plan/model.ts';
import { agentOf, late, need, type StepContext, type StepWork, subjectHost, until } from './model.ts';

const installerDays = 30;
const leaveMs = 120_000;

const authorityOf = ({ open }: StepContext): Authority => ({
  certificate: need(open.journal().authority, 'an authority'),
  key: need(open.secrets().authorityKey, "the authority's key"),
});

/** CA, the installer's own certificate and the engine's, all before any host is touched. */
export const authority: StepWork = {
  isDone: async ({ open }) => {
    const { installer, engine, authorityKey } = open.secrets();
    const made = installer !== undefined && engine !== undefined && authorityKey !== undefined;
    return made && open.journal().authority !== undefined;
  },
  run: async ({ env, open, plan }) => {
    const now = env.now();
    const made = await makeAuthority(plan.cluster.name, now);
    const installer = await issue(
      made,
      { id: 'installer', role: 'installer', names: [], days: installerDays },
      now,
    );
    const { names } = plan.engine;
    const engine = await issue(made, { id: 'engine', role: 'engine', names, days: leafDays }, now);
    await open.changeSecrets((secrets) => {
      Object.assign(secrets, { authorityKey: made.key, installer, engine });
    });
    await open.change({ authority: made.certificate });
  },
};

async function membershipFor(context: StepContext, host: PlanHost, csr: string): Promise<Join> {
  const { env, plan } = context;
  const made = authorityOf(context);
  const names = [host.name, host.address, host.storageAddress, '127.0.0.1', 'localhost'];
  const certificate = await sign(made, csr, { id: host.id, role: 'host', names, days: leafDays }, env.now());
  return {
    clusterId: plan.cluster.id,
    clusterName: plan.cluster.name,
    hostName: host.name,
    certificate,
    caCertificate: made.certificate,
  };
}

const elsewhere = (host: PlanHost): AppError =>
  new AppError({
    code: 'host.joined',
    family: 'conflict',
    message: `${host.name} has meanwhile joined another cluster.`,
    remedy: 'Let it leave that cluster, or form this one without it.',
  });

const notSame = (host: PlanHost): AppError =>
  new AppError({
    code: 'host.other-machine',
    family: 'conflict',
    message: `Another machine answers at the address of ${host.name} now.`,
    remedy: 'Give each machine an address of its own, and begin again.',
  });

/** The first host becomes the cluster's through its unix socket. */
export const join: StepWork = {
  isDone: async (context) => {
    const host = subjectHost(context);
    const { membership, id } = await context.env.hosts.local.call('getHost');
    if (id !== host.id) throw notSame(host);
    if (membership.state === 'unjoined') return false;
    if (membership.clusterId !== context.plan.cluster.id) throw elsewhere(host);
    return true;
  },
  run: async (context) => {
    const host = subjectHost(context);
    const { csr } = await context.env.hosts.localCsr();
    await context.env.hosts.localJoin(await membershipFor(context, host, csr));
  },
  undo: async ({ env, plan }) => {
    const { membership } = await env.hosts.local.call('getHost');
    if (membership.state === 'joined' && membership.clusterId === plan.cluster.id)
      await env.hosts.local.call('leave');
  },
};

/** Another host becomes the cluster's: the first host runs the exchange with its code, we sign. */
export const pair: StepWork = {
  isDone: async (context) => {
    const host = subjectHost(context);
    const seen = await announced(context, host);
    if (seen.id !== host.id) throw notSame(host);
    if (seen.state === 'unjoined') return false;
    if (await isOurs(context, host)) return true;
    throw elsewhere(host);
  },
  run: async (context) => {
    const host = subjectHost(context);
    const code = context.open.secrets().pairingCodes[host.name];
    if (code === undefined) throw noCode(host);
    const { local } = context.env.hosts;
    const started = await local.call('startPairing', { body: { address: host.foundAt, code } });
    if (started.hostId !== host.id) {
      await local.call('deletePairing', { params: { id: started.id } });
      throw notSame(host);
    }
    const body = await membershipFor(context, host, started.csr);
    await local.call('finishPairing', { params: { id: started.id }, body });
  },
  undo: async (context) => {
    const host = subjectHost(context);
    const left = async () => {
      const seen = await announced(context, host);
      return seen.id === host.id && seen.state === 'unjoined' ? true : undefined;
    };
    if ((await left()) === true) return;
    if (!(await isOurs(context, host))) return;
    // Its answer may be lost: leaving takes back its networks and ends its connections.
    await agentOf(context, host)
      .call('leave')
      .catch((thrown: unknown) => {
        if (!(thrown instanceof AppError) || thrown.family !== 'unavailable') throw thrown;
      });
    await until(
      context,
      {
        deadlineMs: leaveMs,
        otherwise: late(
          'host.still-joined',
          `${host.name} was asked to leave the cluster and has not done so.`,
          'See the log of trefoil-node on it, then run "trefoil-installer undo" again.',
        ),
      },
      left,
    );
  },
};

/** Of a joined host: whether it is this cluster's. Another cluster's does not even show a certificate that we trust. */
async function isOurs(context: StepContext, host: PlanHost): Promise<boolean> {
  try {
    const { membership } = await agentOf(context, host).call('getHost');
    return membership.state === 'joined' && membership.clusterId === context.plan.cluster.id;
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'host.not-ours') return false;
    throw thrown;
  }
}

/** At the address it has, or had before its networks were set up. */
async function announced({ env }: StepContext, host: PlanHost) {
  try {
    return await env.hosts.announcement(host.foundAt, host.name);
  } catch (thrown) {
    if (host.address === host.foundAt) throw thrown;
    return await env.hosts.announcement(host.address, host.name);
  }
}

const noCode = (host: PlanHost): AppError =>
  new AppError({
    code: 'pairing.no-code',
    family: 'invalid',
    message: `The pairing code of ${host.name} is not known any more.`,
    remedy: 'Run the formation again with the answer file that has it.',
  });
