import { AppError } from '../../node/contract/error.ts';
import { show } from './commands-vms.ts';
import type { Command, Context } from './env.ts';
import { findHost, need } from './find.ts';
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

export const haCommands: Record<string, Command> = {
  'ha status': {
    usage: 'ha status',
    help: 'is HA armed, how are the hosts, who has which VM, may a host be lost?',
    run: status,
  },
  'ha timeline': { usage: 'ha timeline', help: 'what HA saw and decided, newest last', run: timeline },
  'ha confirm-off': {
    usage: 'ha confirm-off HOST [--name HOST]',
    help: 'swear that a lost host is off, so that its VMs start elsewhere',
    run: confirmOff,
  },
};
