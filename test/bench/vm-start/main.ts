/**
 * A VM's start and creation through the engine's API beside the bare tools, in a running lab: `npm run bench:vm-start`.
 * See README.md.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argv, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { createParser } from 'eventsource-parser';
import { Agent, fetch as undiciFetch } from 'undici';
import { type EngineClient, makeEngineClient, makeFetchSend } from '../../../engine/contract/client.ts';
import { type LiveMessage, liveMessageSchema } from '../../../engine/contract/events.ts';
import type { Vm } from '../../../engine/contract/vms.ts';
import { readClusterFile } from '../../lab/cluster-file.ts';
import { type LabHost, openLab } from '../../lab/lab.ts';
import { eventually } from '../../support/eventually.ts';

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    prefix: { type: 'string', default: 'tf' },
    rounds: { type: 'string', default: '6' },
    creations: { type: 'string', default: '4' },
    output: { type: 'string', default: '.cache/bench/vm-start.json' },
  },
});
const say = (text: string) => void stdout.write(`${text}\n`);

/** VMs as the live stream tells them, as a page sees them; asking again and again would take the engine's time. */
class Watch {
  readonly #states = new Map<string, Vm['state']>();
  #wake: () => void = () => {};

  take(message: LiveMessage): void {
    if (message.kind === 'vm') this.#states.set(message.vm.id, message.vm.state);
    this.#wake();
  }
  forget(id: string): void {
    this.#states.delete(id);
  }
  async until(id: string, state: Vm['state']): Promise<void> {
    const signal = AbortSignal.timeout(120_000);
    while (this.#states.get(id) !== state) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 1_000).unref();
      });
    }
  }
}

async function follow(
  watch: Watch,
  get: (path: string, headers: object) => Promise<Response>,
): Promise<void> {
  const answer = await get('/api/v1/events', { accept: 'text/event-stream' });
  if (answer.body === null) throw new Error('the live stream is empty');
  const parser = createParser({
    onEvent: ({ data }) => watch.take(liveMessageSchema.parse(JSON.parse(data))),
  });
  const decoder = new TextDecoder();
  void (async () => {
    // Node's streams can be iterated, whatever the DOM's types say.
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>)
      parser.feed(decoder.decode(chunk, { stream: true }));
  })().catch(() => {});
}

async function connect(watch: Watch): Promise<EngineClient> {
  const cluster = await readClusterFile(values.prefix);
  if (cluster === undefined) throw new Error('there is no running cluster: npm run up');
  const { engine } = cluster;
  // The lab's forward has another name than the certificate; its authority is still the cluster's own.
  const dispatcher = new Agent({ connect: { ca: engine.ca, checkServerIdentity: () => undefined } });
  let token: string | undefined;
  // undici's fetch is the one that Node has built in; only its types are a world of their own.
  const fetchIt = ((input: string, init: object) =>
    undiciFetch(input, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
  const client = makeEngineClient(makeFetchSend({ baseUrl: engine.url, fetch: fetchIt, token: () => token }));
  const body = { name: engine.user, password: engine.password };
  token = (await client.call('createSession', { body })).token;
  await follow(watch, (path, headers) =>
    fetchIt(`${engine.url}${path}`, { headers: { ...headers, authorization: `Bearer ${token}` } }),
  );
  return client;
}

const untilState = (client: EngineClient, id: string, state: Vm['state']) =>
  eventually(
    `the VM to be ${state}`,
    async () => {
      const vm = await client.call('getVm', { params: { id } });
      return vm.state === state && vm.jobId === undefined && vm;
    },
    { deadlineMs: 120_000, everyMs: 200 },
  );
async function clocked(body: () => Promise<unknown>): Promise<number> {
  const before = performance.now();
  await body();
  return performance.now() - before;
}
const median = (samples: readonly number[]): number =>
  [...samples].sort((a, b) => a - b)[Math.floor(samples.length / 2)] ?? Number.NaN;

/** Milliseconds that a command takes inside the host; the shell's clock is read right before and after. */
async function clockedInHost(host: LabHost, command: string): Promise<number> {
  const script = `s=$(date +%s%N); { ${command}; } >/dev/null || exit 1; e=$(date +%s%N); echo $(( (e - s) / 1000 ))`;
  const { stdout: text } = await host.exec(['sh', '-c', script], { timeoutMs: 120_000 });
  return Number(text.trim()) / 1000;
}

/**
 * The domain as libvirt has it now, but nobody's: the agent must not take it for one of ours. Its seed goes when our VM
 * ends, so it gets a copy.
 */
async function bareXml(host: LabHost, vm: Vm, disk?: string): Promise<string> {
  await host.exec(['cp', '--archive', `${data}/seeds/${vm.id}.raw`, `${data}/seeds/${seedCopy}`]);
  const { stdout: xml } = await host.exec([
    'virsh',
    'dumpxml',
    '--migratable',
    `${vm.name}-${vm.id.slice(0, 8)}`,
  ]);
  const bare = xml
    .replace(`seeds/${vm.id}.raw`, `seeds/${seedCopy}`)
    .replace(/<metadata>[\s\S]*?<\/metadata>/, '')
    .replace(/<name>[^<]*<\/name>/, `<name>bare-${vm.id.slice(0, 8)}</name>`)
    .replace(/<uuid>[^<]*<\/uuid>/, `<uuid>${randomUUID()}</uuid>`);
  return disk === undefined ? bare : bare.replace(/(disks\/)[0-9a-f-]{36}\.qcow2/, `$1${disk}`);
}
const data = '/var/lib/trefoil/volumes/data';
const seedCopy = 'bench.raw';
const bareName = (vm: Vm) => `bare-${vm.id.slice(0, 8)}`;
const xmlFile = '/run/trefoil-bench.xml';
async function removeBare(host: LabHost, vm: Vm): Promise<void> {
  await host.exec(['virsh', 'destroy', bareName(vm)], { okExitCodes: [0, 1], timeoutMs: 60_000 });
  await host.exec(['rm', '-f', `${data}/seeds/${seedCopy}`]);
}

type Samples = { api: number[]; bare: number[]; answered: number[] };
const watch = new Watch();
const client = await connect(watch);
const lab = await openLab({ prefix: values.prefix });
const image = (await client.call('listImages')).items[0];
if (image === undefined) throw new Error('the cluster has no image');

const make = async (name: string, start: boolean) => {
  const { id } = await client.call('createVm', {
    body: { name, imageId: image.id, diskMiB: Math.max(256, image.sizeMiB), memoryMiB: 128, start },
  });
  return id;
};
const stop = async (id: string) => {
  await client.call('stopVm', { params: { id } });
  await untilState(client, id, 'off');
};
const remove = async (id: string) => {
  const vm = await client.call('getVm', { params: { id } }).catch(() => undefined);
  if (vm === undefined) return;
  if (vm.state !== 'off') await stop(id);
  await client.call('deleteVm', { params: { id } });
  await eventually(
    'it to be gone',
    async () => (await client.call('getVm', { params: { id } }).catch(() => undefined)) === undefined,
    { deadlineMs: 60_000 },
  );
};

async function measureStart(): Promise<Samples> {
  const samples: Samples = { api: [], bare: [], answered: [] };
  const id = await make(`bench-${randomUUID().slice(0, 8)}`, false);
  try {
    await untilState(client, id, 'off');
    // The first round warms both: files in caches, compiled code.
    for (let round = -1; round < Number(values.rounds); round++) {
      let answered = 0;
      watch.forget(id);
      const api = await clocked(async () => {
        answered = await clocked(() => client.call('startVm', { params: { id } }));
        await watch.until(id, 'running');
      });
      const vm = await untilState(client, id, 'running');
      const host = lab.host(vm.host?.name ?? '');
      await host.write(xmlFile, await bareXml(host, vm));
      await stop(id);
      const bare = await clockedInHost(host, `virsh -q create ${xmlFile}`);
      await removeBare(host, vm);
      if (round < 0) continue;
      samples.api.push(api);
      samples.answered.push(answered);
      samples.bare.push(bare);
      say(
        `start ${round + 1}: API ${api.toFixed(0)} ms (answered after ${answered.toFixed(0)}), bare ${bare.toFixed(0)} ms`,
      );
    }
  } finally {
    await remove(id);
  }
  return samples;
}

async function measureCreate(): Promise<Samples> {
  const samples: Samples = { api: [], bare: [], answered: [] };
  for (let round = -1; round < Number(values.creations); round++) {
    let id = '';
    let answered = 0;
    const api = await clocked(async () => {
      answered = await clocked(async () => {
        id = await make(`bench-${randomUUID().slice(0, 8)}`, true);
      });
      await watch.until(id, 'running');
    });
    const vm = await untilState(client, id, 'running');
    const host = lab.host(vm.host?.name ?? '');
    const disk = `bench-${vm.id.slice(0, 8)}.qcow2`;
    await host.write(xmlFile, await bareXml(host, vm, disk));
    await stop(id);
    const template = `${data}/images/${image?.id}.${image?.format}`;
    const copy = `qemu-img convert -q -U -f ${image?.format} -O qcow2 ${template} ${data}/disks/${disk} && chown --reference=${data}/seeds/${seedCopy} ${data}/disks/${disk}`;
    const bare = await clockedInHost(host, `${copy} && virsh -q create ${xmlFile}`);
    await removeBare(host, vm);
    await host.exec(['rm', '-f', `${data}/disks/${disk}`]);
    await remove(id);
    if (round < 0) continue;
    samples.api.push(api);
    samples.answered.push(answered);
    samples.bare.push(bare);
    say(
      `create ${round + 1}: API ${api.toFixed(0)} ms (answered after ${answered.toFixed(0)}), bare ${bare.toFixed(0)} ms`,
    );
  }
  return samples;
}

const idle: number[] = [];
for (let count = 0; count < 40; count++) idle.push(await clocked(() => client.call('getHealth')));
const start = await measureStart();
const create = await measureCreate();
const summary = {
  unit: 'ms',
  idleRequest: median(idle),
  start: { api: median(start.api), bare: median(start.bare), samples: start },
  create: { api: median(create.api), bare: median(create.bare), samples: create },
};
const startGoal = 1.2 * summary.start.bare + 100;
const createGoal = Math.min(5_000, 1.1 * summary.create.bare);
say(`\na request that does nothing: ${summary.idleRequest.toFixed(1)} ms`);
say(
  `start:  API ${summary.start.api.toFixed(0)} ms, bare ${summary.start.bare.toFixed(0)} ms, goal ${startGoal.toFixed(0)} ms: ${summary.start.api <= startGoal ? 'met' : 'missed'}`,
);
say(
  `create: API ${summary.create.api.toFixed(0)} ms, bare ${summary.create.bare.toFixed(0)} ms, goal ${createGoal.toFixed(0)} ms: ${summary.create.api <= createGoal ? 'met' : 'missed'}`,
);
await client.call('deleteSession');
mkdirSync(dirname(values.output), { recursive: true });
writeFileSync(
  join(values.output),
  `${JSON.stringify({ ...summary, goalMet: { start: summary.start.api <= startGoal, create: summary.create.api <= createGoal } }, null, 2)}\n`,
);
say(`written to ${values.output}`);
