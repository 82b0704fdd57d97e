import { createParser } from 'eventsource-parser';
import { AppError } from '../../node/contract/error.ts';
import { type Event, liveMessageSchema } from '../contract/events.ts';
import { show } from './commands-vms.ts';
import type { Command, Context } from './env.ts';
import { need } from './find.ts';
import { follow } from './jobs.ts';
import { mib, table } from './table.ts';

const eventLine = (event: Event): string =>
  `${event.at}  ${event.severity.padEnd(7)}  ${event.message}${event.user === undefined ? '' : ` (${event.user})`}`;

async function status(context: Context): Promise<void> {
  const overview = await context.client.call('getOverview');
  show(context, overview, () => [
    overview.headline,
    `Can a host be lost? ${overview.canLoseAHost.answer}: ${overview.canLoseAHost.why}`,
    `Hosts ${overview.hosts.online}/${overview.hosts.total} online, VMs ${overview.vms.running}/${overview.vms.total} running, ` +
      `memory ${mib(overview.memory.usedMiB)} of ${mib(overview.memory.totalMiB)}, ` +
      `storage ${mib(overview.storage.usedMiB)} of ${mib(overview.storage.totalMiB)}`,
    ...overview.problems.map(
      ({ severity, message, remedy }) => `${severity}: ${message}${remedy === undefined ? '' : ` ${remedy}`}`,
    ),
  ]);
}

async function hosts(context: Context): Promise<void> {
  const { items } = await context.client.call('listHosts', { query: { limit: 500 } });
  show(context, items, () =>
    table(
      ['name', 'state', 'address', 'vms', 'memory free', 'cpu', 'version', 'why'],
      items.map((host) => [
        host.runsEngine ? `${host.name} *` : host.name,
        host.maintenance === undefined ? host.state : `${host.state}, maintenance`,
        host.address,
        String(host.vmCount),
        `${mib(host.memory.availableMiB)} of ${mib(host.memory.totalMiB)}`,
        `${host.cpu.busyPercent} % of ${host.cpu.threads}`,
        host.version,
        host.reason,
      ]),
    ),
  );
}

async function addHost(context: Context): Promise<void> {
  const wanted = need(context.args, 0, 'host');
  const code = need(context.args, 1, 'code it shows on its console');
  const { items } = await context.client.call('listDiscoveredHosts');
  const found = items.find(({ id, name, addresses }) => [id, name, ...addresses].includes(wanted));
  const address = found?.addresses[0];
  if (found === undefined || address === undefined)
    throw new AppError({
      code: 'host.not-found',
      family: 'missing',
      message: `Scanning has not found a host ${wanted}.`,
      remedy: 'See "trefoil hosts discovered".',
    });
  const name = typeof context.options['name'] === 'string' ? context.options['name'] : found.name;
  const { jobId } = await context.client.call('addHost', { body: { id: found.id, address, name, code } });
  await follow(context, jobId);
}

async function followEvents({ env, session, json }: Context): Promise<void> {
  const fetchIt = env.fetchWith(session.trust);
  const answer = await fetchIt(`${session.url}/api/v1/events`, {
    headers: { accept: 'text/event-stream', authorization: `Bearer ${session.token}` },
    signal: env.signal,
  });
  if (!answer.ok || answer.body === null)
    throw new AppError({
      code: 'session.required',
      family: 'denied',
      message: 'The engine does not tell its events.',
      remedy: 'Log in again.',
    });
  const parser = createParser({
    onEvent: ({ data }) => {
      const parsed = liveMessageSchema.safeParse(JSON.parse(data));
      if (!parsed.success || parsed.data.kind !== 'event') return;
      env.out(json ? JSON.stringify(parsed.data.event) : eventLine(parsed.data.event));
    },
  });
  const decoder = new TextDecoder();
  const reader = answer.body.getReader();
  env.signal.addEventListener('abort', () => void reader.cancel().catch(() => {}), { once: true });
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parser.feed(decoder.decode(value, { stream: true }));
  }
}

export const commands: Record<string, Command> = {
  status: { usage: 'status', help: 'is everything fine, can a host be lost?', run: status },
  'hosts list': { usage: 'hosts list', help: 'the hosts; * runs the engine', run: hosts },
  'hosts discovered': {
    usage: 'hosts discovered',
    help: 'hosts that scanning found',
    run: async (context) => {
      const { items } = await context.client.call('listDiscoveredHosts');
      show(context, items, () =>
        table(
          ['name', 'addresses', 'machine', 'cpus', 'memory', 'version'],
          items.map((host) => [
            host.name,
            host.addresses.join(' '),
            host.machine,
            String(host.cpuThreads),
            mib(host.memoryMiB),
            host.version,
          ]),
        ),
      );
    },
  },
  'hosts add': {
    usage: 'hosts add NAME|ADDRESS CODE [--name NAME]',
    help: 'pair with a discovered host by the code on its console',
    run: addHost,
  },
  'jobs list': {
    usage: 'jobs list [--active]',
    help: 'jobs, newest first',
    run: async (context) => {
      const state = context.options['active'] === true ? 'active' : 'all';
      const { items } = await context.client.call('listJobs', { query: { state, limit: 50 } });
      show(context, items, () =>
        table(
          ['id', 'state', 'done', 'title', 'why'],
          items.map((job) => [
            job.id,
            job.state,
            `${Math.round(job.progress * 100)} %`,
            job.title,
            job.error?.message ?? '',
          ]),
        ),
      );
    },
  },
  'jobs cancel': {
    usage: 'jobs cancel ID',
    help: 'cancel a job; what it did is undone',
    run: async (context) => {
      const job = await context.client.call('cancelJob', { params: { id: need(context.args, 0, 'job') } });
      show(context, job, () => [`${job.title}: ${job.state}`]);
    },
  },
  'jobs wait': {
    usage: 'jobs wait ID',
    help: 'wait for the end of a job',
    run: (context) => follow({ ...context, wait: true }, need(context.args, 0, 'job')),
  },
  events: {
    usage: 'events [--follow]',
    help: 'what happened, newest last; --follow goes on as it happens',
    run: async (context) => {
      const { items } = await context.client.call('listEvents', { query: { limit: 30 } });
      const inOrder = [...items].reverse();
      if (context.json && context.options['follow'] !== true) context.env.out(JSON.stringify(inOrder));
      else
        for (const event of inOrder) context.env.out(context.json ? JSON.stringify(event) : eventLine(event));
      if (context.options['follow'] === true) await followEvents(context);
    },
  },
  volumes: {
    usage: 'volumes',
    help: 'volumes, their copies and what is left to heal',
    run: async (context) => {
      const { items } = await context.client.call('listVolumes');
      show(context, items, () =>
        table(
          ['name', 'state', 'layout', 'free', 'to heal', 'summary'],
          items.map((volume) => [
            volume.name,
            volume.state,
            volume.layout,
            `${mib(volume.freeMiB)} of ${mib(volume.sizeMiB)}`,
            String(volume.healPending),
            volume.summary,
          ]),
        ),
      );
    },
  },
  images: {
    usage: 'images',
    help: 'images that disks can be made from',
    run: async (context) => {
      const { items } = await context.client.call('listImages', { query: { limit: 500 } });
      show(context, items, () =>
        table(
          ['name', 'format', 'size', 'volume'],
          items.map((image) => [image.name, image.format, mib(image.sizeMiB), image.volume]),
        ),
      );
    },
  },
};
