import { AppError } from '../../node/contract/error.ts';
import { fenceDeviceIdSchema } from '../../node/contract/fence.ts';
import { type HostId, hostIdSchema } from '../../node/contract/ids.ts';
import type { FenceDeviceSight, FenceDeviceTested } from '../contract/fence.ts';
import { show } from './commands-vms.ts';
import type { Command, Context } from './env.ts';
import { findHost, need } from './find.ts';
import { table } from './table.ts';

const usage = (message: string, remedy?: string): AppError =>
  new AppError({
    code: 'cli.usage',
    family: 'invalid',
    message,
    ...(remedy === undefined ? {} : { remedy }),
  });

const textOf = (context: Context, name: string): string | undefined => {
  const value = context.options[name];
  return typeof value === 'string' ? value : undefined;
};
const listOf = (context: Context, name: string): string[] => {
  const value = context.options[name];
  return Array.isArray(value) ? value : [];
};

const hostOf = async (context: Context): Promise<{ id: HostId; name: string }> => {
  const { id, name } = await findHost(context, need(context.args, 0, 'host'));
  return { id: hostIdSchema.parse(id), name };
};

async function list(context: Context): Promise<void> {
  const { hosts } = await context.client.call('getHa');
  const [wanted] = context.args;
  const only = wanted === undefined ? undefined : (await hostOf(context)).id;
  const rows = hosts
    .filter(({ id }) => only === undefined || id === only)
    .flatMap(({ name, fenceDevices }) => fenceDevices.map((device) => ({ host: name, ...device })));
  show(context, rows, () =>
    table(
      ['host', 'order', 'agent', 'address', 'plug', 'state', 'id', 'says'],
      rows.map((device) => [
        device.host,
        String(device.order),
        device.agent,
        device.options['ip'] ?? '-',
        device.options['plug'] ?? '-',
        device.state,
        device.id,
        device.lacking.length === 0
          ? device.says
          : `${device.says} Without its password: ${device.lacking.map(({ name }) => name).join(', ')}.`,
      ]),
    ),
  );
}

async function agents(context: Context): Promise<void> {
  const { items } = await context.client.call('listFenceKinds');
  const [wanted] = context.args;
  if (wanted === undefined)
    return show(context, items, () =>
      table(
        ['agent', 'what it is'],
        items.map(({ name, label }) => [name, label]),
      ),
    );
  const kind = items.find(({ name }) => name === wanted || name === `fence_${wanted}`);
  if (kind === undefined) throw usage(`There is no fence agent ${wanted}.`, 'See "trefoil fence agents".');
  show(context, kind, () => [
    `${kind.name}: ${kind.label}`,
    ...table(
      ['option', 'type', 'needed', 'default', 'what it is'],
      kind.parameters.map((each) => [
        each.name,
        each.options === undefined ? each.type : each.options.join('|'),
        each.required ? 'yes' : '',
        each.default ?? '',
        each.shortdesc,
      ]),
    ),
  ]);
}

/** `--set ip=10.0.0.5 --set username=admin` */
function optionsOf(context: Context): Record<string, string> {
  return Object.fromEntries(
    listOf(context, 'set').map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw usage(`"${text}" is no OPTION=VALUE.`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/**
 * Never as arguments: asked for at a terminal, else the lines of the standard input, in the order of `--secret`. Without
 * `--secret` it is the password; an empty input gives none.
 */
async function secretsOf(context: Context): Promise<Record<string, string>> {
  const names = listOf(context, 'secret');
  const wanted = names.length === 0 ? ['password'] : names;
  const given: Array<[string, string]> = [];
  if (context.env.interactive)
    for (const name of wanted) given.push([name, await context.env.ask(`${name}: `, { secret: true })]);
  else {
    const lines = (await context.env.readInput()).split(/\r?\n/);
    given.push(...wanted.map((name, at): [string, string] => [name, lines[at] ?? '']));
  }
  return Object.fromEntries(given.filter(([, value]) => value !== ''));
}

const agentOf = (context: Context): string => {
  const agent = textOf(context, 'agent');
  if (agent === undefined) throw usage('Say which --agent.', 'See "trefoil fence agents".');
  return agent.startsWith('fence_') ? agent : `fence_${agent}`;
};

const told = (tested: FenceDeviceTested): string[] => [
  tested.says,
  ...tested.answers.map(({ host, says }) => `  ${host.name}: ${says}`),
];

async function deviceOf(context: Context, host: { id: string; name: string }): Promise<FenceDeviceSight> {
  const { items } = await context.client.call('listFenceDevices', {
    params: { id: hostIdSchema.parse(host.id) },
  });
  const wanted = textOf(context, 'device') ?? context.args[1];
  if (wanted === undefined && items.length === 1 && items[0] !== undefined) return items[0];
  const found = items.find(({ id }) => id === wanted);
  if (found !== undefined) return found;
  throw usage(
    wanted === undefined
      ? `${host.name} has ${items.length} fence devices: say which.`
      : `${host.name} has no fence device ${wanted}.`,
    'See "trefoil fence list".',
  );
}

async function test(context: Context): Promise<void> {
  const host = await hostOf(context);
  const params = { id: host.id };
  let tested: FenceDeviceTested;
  if (textOf(context, 'agent') === undefined) {
    const { id, agent, options } = await deviceOf(context, host);
    tested = await context.client.call('testFenceDevice', { params, body: { agent, options, device: id } });
  } else {
    const body = { agent: agentOf(context), options: optionsOf(context), secrets: await secretsOf(context) };
    tested = await context.client.call('testFenceDevice', { params, body });
  }
  show(context, tested, () => told(tested));
  if (!tested.ok)
    throw new AppError({ code: 'fence.test-failed', family: 'conflict', message: 'The test failed.' });
}

async function add(context: Context): Promise<void> {
  const host = await hostOf(context);
  const order = Number(textOf(context, 'order') ?? 0);
  if (!Number.isInteger(order) || order < 0 || order > 9) throw usage('--order is a number from 0 to 9.');
  const body = {
    agent: agentOf(context),
    options: optionsOf(context),
    secrets: await secretsOf(context),
    order,
  };
  const device = await context.client.call('createFenceDevice', { params: { id: host.id }, body });
  const { id, agent, options } = device;
  const tested = await context.client.call('testFenceDevice', {
    params: { id: host.id },
    body: { agent, options, device: id },
  });
  show(context, { device, tested }, () => [`${host.name} has the fence device ${id} now.`, ...told(tested)]);
}

async function remove(context: Context): Promise<void> {
  const host = await hostOf(context);
  const device = fenceDeviceIdSchema.parse(need(context.args, 1, 'fence device (its id)'));
  await context.client.call('deleteFenceDevice', { params: { id: host.id, device } });
  show(context, { id: device }, () => [`The fence device ${device} of ${host.name} is deleted.`]);
}

export const fenceCommands: Record<string, Command> = {
  'fence list': {
    usage: 'fence list [HOST]',
    help: 'fence devices, and whether they answer',
    run: list,
  },
  'fence agents': {
    usage: 'fence agents [AGENT]',
    help: 'kinds of fence devices, or the options of one',
    run: agents,
  },
  'fence add': {
    usage: 'fence add HOST --agent AGENT --set OPTION=VALUE ... [--secret NAME ...] [--order N]',
    help: 'add a fence device and test it; the password is asked for, or the standard input',
    run: add,
  },
  'fence test': {
    usage:
      'fence test HOST [DEVICE] | fence test HOST --agent AGENT --set OPTION=VALUE ... [--secret NAME ...]',
    help: 'ask a device for its status from every host that would use it; exit code 1 when it fails',
    run: test,
  },
  'fence delete': {
    usage: 'fence delete HOST DEVICE',
    help: 'forget a fence device and its password',
    run: remove,
  },
};
