import { makeEngineClient, makeFetchSend } from '../../engine/contract/client.ts';
import type { ImageId } from '../../node/contract/ids.ts';
import type { FakeWorld } from '../fakes/hosts/model.ts';
import { eventually } from '../support/eventually.ts';

type Believable = {
  name: string;
  cpus: number;
  memoryMiB: number;
  diskMiB: number;
  start: boolean;
  description: string;
  /** false: when its host is lost it waits for it */
  ha?: boolean;
};
/** Some life in the cluster, made through the public API as a person would. */
const believable: readonly Believable[] = [
  { name: 'web01', cpus: 2, memoryMiB: 2048, diskMiB: 20_480, start: true, description: 'Web shop, first' },
  { name: 'web02', cpus: 2, memoryMiB: 2048, diskMiB: 20_480, start: true, description: 'Web shop, second' },
  { name: 'db01', cpus: 4, memoryMiB: 8192, diskMiB: 102_400, start: true, description: 'PostgreSQL' },
  { name: 'mail', cpus: 2, memoryMiB: 4096, diskMiB: 61_440, start: true, description: '', ha: false },
  {
    name: 'files',
    cpus: 2,
    memoryMiB: 4096,
    diskMiB: 204_800,
    start: true,
    description: 'Shares of the office',
  },
  {
    name: 'build',
    cpus: 8,
    memoryMiB: 8192,
    diskMiB: 81_920,
    start: false,
    description: 'Only on release days',
  },
  {
    name: 'old-erp',
    cpus: 2,
    memoryMiB: 2048,
    diskMiB: 40_960,
    start: false,
    description: 'Kept for the auditors',
  },
];

export async function fillWithVms(
  world: FakeWorld,
  baseUrl: string,
  password: string,
  more: number,
): Promise<void> {
  let token: string | undefined;
  const client = makeEngineClient(makeFetchSend({ baseUrl, token: () => token }));
  token = (await client.call('createSession', { body: { name: 'admin', password } })).token;
  await eventually(
    'the hosts to be online',
    async () => (await client.call('listHosts')).items.every(({ state }) => state === 'online'),
    { deadlineMs: 30_000 },
  );
  const images = await eventually('the images', async () => {
    const { items } = await client.call('listImages');
    return items.length > 1 && items;
  });
  const imageId = images[0]?.id as ImageId | undefined;
  if ((await client.call('listVms')).total > 1) return;
  const { pace } = world;
  world.pace = 0;
  const filler: Believable[] = Array.from({ length: more }, (_, index) => ({
    name: `vm${String(index + 1).padStart(4, '0')}`,
    cpus: 1,
    memoryMiB: 64,
    diskMiB: 2048,
    start: index % 3 !== 0,
    description: '',
    // The simulated hosts' HA runs in this process: hundreds of VMs would be measured with it.
    ha: false,
  }));
  for (const { ha, ...vm } of [...believable, ...filler]) {
    const policy = ha === undefined ? {} : { ha: { enabled: ha } };
    const { jobId } = await client.call('createVm', {
      body: { ...vm, ...policy, ...(imageId === undefined ? {} : { imageId }) },
    });
    await eventually(
      'the VM',
      async () => (await client.call('getJob', { params: { id: jobId } })).endedAt !== undefined,
      {
        everyMs: 20,
        deadlineMs: 30_000,
      },
    );
  }
  world.pace = pace;
  await client.call('deleteSession');
}
