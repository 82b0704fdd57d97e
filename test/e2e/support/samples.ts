/** Whole, valid things of the public API for tests: give what matters, the rest is filled in. */
import { type Event, eventSchema } from '../../../engine/contract/events.ts';
import { type Overview, overviewSchema } from '../../../engine/contract/health.ts';
import { type Host, hostSchema } from '../../../engine/contract/hosts.ts';
import { type Job, jobSchema } from '../../../engine/contract/jobs.ts';
import { type Image, imageSchema } from '../../../engine/contract/storage.ts';
import { type Vm, vmSchema } from '../../../engine/contract/vms.ts';

/** A stable UUID for a small number. */
export const uuid = (number: number): string =>
  `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;

const at = '2026-11-22T10:00:00.000Z';

type Loose<T> = { [K in keyof T]?: T[K] extends string | undefined ? string : T[K] | undefined };

export const makeVm = (given: Loose<Vm> = {}): Vm =>
  vmSchema.parse({
    id: uuid(1),
    name: 'web01',
    description: '',
    state: 'off',
    reason: '',
    cpus: 2,
    memoryMiB: 2048,
    disks: [{ id: uuid(2), name: 'root', volume: 'data', sizeMiB: 10_240, format: 'qcow2' }],
    nics: [{ network: 'mgmt', mac: '52:54:00:00:00:01', addresses: [] }],
    isEngine: false,
    ha: { enabled: false, priority: 'normal' },
    createdAt: at,
    ...given,
  });

export const makeHost = (given: Loose<Host> = {}): Host =>
  hostSchema.parse({
    id: uuid(101),
    name: 'host1',
    address: '10.77.0.11',
    storageAddress: '10.77.1.11',
    state: 'online',
    reason: 'It answers.',
    version: '0.1.0',
    cpu: { model: 'Xeon', threads: 8, busyPercent: 12, accelerator: 'kvm' },
    memory: { totalMiB: 32_768, availableMiB: 20_000 },
    machine: 'Server',
    vmCount: 3,
    runsEngine: false,
    ...given,
  });

export const makeImage = (given: Loose<Image> = {}): Image =>
  imageSchema.parse({
    id: uuid(301),
    name: 'Debian 13',
    volume: 'data',
    format: 'qcow2',
    sizeMiB: 400,
    createdAt: at,
    ...given,
  });

export const makeJob = (given: Loose<Job> = {}): Job =>
  jobSchema.parse({
    id: uuid(201),
    kind: 'vm.create',
    title: 'Create VM web01',
    state: 'running',
    progress: 0.4,
    steps: [],
    user: 'admin',
    canCancel: true,
    createdAt: at,
    ...given,
  });

export const makeEvent = (given: Loose<Event> = {}): Event =>
  eventSchema.parse({ id: 1, at, severity: 'info', code: 'vm.started', message: 'web01 started.', ...given });

export const makeOverview = (given: Loose<Overview> = {}): Overview =>
  overviewSchema.parse({
    state: 'fine',
    headline: 'All three hosts are up.',
    canLoseAHost: { answer: 'yes', why: 'Every volume is stored three times.' },
    problems: [],
    hosts: { total: 3, online: 3 },
    vms: { total: 2, running: 1 },
    memory: { totalMiB: 98_304, usedMiB: 30_000 },
    cpu: { threads: 24, busyPercent: 9 },
    storage: { totalMiB: 1_000_000, usedMiB: 250_000 },
    ...given,
  });
