/** A small cluster as it may look on an ordinary day, for pictures and for tests without hosts. */
import type { Event } from '../../../engine/contract/events.ts';
import type { Overview } from '../../../engine/contract/health.ts';
import { type DiscoveredHost, discoveredHostSchema, type Host } from '../../../engine/contract/hosts.ts';
import type { Job } from '../../../engine/contract/jobs.ts';
import { type Image, imageSchema, type Volume, volumeSchema } from '../../../engine/contract/storage.ts';
import type { Vm } from '../../../engine/contract/vms.ts';
import { makeEvent, makeHost, makeJob, makeOverview, makeVm, uuid } from './samples.ts';

export type World = {
  overview: Overview;
  hosts: Host[];
  vms: Vm[];
  volumes: Volume[];
  images: Image[];
  jobs: Job[];
  events: Event[];
  discovered: DiscoveredHost[];
  serial: string;
};
const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();

export function makeWorld(): World {
  const hosts = [
    makeHost({
      id: uuid(101),
      name: 'host1',
      address: '10.77.0.11',
      storageAddress: '10.77.1.11',
      runsEngine: true,
      vmCount: 5,
      machine: 'Dell PowerEdge T150',
      bootedAt: ago(900_000),
      lastSeenAt: ago(1),
      cpu: { model: 'Intel Xeon E-2314', threads: 8, busyPercent: 23, accelerator: 'kvm' },
      memory: { totalMiB: 65_536, availableMiB: 41_200 },
    }),
    makeHost({
      id: uuid(102),
      name: 'host2',
      address: '10.77.0.12',
      storageAddress: '10.77.1.12',
      vmCount: 4,
      machine: 'Dell PowerEdge T150',
      bootedAt: ago(880_000),
      lastSeenAt: ago(1),
      cpu: { model: 'Intel Xeon E-2314', threads: 8, busyPercent: 9, accelerator: 'kvm' },
      memory: { totalMiB: 65_536, availableMiB: 47_900 },
    }),
    makeHost({
      id: uuid(103),
      name: 'host3',
      address: '10.77.0.13',
      storageAddress: '10.77.1.13',
      vmCount: 3,
      machine: 'HPE ProLiant ML30',
      bootedAt: ago(400_000),
      lastSeenAt: ago(1),
      cpu: { model: 'Intel Xeon E-2434', threads: 8, busyPercent: 41, accelerator: 'kvm' },
      memory: { totalMiB: 65_536, availableMiB: 30_300 },
    }),
  ];
  const on = (index: number) => ({ id: hosts[index]!.id, name: hosts[index]!.name });
  const image = { id: uuid(301) as never, name: 'Debian 13' };
  const rows: [string, string, Partial<Vm>][] = [
    [
      'engine',
      'The cluster’s own management',
      {
        state: 'running',
        host: on(0),
        isEngine: true,
        cpus: 2,
        memoryMiB: 2048,
        cpuBusyPercent: 4,
        memoryUsedMiB: 900,
      },
    ],
    [
      'files',
      'Shared folders',
      { state: 'running', host: on(0), cpus: 4, memoryMiB: 8192, cpuBusyPercent: 7, memoryUsedMiB: 5100 },
    ],
    [
      'mail',
      'Mail and calendar',
      { state: 'running', host: on(1), cpus: 4, memoryMiB: 8192, cpuBusyPercent: 12, memoryUsedMiB: 6300 },
    ],
    [
      'erp-db',
      'PostgreSQL of the ERP',
      {
        state: 'running',
        host: on(2),
        cpus: 8,
        memoryMiB: 16_384,
        cpuBusyPercent: 38,
        memoryUsedMiB: 12_900,
      },
    ],
    [
      'erp-app',
      'ERP application server',
      { state: 'migrating', host: on(2), cpus: 4, memoryMiB: 8192, cpuBusyPercent: 21, jobId: uuid(401) },
    ],
    [
      'web01',
      'Public web site',
      { state: 'running', host: on(1), cpus: 2, memoryMiB: 2048, cpuBusyPercent: 3, memoryUsedMiB: 800 },
    ],
    [
      'web02',
      'Public web site',
      { state: 'running', host: on(0), cpus: 2, memoryMiB: 2048, cpuBusyPercent: 4, memoryUsedMiB: 810 },
    ],
    ['wiki', '', { state: 'running', host: on(1), cpus: 1, memoryMiB: 1024, cpuBusyPercent: 0.4 }],
    ['build', 'Builds at night', { state: 'off', cpus: 8, memoryMiB: 16_384 }],
    ['test-win', 'Windows to try things', { state: 'off', cpus: 4, memoryMiB: 8192 }],
    ['monitoring', '', { state: 'running', host: on(2), cpus: 2, memoryMiB: 4096, cpuBusyPercent: 9 }],
    [
      'old-crm',
      'Kept for the archive',
      { state: 'crashed', reason: 'The guest’s kernel panicked.', cpus: 2, memoryMiB: 4096 },
    ],
  ];
  const vms = rows.map(([name, description, more], index) =>
    makeVm({
      id: uuid(index + 1),
      name,
      description,
      image,
      ...(more.host === undefined ? {} : { startedAt: ago(86_400 * (index + 1)) }),
      nics: [
        {
          network: 'mgmt' as never,
          mac: `52:54:00:3c:10:${(index + 16).toString(16)}`,
          addresses: more.host === undefined ? [] : [`10.77.0.${101 + index}`],
        },
      ],
      disks: [
        {
          id: uuid(700 + index) as never,
          name: 'root',
          volume: 'data' as never,
          sizeMiB: 40_960,
          format: 'qcow2',
        },
      ],
      ...(more as object),
    }),
  );
  const brick = (host: string, volume: string) => ({
    host,
    path: `/var/lib/trefoil/bricks/${volume}/brick`,
    online: true,
    missingFrom: [],
    healPending: 0,
  });
  const volume = (name: string, forVms: boolean, sizeMiB: number, freeMiB: number) =>
    volumeSchema.parse({
      name,
      state: 'healthy',
      summary: 'All three copies are the same, and every host sees every brick.',
      layout: 'replica-3',
      forVms,
      sizeMiB,
      freeMiB,
      healPending: 0,
      splitBrain: 0,
      bricks: ['host1', 'host2', 'host3'].map((host) => brick(host, name)),
      checkedAt: ago(8),
    });
  const images = [
    ['Debian 13', 'qcow2', 3072],
    ['Ubuntu 26.04', 'qcow2', 3584],
    ['Windows Server 2025', 'raw', 65_536],
  ].map(([name, format, sizeMiB], index) =>
    imageSchema.parse({
      id: uuid(301 + index),
      name,
      format,
      sizeMiB,
      volume: 'data',
      createdAt: ago(86_400 * (3 + index)),
    }),
  );
  const step = (name: string, title: string, state: string) => ({ name, title, state, detail: '' }) as never;
  const jobs = [
    makeJob({
      id: uuid(401),
      kind: 'vm.migrate',
      title: 'Move erp-app to host2',
      progress: 0.62,
      secondsLeft: 14,
      steps: [
        step('a', 'Prepare host2', 'done'),
        step('b', 'Copy memory', 'running'),
        step('c', 'Switch over', 'waiting'),
      ],
      subject: { kind: 'vm', id: uuid(5), name: 'erp-app' },
      createdAt: ago(21),
    }),
    makeJob({
      id: uuid(402),
      kind: 'vm.start',
      title: 'Start web02',
      state: 'done',
      progress: 1,
      canCancel: false,
      steps: [step('a', 'Choose a host', 'done'), step('b', 'Start on host1', 'done')],
      subject: { kind: 'vm', id: uuid(7), name: 'web02' },
      createdAt: ago(3700),
      endedAt: ago(3697),
    }),
    makeJob({
      id: uuid(403),
      kind: 'vm.create',
      title: 'Create VM build-arm',
      state: 'failed',
      progress: 0.5,
      canCancel: false,
      error: {
        code: 'volume.full',
        family: 'unavailable',
        message: 'The volume data has no room for 2 TiB.',
        remedy: 'Choose a smaller disk, or add a host.',
        retry: 'never',
      },
      steps: [step('a', 'Reserve the name', 'undone'), step('b', 'Make the disk', 'failed')],
      createdAt: ago(7300),
      endedAt: ago(7298),
    }),
  ];
  const said: [number, Event['severity'], string][] = [
    [21, 'info', 'The move of erp-app from host3 to host2 began.'],
    [3697, 'info', 'web02 started on host1.'],
    [5200, 'info', 'The volume data is healthy again: nothing waits to be healed.'],
    [5420, 'warning', 'host3 was reconnected to the brick on host2; its mount had lost it.'],
    [9100, 'error', 'old-crm crashed: the guest’s kernel panicked.'],
    [90_000, 'info', 'host3 joined the cluster.'],
    [90_400, 'info', 'The image Debian 13 was uploaded.'],
  ];
  const events = said.map(([seconds, severity, message], index) =>
    makeEvent({ id: 1000 - index, at: ago(seconds), severity, message }),
  );
  return {
    overview: makeOverview({
      state: 'fine',
      headline: 'All three hosts are up, every volume is healthy, and 9 of 12 VMs run.',
      canLoseAHost: {
        answer: 'yes',
        why: 'Every disk is stored on three hosts, and none waits to be healed.',
      },
      hosts: { total: 3, online: 3 },
      vms: { total: 12, running: 9 },
      memory: { totalMiB: 196_608, usedMiB: 77_208 },
      cpu: { threads: 24, busyPercent: 24 },
      storage: { totalMiB: 3_800_000, usedMiB: 1_180_000 },
    }),
    hosts,
    vms,
    volumes: [volume('data', true, 3_700_000, 2_560_000), volume('engine', false, 100_000, 60_000)],
    images,
    jobs,
    events,
    discovered: [
      discoveredHostSchema.parse({
        id: uuid(190),
        name: 'trefoil-9f2c',
        version: '0.1.0',
        state: 'unjoined',
        addresses: ['10.77.0.57'],
        port: 7440,
        fingerprint: 'a'.repeat(64),
        machine: 'Dell PowerEdge T150',
        cpuThreads: 8,
        memoryMiB: 65_536,
        diskCount: 3,
        seenAt: ago(1),
      }),
    ],
    serial: Array.from(
      { length: 60 },
      (_, index) => `[${(index * 0.13).toFixed(3).padStart(9)}] tick ${index}`,
    ).join('\n'),
  };
}
