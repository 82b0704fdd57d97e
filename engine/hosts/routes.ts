import { AppError } from '../../node/contract/error.ts';
import type { Some } from '../api/handler.ts';
import { pageOfList } from '../api/page.ts';
import type { DiscoveredHost, Host } from '../contract/hosts.ts';
import type { Jobs } from '../jobs/runner.ts';
import type { HostEntry, Hosts } from './hosts.ts';

export type HostRoutesEnv = { hosts: Hosts; jobs: Jobs; view(entry: HostEntry): Host };

const askMs = 5_000;

/** What all hosts that answer have found, each once. */
async function discovered(hosts: Hosts): Promise<DiscoveredHost[]> {
  const signal = AbortSignal.timeout(askMs);
  const online = hosts.online();
  const answers = await Promise.allSettled(
    online.map((entry) => entry.link.client.call('getDiscovered', {}, { signal })),
  );
  const found = new Map<string, DiscoveredHost>();
  for (const answer of answers) {
    if (answer.status === 'rejected') continue;
    for (const host of answer.value.hosts)
      if (host.state === 'unjoined' && hosts.get(host.id) === undefined) found.set(host.id, host);
  }
  const failed = answers.find((answer) => answer.status === 'rejected');
  if (
    failed !== undefined &&
    failed.status === 'rejected' &&
    answers.every(({ status }) => status === 'rejected')
  )
    throw failed.reason;
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export const hostRoutes = ({
  hosts,
  jobs,
  view,
}: HostRoutesEnv): Some<'listHosts' | 'listDiscoveredHosts' | 'getHost' | 'addHost'> => ({
  async listHosts({ query }) {
    const all = hosts
      .all()
      .map(view)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return pageOfList(all, query, (host) => host.name);
  },
  async listDiscoveredHosts() {
    return { items: await discovered(hosts) };
  },
  async getHost({ params }) {
    return view(hosts.need(params.id));
  },
  async addHost({ body, caller }) {
    const known = hosts.get(body.id);
    if (known !== undefined)
      throw new AppError({
        code: 'host.already-member',
        family: 'conflict',
        message: `${known.record.name} is already a host of this cluster.`,
      });
    for (const { record } of hosts.all()) {
      if (record.name === body.name || record.address === body.address)
        throw new AppError({
          code: 'host.name-taken',
          family: 'conflict',
          message:
            record.name === body.name
              ? `There is already a host called ${body.name}.`
              : `${record.name} already has the address ${body.address}.`,
          remedy: 'Choose another name, or look at the list of discovered hosts again.',
        });
    }
    const jobId = await jobs.submit({
      kind: 'host.add',
      title: `Add host ${body.name}`,
      input: body,
      subject: { kind: 'host', id: body.id, name: body.name },
      locks: [`host:${body.id}`, 'cluster:members'],
      user: caller.name,
    });
    return { jobId };
  },
});
