import { createHash } from 'node:crypto';
import type { JobRecord } from '../../../engine/jobs/model.ts';
import { macOf, nodeSpecOf, type VmRecord, vmRecordSchema } from '../../../engine/vms/model.ts';
import type { HostId, ImageId } from '../../../node/contract/ids.ts';
import type { FakeVm } from '../../fakes/hosts/model.ts';

/** What the cluster holds, made of numbers alone: two processes make the same without telling each other. */
const dayMs = 24 * 60 * 60_000;
/** Not so old that the engine forgets it. */
const began = (Math.floor(Date.now() / dayMs) - 30) * dayMs;
const purposes = ['web', 'db', 'mail', 'files', 'build', 'erp', 'desktop', 'monitor'] as const;

export function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Three of four run, spread over the hosts; one of four is off. */
export function vmOf(index: number, hosts: readonly HostId[], imageId: ImageId): VmRecord {
  const id = uuidOf(`vm ${index}`);
  const diskId = uuidOf(`disk ${index}`);
  const off = index % 4 === 3;
  const purpose = purposes[index % purposes.length] ?? 'vm';
  return vmRecordSchema.parse({
    id,
    name: `${purpose}-${String(index).padStart(5, '0')}`,
    description: index % 3 === 0 ? `Serves the ${purpose} of department ${index % 40}` : '',
    lifecycle: 'present',
    power: off ? 'off' : 'running',
    generation: 3,
    hostId: off ? null : hosts[index % hosts.length],
    hardware: {
      cpus: 1 + (index % 4),
      memoryMiB: 1024,
      cpuModel: 'qemu64',
      disks: [
        {
          id: diskId,
          name: 'disk1',
          volume: 'data',
          path: `disks/${diskId}.qcow2`,
          format: 'qcow2',
          sizeMiB: 20_480,
        },
      ],
      nics: [{ network: 'mgmt', mac: macOf(id, 0) }],
      cloudInit: {
        metaData: `instance-id: ${id}\nlocal-hostname: ${purpose}-${index}\n`,
        userData: '#cloud-config\n',
      },
    },
    imageId,
    imageName: 'Practice image',
    note: '',
    isEngine: false,
    haEnabled: false,
    haPriority: 'normal',
    createdAt: new Date(began + index * 60_000),
  });
}

/** As its host has it, when it runs. */
export const fakeVmOf = (record: VmRecord): FakeVm => ({
  spec: nodeSpecOf(record),
  generation: record.generation,
  power: 'running',
  state: 'running',
  reason: 'booted',
  startedAt: record.createdAt.toISOString(),
  serial: '',
});

const steps = ['record', 'disks', 'ready', 'place', 'start'];

/** The job that made it. */
export const jobOf = (record: VmRecord): Omit<JobRecord, 'number' | 'id'> & { id: string } => ({
  id: uuidOf(`job ${record.id}`),
  kind: 'vm.create',
  title: `Create ${record.name}`,
  state: 'done',
  input: { id: record.id, name: record.name, record, disks: [], start: true },
  memory: record.hostId === null ? {} : { hostId: record.hostId },
  steps: steps.map((name) => ({
    name,
    title: `Do the step ${name}`,
    state: 'done',
    detail: '',
    startedAt: began,
    tookMs: 120,
  })),
  locks: [`vm:${record.id}`],
  subject: { kind: 'vm', id: record.id, name: record.name },
  userName: 'admin',
  error: null,
  cancelRequested: false,
  createdAt: record.createdAt,
  endedAt: new Date(record.createdAt.getTime() + 4_000),
});

export const eventsPerVm = 4;
export const eventOf = (record: VmRecord, index: number) => ({
  at: new Date(record.createdAt.getTime() + index * 3_600_000),
  severity: 'info',
  code: index === 0 ? 'vm.created' : 'vm.started',
  message: index === 0 ? `${record.name} was created.` : `${record.name} was started on host1.`,
  subject: { kind: 'vm', id: record.id, name: record.name },
  userName: 'admin',
  jobId: uuidOf(`job ${record.id}`),
});
