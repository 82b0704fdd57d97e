/**
 * `trefoil-ha`: one process on every host that keeps the engine's VM and every HA VM running. With `restore` it only puts
 * the rules against lost hosts in force again and ends: that is done before bricks may serve after a boot.
 */
import { readIfThere } from '../files/atomic.ts';
import { makeLog } from '../log/log.ts';
import { barsOf, forgetCluster, forgetWhatIsLeft, openHaAgent, type Part, readPart } from './live/agent.ts';

const log = makeLog('trefoil-ha');
const options = {
  stateDirectory: process.env['TREFOIL_STATE'] ?? '/var/lib/trefoil',
  runDirectory: process.env['TREFOIL_RUN'] ?? '/run/trefoil',
  log,
};
process.on('unhandledRejection', (reason) => log.error('nobody waited for a failure', reason));

const membershipPath = `${options.stateDirectory}/identity/membership.json`;
const lookMs = 1_000;

async function waitForPart(): Promise<Part> {
  for (;;) {
    const part = await readPart(options).catch((error: unknown) => {
      log.error('this host’s part in the cluster is not readable', error);
      return undefined;
    });
    // Whoever was stopped while it forgot left something: rules of a cluster that is gone must not bind a free host.
    if (part === undefined)
      await forgetWhatIsLeft(options).catch((error) => log.error('a former cluster is not forgotten', error));
    if (part !== undefined) return part;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

if (process.argv[2] === 'restore') {
  // A file that cannot be read must not keep the host from starting: the store says again whom to refuse.
  await barsOf(options)
    .restore()
    .catch((error) => log.error('rules against lost hosts are not in force again', error));
} else {
  log.info('waiting until this host belongs to a cluster');
  const part = await waitForPart();
  const agent = await openHaAgent(options, part);
  let isStopping = false;
  const stop = async (why: string, hasLeft = false) => {
    if (isStopping) return;
    isStopping = true;
    log.info('stopping', { why });
    setTimeout(() => process.exit(1), 8_000).unref();
    await agent.close();
    // What was kept for that cluster means nothing to another one.
    if (hasLeft) await forgetCluster(options);
    process.exit(0);
  };
  process.once('SIGTERM', () => void stop('SIGTERM'));
  process.once('SIGINT', () => void stop('SIGINT'));
  // A host that has left its cluster, or belongs to another one: systemd starts this anew.
  setInterval(() => {
    void readIfThere(membershipPath).then((text) => {
      if (text === undefined || !text.includes(part.joinedAt))
        void stop('this host has left its cluster', true);
    });
  }, lookMs);
}
