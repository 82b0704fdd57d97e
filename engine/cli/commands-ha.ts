import { AppError } from '../../node/contract/error.ts';
import { show } from './commands-vms.ts';
import type { Command, Context } from './env.ts';
import { findHost, need } from './find.ts';
import { follow } from './jobs.ts';
import { table } from './table.ts';

async function status(context: Context): Promise<void> {
  const ha = await context.client.call('getHa');
  const proofsOf = ({ proofs }: (typeof ha.hosts)[number]): string =>
    [
      ...(proofs.storage ? ['storage'] : []),
      ...(proofs.device ? ['fence device'] : []),
      ...(proofs.watchdog ? ['watchdog'] : []),
    ].join(', ') || 'a person only';
  show(context, ha, () => [
    `HA is ${ha.armed ? 'armed' : 'not armed'}. ${ha.why}`,
    `May a host be lost? ${ha.admission.answer}: ${ha.admission.why}`,
    ...table(
      ['host', 'state', 'proofs', 'why'],
      ha.hosts.map((host) => [
        host.leads ? `${host.name} *` : host.name,
        host.state,
        proofsOf(host),
        host.why,
      ]),
    ),
    ...table(
      ['vm', 'wanted', 'host', 'epoch', 'why'],
      ha.vms.map((vm) => [
        vm.name,
        vm.wanted,
        vm.movingTo === undefined ? (vm.host?.name ?? '-') : `${vm.host?.name ?? '-'} > ${vm.movingTo.name}`,
        vm.epoch === undefined ? '-' : String(vm.epoch),
        vm.why,
      ]),
    ),
    ...ha.unreadable.map(({ key, reason }) => `unreadable: ${key}. ${reason}`),
  ]);
}

async function timeline(context: Context): Promise<void> {
  const { items } = await context.client.call('listHaTimeline', { query: { limit: 100 } });
  show(context, items, () =>
    [...items]
      .reverse()
      .map(({ at, severity, by, text }) => `${at}  ${severity.padEnd(7)}  ${by.name}: ${text}`),
  );
}

async function confirmOff(context: Context): Promise<void> {
  const host = await findHost(context, need(context.args, 0, 'host'));
  const given = context.options['name'];
  if (typeof given !== 'string' && !context.env.interactive)
    throw new AppError({
      code: 'cli.usage',
      family: 'invalid',
      message: 'Type the name of the host once more with --name.',
    });
  const name =
    typeof given === 'string'
      ? given
      : await context.env.ask(
          `If ${host.name} still runs, disks will be destroyed. Type its name to confirm: `,
        );
  const now = await context.client.call('confirmHostOff', { params: { id: host.id }, body: { name } });
  show(context, now, () => [`${now.name}: ${now.state}. ${now.why}`]);
}

const reasonOf = ({ options }: Context): string =>
  typeof options['reason'] === 'string' ? options['reason'] : '';

async function disarm(context: Context): Promise<void> {
  const minutes = Number(context.options['minutes']);
  if (!Number.isInteger(minutes) || minutes < 1)
    throw new AppError({
      code: 'cli.usage',
      family: 'invalid',
      message: 'Say for how many minutes with --minutes; a day (1440) at most.',
    });
  const ha = await context.client.call('disarmHa', { body: { minutes, reason: reasonOf(context) } });
  show(context, ha, () => [
    `HA is disarmed for ${minutes} min: nothing is done about a lost host until then.`,
  ]);
}

async function arm(context: Context): Promise<void> {
  await context.client.call('armHa');
  show(context, {}, () => ['HA is armed again.']);
}

async function beginMaintenance(context: Context): Promise<void> {
  const host = await findHost(context, need(context.args, 0, 'host'));
  const { jobId } = await context.client.call('beginMaintenance', {
    params: { id: host.id },
    body: { reason: reasonOf(context) },
  });
  await follow(context, jobId);
}

async function endMaintenance(context: Context): Promise<void> {
  const host = await findHost(context, need(context.args, 0, 'host'));
  await context.client.call('endMaintenance', { params: { id: host.id } });
  show(context, {}, () => [`${host.name} may have VMs again.`]);
}

export const haCommands: Record<string, Command> = {
  'ha status': {
    usage: 'ha status',
    help: 'is HA armed, how are the hosts, who has which VM, may a host be lost?',
    run: status,
  },
  'ha disarm': {
    usage: 'ha disarm --minutes N [--reason TEXT]',
    help: 'for planned work: leave lost hosts alone for so long, a day at most',
    run: disarm,
  },
  'ha arm': { usage: 'ha arm', help: 'act upon lost hosts again', run: arm },
  'hosts maintenance': {
    usage: 'hosts maintenance HOST [--reason TEXT]',
    help: 'move all its VMs away while they run, and give it no more',
    run: beginMaintenance,
  },
  'hosts activate': {
    usage: 'hosts activate HOST',
    help: 'end its maintenance: it may have VMs again',
    run: endMaintenance,
  },
  'ha timeline': { usage: 'ha timeline', help: 'what HA saw and decided, newest last', run: timeline },
  'ha confirm-off': {
    usage: 'ha confirm-off HOST [--name HOST]',
    help: 'swear that a lost host is off, so that its VMs start elsewhere',
    run: confirmOff,
  },
};
