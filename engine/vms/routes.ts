import { randomUUID } from 'node:crypto';
import { AppError } from '../../node/contract/error.ts';
import { diskIdSchema, type VmId, vmIdSchema } from '../../node/contract/ids.ts';
import type { Call, Caller, Some } from '../api/handler.ts';
import { consolePath } from '../contract/routes.ts';
import type { Volume } from '../contract/storage.ts';
import { statesAllowing, type Vm, type VmAction, type VmCreate, vmActionsByState } from '../contract/vms.ts';
import { isHaByDefault, whyNoHa } from '../ha/policy.ts';
import { isThere } from '../ha/view.ts';
import { isMember } from '../hosts/hosts.ts';
import type { Jobs } from '../jobs/runner.ts';
import { place } from '../scheduler/decide.ts';
import type { ImageRecord, Images } from '../storage/images.ts';
import { needSpace, usableVolume } from '../storage/routes.ts';
import { needsOf } from './candidates.ts';
import type { Tickets } from './console.ts';
import { type VmsEnv, vmKey } from './env.ts';
import { diskPuts, mountsVolume } from './job-create.ts';
import { migrationTarget } from './job-migrate.ts';
import { cloudInitOf, macOf, type VmRecord } from './model.ts';
import { choose, noHostFits } from './steps.ts';

export type VmRoutesEnv = Pick<VmsEnv, 'catalog' | 'hosts' | 'candidates' | 'ha'> & {
  touched(id: VmId): void;
  jobs: Jobs;
  images: Images;
  tickets: Tickets;
  now(): Date;
  view(record: VmRecord): Vm;
  volumes(): Volume[];
  networks(): ReadonlyArray<{ name: string }>;
  /** the CPU that VMs see, so that they can move between the hosts */
  cpuModel(): string;
};

type Names =
  | 'listVms'
  | 'createVm'
  | 'getVm'
  | 'updateVm'
  | 'deleteVm'
  | 'startVm'
  | 'shutdownVm'
  | 'stopVm'
  | 'rebootVm'
  | 'migrateVm'
  | 'getPlacement'
  | 'createConsoleTicket'
  | 'getSerialLog';

const doingWords: Record<VmAction, string> = {
  start: 'started',
  shutdown: 'shut down',
  stop: 'stopped',
  reboot: 'rebooted',
  migrate: 'moved',
  delete: 'deleted',
  console: 'looked at',
  edit: 'changed',
};

/** The one guard before any action: the same table disables the UI's buttons. */
export function guard(record: VmRecord, view: Vm, action: VmAction): void {
  if (record.isEngine && action !== 'console')
    throw new AppError({
      code: 'vm.is-engine',
      family: 'conflict',
      message: `${record.name} is the VM in which this engine runs; it cannot be ${doingWords[action]} from here.`,
    });
  const allowed: readonly VmAction[] = vmActionsByState[view.state];
  if (allowed.includes(action)) return;
  const why = view.reason === '' ? '' : ` ${view.reason}`;
  throw new AppError({
    code: 'vm.not-in-this-state',
    family: 'conflict',
    message: `${record.name} is ${view.state} and cannot be ${doingWords[action]} now.${why}`,
    retry: 'later',
    details: { state: view.state, allowedStates: statesAllowing(action) },
  });
}

export const vmRoutes = (env: VmRoutesEnv): Some<Names> => {
  const guarded = (id: VmId, action: VmAction): VmRecord => {
    const record = env.catalog.need(id);
    guard(record, env.view(record), action);
    return record;
  };
  const submit = async (
    record: Pick<VmRecord, 'id' | 'name'>,
    caller: Caller,
    kind: string,
    title: string,
    parts: { input?: object; supersedes?: readonly string[] } = {},
  ) => ({
    jobId: await env.jobs.submit({
      kind,
      title: `${title} ${record.name}`,
      input: { id: record.id, name: record.name, ...parts.input },
      subject: { kind: 'vm', id: record.id, name: record.name },
      locks: [vmKey(record.id)],
      user: caller.name,
      ...(parts.supersedes === undefined ? {} : { supersedes: parts.supersedes }),
    }),
  });
  return {
    async listVms({ query }) {
      const { items, next, total } = env.catalog.page(query);
      return { items: items.map(env.view), total, ...(next === undefined ? {} : { next }) };
    },
    getVm: async ({ params }) => env.view(env.catalog.need(params.id)),
    createVm: (call) => create(env, call),
    async updateVm({ params, body }) {
      const before = guarded(params.id, 'edit');
      const enabled = body.ha?.enabled ?? before.haEnabled;
      if (enabled !== before.haEnabled) mayTurn(env, before, enabled);
      const record = await env.catalog.update(params.id, (now) => ({
        haEnabled: body.ha?.enabled ?? now.haEnabled,
        haPriority: body.ha?.priority ?? now.haPriority,
        name: body.name ?? now.name,
        description: body.description ?? now.description,
        hardware: {
          ...now.hardware,
          cpus: body.cpus ?? now.hardware.cpus,
          memoryMiB: body.memoryMiB ?? now.hardware.memoryMiB,
        },
      }));
      // What HA knows of it is brought in line by the reconcile loop, at once when the store answers.
      env.touched(record.id);
      return env.view(record);
    },
    async deleteVm({ params, caller }) {
      return submit(guarded(params.id, 'delete'), caller, 'vm.delete', 'Delete');
    },
    async startVm({ params, caller }) {
      const record = guarded(params.id, 'start');
      // Told at once where it can be; the job chooses anew when its turn comes.
      choose(env, record.id);
      return submit(record, caller, 'vm.start', 'Start');
    },
    async shutdownVm({ params, caller }) {
      return submit(guarded(params.id, 'shutdown'), caller, 'vm.shutdown', 'Shut down');
    },
    async stopVm({ params, caller }) {
      const supersedes = ['vm.start', 'vm.shutdown', 'vm.reboot'];
      return submit(guarded(params.id, 'stop'), caller, 'vm.stop', 'Stop', { supersedes });
    },
    async rebootVm({ params, caller }) {
      return submit(guarded(params.id, 'reboot'), caller, 'vm.reboot', 'Reboot');
    },
    async migrateVm({ params, body, caller }) {
      const record = guarded(params.id, 'migrate');
      migrationTarget(env, record.id, body.hostId);
      const input = body.hostId === undefined ? {} : { targetId: body.hostId };
      return submit(record, caller, 'vm.migrate', 'Move', { input });
    },
    async getPlacement({ params }) {
      const record = env.catalog.need(params.id);
      const here = record.hostId === null ? [] : [[record.hostId, 'It runs there now.'] as const];
      return { hosts: place(needsOf(record), env.candidates(), { except: new Map(here) }) };
    },
    async createConsoleTicket({ params, caller }) {
      const record = guarded(params.id, 'console');
      const { ticket, expiresAt } = env.tickets.issue({
        vmId: record.id,
        user: caller.name,
        tokenHash: caller.session.tokenHash,
      });
      return { ticket, path: `${consolePath}?ticket=${ticket}`, expiresAt: expiresAt.toISOString() };
    },
    async getSerialLog({ params, query, request }) {
      const record = env.catalog.need(params.id);
      const path = `/v1/vms/${record.id}/serial-log?bytes=${query.bytes}`;
      if (record.hostId !== null) return env.hosts.need(record.hostId).link.getText(path, request.signal);
      // Off: the host that ran it last still has what it wrote.
      for (const entry of env.hosts.online()) {
        const text = await entry.link.getText(path, request.signal).catch(() => '');
        if (text !== '') return text;
      }
      return '';
    },
  };
};

const invalid = (code: string, message: string, remedy?: string): AppError =>
  new AppError({ code, family: 'invalid', message, ...(remedy === undefined ? {} : { remedy }) });

/** HA is turned on and off only while nobody runs it: then it is clear whose affair its next start is. */
function mayTurn(env: VmRoutesEnv, record: VmRecord, on: boolean): void {
  if (on) refuseUnprotectable(env, record.name);
  const isOff = env.view(record).state === 'off' && !env.ha.mirror.view().assignments.has(record.id);
  if (isOff) return;
  throw new AppError({
    code: 'vm.ha-needs-off',
    family: 'conflict',
    message: `HA of ${record.name} can be turned ${on ? 'on' : 'off'} only while it is off.`,
    remedy: 'Shut it down first, and start it again afterwards.',
    retry: 'later',
  });
}

const noHa = (env: VmRoutesEnv): string | undefined =>
  whyNoHa(isThere(env.ha.mirror.view()), env.hosts.all().filter(isMember).length);

function refuseUnprotectable(env: VmRoutesEnv, name: string): void {
  const why = noHa(env);
  if (why === undefined) return;
  throw new AppError({
    code: 'vm.ha-impossible',
    family: 'conflict',
    message: `HA cannot protect ${name}. ${why}`,
    remedy: 'Add hosts to the cluster, or leave HA off for this VM.',
  });
}

/** Everything is checked before anything is made: the record comes to be together with the job that fills it. */
async function create(env: VmRoutesEnv, { body, caller }: Call<'createVm'>) {
  const image = body.imageId === undefined ? undefined : env.images.need(body.imageId);
  const volume = usableVolume(env.volumes(), body.volume);
  if (!env.networks().some(({ name }) => name === body.network))
    throw invalid('network.missing', `There is no network called ${body.network}.`);
  if (image !== undefined && body.diskMiB < image.sizeMib)
    throw invalid(
      'vm.disk-too-small',
      `The image ${image.name} needs a disk of at least ${image.sizeMib} MiB.`,
      'Make the disk larger.',
    );
  needSpace(volume, image?.sizeMib ?? 1);
  env.hosts.anyOnline(mountsVolume(volume.name));
  if (body.ha?.enabled === true) refuseUnprotectable(env, body.name);
  const haEnabled = body.ha?.enabled ?? (noHa(env) === undefined && isHaByDefault(volume));
  const record = newRecord(env, body, image, haEnabled);
  if (body.start) {
    const placed = place(needsOf(record), env.candidates());
    if (placed[0]?.fits !== true) throw noHostFits(record.name, placed);
  }
  const jobId = await env.jobs
    .submit(
      {
        kind: 'vm.create',
        title: `Create ${record.name}`,
        input: {
          id: record.id,
          name: record.name,
          record,
          disks: diskPuts(record, image),
          start: body.start,
        },
        subject: { kind: 'vm', id: record.id, name: record.name },
        locks: [vmKey(record.id)],
        user: caller.name,
      },
      (tx) => env.catalog.insert(record, tx),
    )
    .catch((thrown: unknown) => {
      env.catalog.forget(record.id);
      throw thrown;
    });
  return { jobId, id: record.id };
}

function newRecord(
  env: VmRoutesEnv,
  body: VmCreate,
  image: ImageRecord | undefined,
  haEnabled: boolean,
): VmRecord {
  const id = vmIdSchema.parse(randomUUID());
  const diskId = diskIdSchema.parse(randomUUID());
  // A VM from an image gets a host name, and what the admin gave; an empty one only what was given.
  const cloudInit =
    body.cloudInit === undefined && image === undefined
      ? undefined
      : cloudInitOf({ id, name: body.name }, body.cloudInit ?? {});
  return {
    id,
    name: body.name,
    description: body.description,
    lifecycle: 'creating',
    power: 'off',
    generation: 1,
    hostId: null,
    hardware: {
      cpus: body.cpus,
      memoryMiB: body.memoryMiB,
      cpuModel: env.cpuModel(),
      disks: [
        {
          id: diskId,
          name: 'disk1',
          volume: body.volume,
          path: `disks/${diskId}.qcow2`,
          format: 'qcow2',
          sizeMiB: body.diskMiB,
        },
      ],
      nics: [{ network: body.network, mac: macOf(id, 0) }],
      ...(cloudInit === undefined ? {} : { cloudInit }),
    },
    imageId: image?.id ?? null,
    imageName: image?.name ?? null,
    note: '',
    isEngine: false,
    haEnabled,
    haPriority: body.ha?.priority ?? 'normal',
    createdAt: env.now(),
  };
}
