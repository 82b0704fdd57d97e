import { randomUUID } from 'node:crypto';
import { AppError, asAppError } from '../../node/contract/error.ts';
import {
  type FenceDevice,
  type FenceOptions,
  fenceDeviceIdSchema,
  fenceDeviceSchema,
  fenceKeys,
} from '../../node/contract/fence.ts';
import type { HostId } from '../../node/contract/ids.ts';
import type { Some } from '../api/handler.ts';
import type { ClusterStore } from '../cluster/port.ts';
import type { FenceDeviceSight } from '../contract/fence.ts';
import type { EventSubject, NewEvent } from '../events/store.ts';
import { put } from '../ha/store.ts';
import { type HaView, type Kept, readRecord } from '../ha/view.ts';
import { type HostEntry, type Hosts, isMember } from '../hosts/hosts.ts';
import { checkNewTarget, movesSecrets } from './decide.ts';
import { kindsOf, labelOf } from './kinds.ts';
import type { FenceSecrets } from './secrets.ts';
import { testDevice } from './test-device.ts';
import { devicesOf, fenceSightOf, usersOf } from './view.ts';

export type FenceRoutesEnv = {
  hosts: Hosts;
  store: ClusterStore;
  secrets: FenceSecrets;
  view(): HaView;
  record(event: NewEvent): Promise<void>;
};

type Names =
  | 'listFenceKinds'
  | 'listFenceDevices'
  | 'createFenceDevice'
  | 'testFenceDevice'
  | 'updateFenceDevice'
  | 'deleteFenceDevice';

/** Somebody else may have changed it meanwhile; then it is decided anew by what is there now. */
const attempts = 5;

export function fenceRoutes(env: FenceRoutesEnv): Some<Names> {
  const { hosts, store } = env;
  const members = () =>
    hosts
      .all()
      .filter(isMember)
      .map(({ record }) => ({ id: record.id, name: record.name }));
  const sight = (device: FenceDevice): FenceDeviceSight =>
    fenceSightOf(device, env.view().fenceHealth.get(device.id), members(), env.secrets.keys());
  const subjectOf = ({ record }: HostEntry): EventSubject => ({
    kind: 'host',
    id: record.id,
    name: record.name,
  });

  return {
    async listFenceKinds() {
      const { link } = hosts.anyOnline(isMember);
      return { items: kindsOf(await link.client.call('getFenceAgents')) };
    },
    async listFenceDevices({ params }) {
      hosts.need(params.id);
      return { items: devicesOf(await allDevices(store), params.id).map(({ value }) => sight(value)) };
    },
    async testFenceDevice({ params, body }) {
      const target = hosts.need(params.id);
      const { agent, options, secrets } = body;
      const kept = body.device === undefined ? undefined : await needDevice(store, params.id, body.device);
      if (kept !== undefined) checkAgent(kept.value, agent);
      if (kept !== undefined && movesSecrets(kept.value, options, secrets)) throw typeAgain();
      const stored = kept === undefined ? {} : { stored: { id: kept.value.id, secrets: kept.value.secrets } };
      const ids = new Set(usersOf(params.id, members()).map(({ id }) => id));
      const users = hosts.all().filter(({ record }) => ids.has(record.id));
      return testDevice(target, users, { agent, options, secrets, ...stored }, () => performance.now());
    },
    async createFenceDevice({ params, body, caller }) {
      const target = hosts.need(params.id);
      const id = fenceDeviceIdSchema.parse(randomUUID());
      const { agent, options, secrets, order } = body;
      checkNewTarget({ id, host: params.id, agent, options }, await allDevices(store), nameIn(hosts));
      const sealed = await env.secrets.seal({ id, secrets, stored: undefined, check: { agent, options } });
      const device = fenceDeviceSchema.parse({
        id,
        host: params.id,
        agent,
        options,
        secrets: sealed,
        order,
        generation: 1,
      });
      const key = fenceKeys.device(id);
      await store.commit([{ key, revision: 0 }], [put(key, device)]);
      await env.record({
        severity: 'info',
        code: 'fence.added',
        message: `${caller.name} added a fence device to ${target.record.name}: ${described(device)}.`,
        subject: subjectOf(target),
        user: caller.name,
      });
      return sight(device);
    },
    async updateFenceDevice({ params, body, caller }) {
      const target = hosts.need(params.id);
      const { agent, options, secrets, order } = body;
      const device = await again(async () => {
        const { value: before, revision } = await needDevice(store, params.id, params.device);
        checkAgent(before, agent);
        if (movesSecrets(before, options, secrets)) throw typeAgain();
        checkNewTarget({ ...before, options }, await allDevices(store), nameIn(hosts));
        const check = { agent, options };
        const sealed = await env.secrets.seal({ id: before.id, secrets, stored: before.secrets, check });
        const next: FenceDevice = {
          ...before,
          options,
          secrets: sealed,
          order,
          generation: before.generation + 1,
        };
        const key = fenceKeys.device(before.id);
        await store.commit([{ key, revision }], [put(key, next)]);
        return next;
      });
      await env.record({
        severity: 'info',
        code: 'fence.changed',
        message: `${caller.name} changed a fence device of ${target.record.name}: ${described(device)}.`,
        subject: subjectOf(target),
        user: caller.name,
      });
      return sight(device);
    },
    async deleteFenceDevice({ params, caller }) {
      const target = hosts.need(params.id);
      const key = fenceKeys.device(params.device);
      const entry = (await store.read([key])).get(key);
      if (entry === undefined) throw noDevice();
      const record = readRecord(key, entry.value);
      // One that cannot be read is of no host, and this is the way to be rid of it.
      if (record?.kind === 'device' && record.value.host !== params.id) throw noDevice();
      const writes = [
        { key, remove: true as const },
        { key: fenceKeys.health(params.device), remove: true as const },
      ];
      await store.commit([{ key, revision: entry.revision }], writes);
      const what = record?.kind === 'device' ? described(record.value) : 'one that could not be read';
      await env.record({
        severity: 'warning',
        code: 'fence.deleted',
        message: `${caller.name} deleted a fence device of ${target.record.name}: ${what}.`,
        subject: subjectOf(target),
        user: caller.name,
      });
      return undefined;
    },
  };
}

const nameIn =
  (hosts: Hosts) =>
  (id: HostId): string =>
    hosts.get(id)?.record.name ?? 'another host';

const described = ({ agent, options }: { agent: string; options: FenceOptions }): string => {
  const { ip, plug } = options;
  return `${labelOf(agent)}${ip === undefined ? '' : ` at ${ip}`}${plug === undefined ? '' : `, plug ${plug}`}`;
};

/** Those that can be read; the others are named in HA's overview. */
async function allDevices(store: ClusterStore): Promise<Kept<FenceDevice>[]> {
  return (await store.range(fenceKeys.devices)).flatMap(({ key, value, revision }) => {
    const record = readRecord(key, value);
    return record?.kind === 'device' ? [{ value: record.value, revision }] : [];
  });
}

async function needDevice(store: ClusterStore, host: HostId, id: string): Promise<Kept<FenceDevice>> {
  const found = (await allDevices(store)).find(({ value }) => value.id === id && value.host === host);
  if (found === undefined) throw noDevice();
  return found;
}

const noDevice = (): AppError =>
  new AppError({
    code: 'fence.missing',
    family: 'missing',
    message: 'This host has no such fence device.',
  });

const typeAgain = (): AppError =>
  new AppError({
    code: 'fence.secret-needed',
    family: 'invalid',
    message: 'The address is another one, and the kept password is not sent there.',
    remedy: 'Enter the password again.',
  });

function checkAgent(device: FenceDevice, agent: string): void {
  if (device.agent === agent) return;
  throw new AppError({
    code: 'fence.other-agent',
    family: 'conflict',
    message: `This fence device is of the kind ${labelOf(device.agent)}; that cannot be changed.`,
    remedy: 'Delete it and add a new one.',
  });
}

async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (thrown) {
      const isChanged = asAppError(thrown, 'changing a fence device').code === 'etcd.changed-meanwhile';
      if (!isChanged || attempt === attempts) throw thrown;
    }
  }
}
