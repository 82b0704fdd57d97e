import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  type HaAssignment,
  type HaVm,
  haAssignmentSchema,
  haKeys,
  haReportSchema,
} from '../../node/contract/ha.ts';
import { vmIdSchema } from '../../node/contract/ids.ts';
import { vmSpecSchema } from '../../node/contract/vms.ts';
import { eventually } from '../support/eventually.ts';
import type { Lab, LabHost } from './lab.ts';

/** What HA's tests and benchmarks see and do inside a running lab: by the cluster's own store and the hosts' own agents. */
const tls = '/var/lib/trefoil/identity/tls';
const etcdctl = (...argv: string[]): string[] => [
  'etcdctl',
  '--endpoints=https://127.0.0.1:2379',
  `--cacert=${tls}/ca.pem`,
  `--cert=${tls}/certificate.pem`,
  `--key=${tls}/key.pem`,
  ...argv,
];
const rangeSchema = z.object({
  kvs: z.array(z.object({ key: z.string(), value: z.string() })).default([]),
});
const decode = (text: string): string => Buffer.from(text, 'base64').toString();

export async function readStore(host: LabHost, prefix: string): Promise<Map<string, unknown>> {
  const { stdout } = await host.exec(etcdctl('get', '--prefix', prefix, '--write-out=json'), {
    timeoutMs: 20_000,
  });
  const { kvs } = rangeSchema.parse(JSON.parse(stdout));
  return new Map(
    kvs.map(({ key, value }) => {
      const text = decode(value);
      try {
        return [decode(key), JSON.parse(text)];
      } catch {
        return [decode(key), text];
      }
    }),
  );
}

async function put(host: LabHost, key: string, value: unknown): Promise<void> {
  await host.exec(etcdctl('put', key), { input: JSON.stringify(value), timeoutMs: 20_000 });
}

/** One request to the host's own agent, by its unix socket. */
export async function askAgent(host: LabHost, path: string, method = 'GET'): Promise<unknown> {
  const script = `require('http').request({socketPath:'/run/trefoil/node.sock',path:process.argv[1],method:process.argv[2]},
    (answer) => { let text = ''; answer.on('data', (part) => { text += part; });
      answer.on('end', () => process.stdout.write(text)); }).end();`;
  const { stdout } = await host.exec(['/usr/lib/trefoil/node', '-e', script, path, method], {
    timeoutMs: 30_000,
  });
  return stdout === '' ? undefined : JSON.parse(stdout);
}

const volumesSchema = z.array(z.object({ name: z.string(), state: z.string(), summary: z.string() }));

export type DeclaredVm = { id: string; name: string; disk: string };

/** A VM of the test guest on the volume `data`, kept running by HA. */
export async function declareVm(host: LabHost, name: string, preferredHost?: string): Promise<DeclaredVm> {
  const id = vmIdSchema.parse(randomUUID());
  const disk = `disks/${name}-${id.slice(0, 8)}.qcow2`;
  const volume = '/var/lib/trefoil/volumes/data';
  await host.exec(
    [
      'sh',
      '-c',
      `mkdir -p ${volume}/disks && cp "$(ls ${volume}/images/*.qcow2 | head -1)" ${volume}/${disk}`,
    ],
    { timeoutMs: 120_000 },
  );
  const spec = vmSpecSchema.parse({
    id,
    name,
    cpus: 1,
    memoryMiB: 128,
    disks: [{ serial: 'root', volume: 'data', path: disk, format: 'qcow2', bootOrder: 1 }],
    nics: [],
  });
  const record: HaVm = {
    v: 1,
    id,
    // The test's own names are names.
    name: name as HaVm['name'],
    generation: 1,
    wanted: 'running',
    priority: 500,
    memoryMiB: 128,
    volumes: ['data' as HaVm['volumes'][number]],
    ...(preferredHost === undefined
      ? {}
      : { preferredHost: preferredHost as HaVm['preferredHost'] & string }),
  };
  await put(host, haKeys.spec(id), { v: 1, id, generation: 1, spec });
  await put(host, haKeys.vm(id), record);
  return { id, name, disk };
}

export async function removeVm(lab: Lab, vm: DeclaredVm): Promise<void> {
  const [host] = lab.hosts;
  if (host === undefined) throw new Error('a lab without hosts');
  const records = await readStore(host, haKeys.vm(vm.id));
  for (const [key, value] of records) await put(host, key, { ...(value as HaVm), wanted: 'stopped' });
  await eventually(
    `${vm.name} to end`,
    async () => (await readStore(host, haKeys.assignment(vm.id))).size === 0,
    { deadlineMs: 60_000, everyMs: 500 },
  );
  await host.exec(etcdctl('del', haKeys.vm(vm.id)));
  await host.exec(etcdctl('del', haKeys.spec(vm.id)));
  // As the engine does with VMs of its own: hosts on which it ran still know it.
  for (const one of lab.hosts) await askAgent(one, `/v1/vms/${vm.id}`, 'DELETE');
  await host.exec(['rm', '-f', `/var/lib/trefoil/volumes/data/${vm.disk}`]);
}

export async function assignmentOf(host: LabHost, vm: string): Promise<HaAssignment | undefined> {
  const value = (await readStore(host, haKeys.assignment(vm))).get(haKeys.assignment(vm));
  return value === undefined ? undefined : haAssignmentSchema.parse(value);
}

/** Names of hosts by their ids. */
export async function hostNames(host: LabHost): Promise<Map<string, string>> {
  const hosts = z.object({ id: z.string(), name: z.string() });
  const records = await readStore(host, '/trefoil/v1/hosts/');
  return new Map([...records.values()].map((value) => hosts.parse(value)).map(({ id, name }) => [id, name]));
}

/** Host on which this VM runs, as the host itself reports it. */
export async function runsOn(host: LabHost, vm: string): Promise<string | undefined> {
  const reports = await readStore(host, '/trefoil/v1/ha/reports/');
  for (const value of reports.values()) {
    const report = haReportSchema.parse(value);
    if (report.vms.some((one) => one.vm === vm && one.state === 'running')) return report.host;
  }
  return undefined;
}

/** All hosts report, nothing is fenced or refused, each VM that is given runs, each volume is healthy everywhere. */
export async function untilCalm(lab: Lab, deadlineMs = 300_000): Promise<number> {
  const began = performance.now();
  await eventually(
    'the cluster to be as before',
    async () => {
      const [first] = lab.hosts;
      if (first === undefined) throw new Error('a lab without hosts');
      const records = await readStore(first, haKeys.prefix).catch(() => new Map<string, unknown>());
      const keys = [...records.keys()];
      const under = (folder: string) => keys.filter((key) => key.startsWith(`${haKeys.prefix}${folder}/`));
      const reports = under('reports').map((key) => haReportSchema.parse(records.get(key)));
      const assignments = under('assignments').map((key) => haAssignmentSchema.parse(records.get(key)));
      if (reports.length < lab.hosts.length || under('fences').length > 0) return undefined;
      if (reports.some(({ barred, silent }) => barred.length > 0 || silent.length > 0)) return undefined;
      const run = assignments.every(({ vm, host, state }) =>
        state === 'given'
          ? reports.some(
              (one) =>
                one.host === host && one.vms.some((each) => each.vm === vm && each.state === 'running'),
            )
          : true,
      );
      if (!run) return undefined;
      for (const host of lab.hosts) {
        const volumes = volumesSchema.parse(await askAgent(host, '/v1/gluster/volumes').catch(() => []));
        if (volumes.length < 2 || volumes.some(({ state }) => state !== 'healthy')) return undefined;
      }
      return true;
    },
    { deadlineMs, everyMs: 1_000 },
  );
  return performance.now() - began;
}
