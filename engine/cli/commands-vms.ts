import { AppError } from '../../node/contract/error.ts';
import { type HaPriority, haPrioritySchema } from '../contract/ha.ts';
import type { Vm, VmCreate } from '../contract/vms.ts';
import type { Command, Context } from './env.ts';
import { findHost, findImage, findVm, need } from './find.ts';
import { follow } from './jobs.ts';
import { mib, parseMib, table } from './table.ts';

export const show = ({ env, json }: Context, value: unknown, lines: () => string[]): void => {
  if (json) env.out(JSON.stringify(value));
  else for (const line of lines()) env.out(line);
};

const text = (options: Context['options'], name: string): string | undefined => {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
};

function size(options: Context['options'], name: string): number | undefined {
  const given = text(options, name);
  if (given === undefined) return undefined;
  const value = parseMib(given);
  if (value !== undefined) return value;
  throw new AppError({
    code: 'cli.usage',
    family: 'invalid',
    message: `--${name} ${given} is no size.`,
    remedy: 'Write it as 512M or 20G.',
  });
}

/** `--ha on|off`, `--priority low|normal|high` */
function haOf(options: Context['options']): { enabled?: boolean; priority?: HaPriority } | undefined {
  const [ha, priority] = [text(options, 'ha'), text(options, 'priority')];
  if (ha === undefined && priority === undefined) return undefined;
  const known = haPrioritySchema.optional().safeParse(priority);
  if ((ha !== undefined && ha !== 'on' && ha !== 'off') || !known.success)
    throw new AppError({
      code: 'cli.usage',
      family: 'invalid',
      message: 'HA is "on" or "off", its priority "low", "normal" or "high".',
    });
  return {
    ...(ha === undefined ? {} : { enabled: ha === 'on' }),
    ...(known.data === undefined ? {} : { priority: known.data }),
  };
}

async function list(context: Context): Promise<void> {
  const search = context.args[0];
  const items: Vm[] = [];
  let after: string | undefined;
  do {
    const page = await context.client.call('listVms', { query: { search, after, limit: 500 } });
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  show(context, items, () =>
    table(
      ['name', 'state', 'host', 'cpus', 'memory', 'disk', 'busy'],
      items.map((vm) => [
        vm.isEngine ? `${vm.name} (engine)` : vm.name,
        vm.state,
        vm.host?.name ?? '-',
        String(vm.cpus),
        mib(vm.memoryMiB),
        mib(vm.disks.reduce((sum, { sizeMiB }) => sum + sizeMiB, 0)),
        vm.cpuBusyPercent === undefined ? '-' : `${vm.cpuBusyPercent} %`,
      ]),
    ),
  );
}

async function create(context: Context): Promise<void> {
  const { options } = context;
  const image = text(options, 'image');
  const found = image === undefined ? undefined : await findImage(context, image);
  const userData = text(options, 'user-data');
  const body: Partial<VmCreate> & Pick<VmCreate, 'name' | 'diskMiB'> = {
    name: need(context.args, 0, 'name it is to have'),
    diskMiB: size(options, 'disk') ?? found?.sizeMiB ?? 10_240,
    start: options['off'] !== true,
  };
  const cpus = text(options, 'cpus');
  const memoryMiB = size(options, 'memory');
  if (cpus !== undefined) body.cpus = Number(cpus);
  if (memoryMiB !== undefined) body.memoryMiB = memoryMiB;
  const ha = haOf(options);
  if (ha !== undefined) body.ha = { priority: 'normal', ...ha };
  if (found !== undefined) body.imageId = found.id;
  if (userData !== undefined) body.cloudInit = { userData: await context.env.readFile(userData) };
  const { jobId } = await context.client.call('createVm', { body });
  await follow(context, jobId);
}

async function act(
  context: Context,
  route: 'startVm' | 'shutdownVm' | 'stopVm' | 'rebootVm' | 'deleteVm',
): Promise<void> {
  const { id } = await findVm(context, need(context.args, 0, 'VM'));
  const { jobId } = await context.client.call(route, { params: { id } });
  await follow(context, jobId);
}

export const vmCommands: Record<string, Command> = {
  'vms list': {
    usage: 'vms list [SEARCH]',
    help: 'the VMs, where they run and how busy they are',
    run: list,
  },
  'vms show': {
    usage: 'vms show NAME',
    help: 'all about one VM, as JSON',
    run: async (context) => {
      const vm = await findVm(context, need(context.args, 0, 'VM'));
      context.env.out(JSON.stringify(vm, undefined, context.json ? undefined : 2));
    },
  },
  'vms create': {
    usage:
      'vms create NAME [--image IMAGE] [--disk 20G] [--cpus N] [--memory 2G] [--user-data FILE] [--ha on|off] [--off]',
    help: 'make a VM and start it',
    run: create,
  },
  'vms ha': {
    usage: 'vms ha NAME [--ha on|off] [--priority low|normal|high]',
    help: 'whether HA keeps it running, and how important it is; turned on or off only while it is off',
    run: async (context) => {
      const vm = await findVm(context, need(context.args, 0, 'VM'));
      const ha = haOf(context.options);
      const now =
        ha === undefined
          ? vm
          : await context.client.call('updateVm', { params: { id: vm.id }, body: { ha } });
      show(context, now.ha, () => [
        `${now.name}: HA is ${now.ha.enabled ? 'on' : 'off'}, priority ${now.ha.priority}`,
      ]);
    },
  },
  'vms start': { usage: 'vms start NAME', help: 'start it', run: (context) => act(context, 'startVm') },
  'vms shutdown': {
    usage: 'vms shutdown NAME',
    help: 'ask its guest to shut down, and wait',
    run: (context) => act(context, 'shutdownVm'),
  },
  'vms stop': { usage: 'vms stop NAME', help: 'cut its power', run: (context) => act(context, 'stopVm') },
  'vms reboot': {
    usage: 'vms reboot NAME',
    help: 'ask its guest to reboot',
    run: (context) => act(context, 'rebootVm'),
  },
  'vms delete': {
    usage: 'vms delete NAME',
    help: 'delete it, with its disks; it must be off',
    run: (context) => act(context, 'deleteVm'),
  },
  'vms migrate': {
    usage: 'vms migrate NAME [HOST]',
    help: 'move it while it runs; without a host the best one is chosen',
    run: async (context) => {
      const { id } = await findVm(context, need(context.args, 0, 'VM'));
      const host = context.args[1] === undefined ? undefined : await findHost(context, context.args[1]);
      const body = host === undefined ? {} : { hostId: host.id };
      const { jobId } = await context.client.call('migrateVm', { params: { id }, body });
      await follow(context, jobId);
    },
  },
  'vms placement': {
    usage: 'vms placement NAME',
    help: 'what speaks for and against each host',
    run: async (context) => {
      const { id } = await findVm(context, need(context.args, 0, 'VM'));
      const { hosts } = await context.client.call('getPlacement', { params: { id } });
      show(context, hosts, () =>
        table(
          ['host', 'fits', 'score', 'why'],
          hosts.map((host) => [
            host.name,
            host.fits ? 'yes' : 'no',
            String(host.score),
            host.reasons.join('; '),
          ]),
        ),
      );
    },
  },
  'vms log': {
    usage: 'vms log NAME',
    help: 'the newest of what it wrote to its serial console',
    run: async (context) => {
      const { id } = await findVm(context, need(context.args, 0, 'VM'));
      context.env.out(await context.client.call('getSerialLog', { params: { id } }));
    },
  },
};
