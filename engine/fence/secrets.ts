import { createHash, X509Certificate } from 'node:crypto';
import { AppError, asAppError } from '../../node/contract/error.ts';
import {
  type FenceDevice,
  type FenceDeviceId,
  type FenceOptions,
  fenceKeys,
  type SealedSecrets,
} from '../../node/contract/fence.ts';
import type { HostId } from '../../node/contract/ids.ts';
import type { ClusterStore } from '../cluster/port.ts';
import { put } from '../ha/store.ts';
import type { HaView, Kept } from '../ha/view.ts';
import { type HostEntry, type Hosts, isMember } from '../hosts/hosts.ts';
import type { Log } from '../log/log.ts';
import type { RecipientKeys } from './view.ts';

/**
 * Secrets of fence devices pass through the engine once, to a host that seals them for every host's own key; after that
 * neither the engine nor the store can read them. A host that has no copy (it was added, reinstalled, or away when they
 * were typed) gets one from a host that has: that one opens its own and seals it for the other's certificate.
 */
export type FenceSecretsEnv = {
  hosts: Hosts;
  store: ClusterStore;
  /** of HA's records, and whether they are what is in the store now */
  view(): HaView;
  isCurrent(): boolean;
  log: Log;
};

type Recipient = { entry: HostEntry; certificate: string; key: string };
type Wanted = {
  id: FenceDeviceId;
  /** given anew; an empty text takes one away */
  secrets: FenceOptions;
  stored: SealedSecrets | undefined;
  check: { agent: string; options: FenceOptions };
};

const askMs = 30_000;

/** As node/fence/secrets.ts names keys. */
const keyIdOf = (certificate: string): string =>
  createHash('sha256')
    .update(new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');

export class FenceSecrets {
  readonly #env: FenceSecretsEnv;
  readonly #keys = new Map<HostId, string>();

  constructor(env: FenceSecretsEnv) {
    this.#env = env;
  }

  /** of hosts that were asked since the engine's start */
  keys = (): RecipientKeys => this.#keys;

  async #recipients(signal: AbortSignal): Promise<Recipient[]> {
    const asked = await Promise.allSettled(
      this.#env.hosts
        .online()
        .filter(isMember)
        .map(async (entry): Promise<Recipient> => {
          const { certificate } = await entry.link.client.call('getFenceRecipient', {}, { signal });
          const key = keyIdOf(certificate);
          this.#keys.set(entry.record.id, key);
          return { entry, certificate, key };
        }),
    );
    return asked.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }

  /** For all hosts that are online; the others get their copies when they are back. */
  async seal({ id, secrets, stored, check }: Wanted): Promise<SealedSecrets> {
    const signal = AbortSignal.timeout(askMs);
    const recipients = await this.#recipients(signal);
    const isKept = stored?.names.some((name) => secrets[name] === undefined) ?? false;
    const sealers = isKept ? recipients.filter((each) => hasCopy(stored, each)) : recipients;
    if (sealers.length === 0) throw isKept ? secretNeeded() : noneOnline();
    const sealed = await firstOf(sealers, (client) =>
      client.call(
        'sealFenceSecrets',
        {
          body: {
            id,
            secrets,
            ...(isKept ? { stored } : {}),
            check,
            certificates: recipients.map(({ certificate }) => certificate),
          },
        },
        { signal },
      ),
    );
    if (sealed.names.length === 0) return { names: [], copies: {} };
    // Copies that nothing has changed in stay good for hosts that are away.
    const isSame = isKept && Object.keys(secrets).length === 0;
    return isSame ? { ...sealed, copies: { ...stored?.copies, ...sealed.copies } } : sealed;
  }

  /** Gives every host that is online its copy, and takes away those of hosts that are no more. */
  async spread(signal: AbortSignal): Promise<string> {
    const { view, isCurrent } = this.#env;
    if (!isCurrent()) return 'the store does not answer';
    const devices = [...view().fenceDevices.values()].filter(({ value }) => value.secrets.names.length > 0);
    if (devices.length === 0) return 'no device has secrets';
    const recipients = await this.#recipients(AbortSignal.any([signal, AbortSignal.timeout(askMs)]));
    let written = 0;
    let failed = 0;
    for (const device of devices)
      try {
        if (await this.#spreadOne(device, recipients, signal)) written += 1;
      } catch (thrown) {
        signal.throwIfAborted();
        // The others go on; that hosts lack this one's password is shown with the device.
        failed += 1;
        this.#env.log.error('secrets of a fence device could not be sealed anew', thrown, {
          device: device.value.id,
        });
      }
    return `${devices.length} devices looked at, ${written} sealed anew, ${failed} failed`;
  }

  async #spreadOne(
    { value: device, revision }: Kept<FenceDevice>,
    recipients: readonly Recipient[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { hosts, store, log } = this.#env;
    const { secrets } = device;
    const members = new Set<string>(hosts.all().map(({ record }) => record.id));
    const copies = Object.fromEntries(Object.entries(secrets.copies).filter(([id]) => members.has(id)));
    const lacking = recipients.filter((each) => !hasCopy(secrets, each));
    const holders = recipients.filter((each) => hasCopy(secrets, each));
    if (lacking.length > 0 && holders.length > 0) {
      const body = {
        id: device.id,
        stored: secrets,
        certificates: lacking.map(({ certificate }) => certificate),
      };
      const sealed = await firstOf(holders, (client) =>
        client.call('sealFenceSecrets', { body }, { signal }),
      );
      Object.assign(copies, sealed.copies);
    } else if (Object.keys(copies).length === Object.keys(secrets.copies).length) return false;
    const generation = device.generation + 1;
    try {
      const key = fenceKeys.device(device.id);
      await store.commit(
        [{ key, revision }],
        [put(key, { ...device, secrets: { ...secrets, copies }, generation })],
      );
    } catch (thrown) {
      // Somebody changed it meanwhile: it is looked at again.
      if (asAppError(thrown, 'keeping a fence device').code === 'etcd.changed-meanwhile') return false;
      throw thrown;
    }
    log.info('secrets of a fence device were sealed anew', {
      device: device.id,
      for: lacking.map(({ entry }) => entry.record.name),
    });
    return true;
  }
}

const hasCopy = (secrets: SealedSecrets | undefined, { entry, key }: Recipient): boolean =>
  secrets?.copies[entry.record.id]?.key === key;

/** What one host cannot do now, another may. */
async function firstOf<T>(
  from: readonly Recipient[],
  ask: (client: HostEntry['link']['client']) => Promise<T>,
): Promise<T> {
  let failure: unknown = noneOnline();
  for (const { entry } of from) {
    try {
      return await ask(entry.link.client);
    } catch (thrown) {
      if (asAppError(thrown, 'sealing secrets').family !== 'unavailable') throw thrown;
      failure = thrown;
    }
  }
  throw failure;
}

const secretNeeded = (): AppError =>
  new AppError({
    code: 'fence.secret-needed',
    family: 'conflict',
    message: 'No host that is online has the password of this fence device.',
    remedy: 'Enter the password again.',
  });

const noneOnline = (): AppError =>
  new AppError({
    code: 'host.none-online',
    family: 'unavailable',
    message: 'No host that could do this is online.',
    remedy: 'See on the page of hosts what is wrong with them.',
  });
