import { errorChain } from '../contract/error.ts';
import type { Announcement, Discovered } from '../contract/host.ts';
import type { HostId } from '../contract/ids.ts';
import type { Log } from '../log/log.ts';
import type { Ask } from './ask.ts';
import type { Avahi, FoundService } from './avahi.ts';
import { type Hint, makeFound } from './found.ts';
import { readTxt, txtOf } from './txt.ts';

export type DiscoveryEnv = {
  avahi: Avahi;
  ask: Ask;
  id: HostId;
  announcement(): Promise<Announcement>;
  now(): Date;
  monotonicMs(): number;
  sleep(ms: number): Promise<void>;
  log: Log;
};

export type Discovery = {
  start(): Promise<void>;
  /** announces what changed, browses when avahi came back; meant to be called every few seconds */
  tick(): Promise<void>;
  /** asks the hosts again when the last time is a while ago: nobody's time is spent on a list that nobody reads */
  discovered(): Promise<Discovered>;
  stop(): Promise<void>;
};

const freshMs = 8_000;
const patienceMs = 3_000;
const atOnce = 16;
/** more than twelve hosts ever need; strangers cannot make us remember more */
const mostServices = 256;

const keyOf = ({ name, interface: index, protocol }: FoundService): string => `${index} ${protocol} ${name}`;

/** Announces this host by mDNS and finds the others. All of it is a convenience: nothing trusts what is found here. */
export function makeDiscovery(env: DiscoveryEnv): Discovery {
  const { avahi, log } = env;
  const found = makeFound();
  /** what avahi tells to be there; one that could not be resolved when it appeared is tried again with the others */
  const services = new Map<string, FoundService>();
  let announced = '';
  let browsing = false;
  let complained = '';
  let askedAt = Number.NEGATIVE_INFINITY;
  let busy: Promise<void> | undefined;
  let asking: Promise<void> | undefined;

  const answer = async (hint: Hint) => {
    try {
      found.answered(hint, await env.ask(hint), env.now(), env.monotonicMs());
    } catch {
      // Silence has its own deadline; a hint that never answers is just not listed.
    }
  };

  const arrive = async (service: FoundService) => {
    const { address, port, txt } = await avahi.resolve(service);
    const told = readTxt(txt);
    if (told === undefined || told.id === env.id) return;
    const scope = address.startsWith('fe80:') ? `%${await avahi.interfaceName(service.interface)}` : '';
    const hint = {
      id: told.id,
      fingerprint: told.fp,
      address: `${address}${scope}`,
      port,
      key: keyOf(service),
    };
    found.hint(hint);
    await answer(hint);
  };

  const announce = async () => {
    const announcement = await env.announcement();
    const txt = txtOf(announcement);
    const text = `${announcement.port} ${txt.map((one) => one.toString('utf8')).join(' ')}`;
    if (text === announced) return;
    // The name must be unique on the network and means nothing to people: the host's id.
    await avahi.announce(env.id, announcement.port, txt);
    announced = text;
    log.info('mDNS: announced', { name: announcement.name, state: announcement.state });
  };

  const browse = async () => {
    if (browsing) return;
    services.clear();
    await avahi.browse({
      found: (service) => {
        if (services.size >= mostServices) return;
        services.set(keyOf(service), service);
        arrive(service).catch((error) => log.info('mDNS: not resolved yet', { reason: errorChain(error) }));
      },
      lost: (service) => {
        services.delete(keyOf(service));
        found.withdrawn(keyOf(service));
      },
    });
    browsing = true;
  };

  /** A host whose certificate or state changed announces that under the same name, so services are resolved again. */
  const askAll = async () => {
    const waiting = [...services.values()];
    const worker = async () => {
      for (let service = waiting.shift(); service !== undefined; service = waiting.shift())
        await arrive(service).catch(() => {});
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    found.silent(env.monotonicMs());
  };
  const refresh = (): Promise<void> => {
    if (asking === undefined && env.monotonicMs() - askedAt < freshMs) return Promise.resolve();
    asking ??= askAll().finally(() => {
      asking = undefined;
      askedAt = env.monotonicMs();
    });
    return asking;
  };

  const once = async () => {
    try {
      await announce();
      await browse();
      complained = '';
    } catch (error) {
      const reason = errorChain(error);
      if (reason !== complained) log.warn('mDNS: not available', { reason });
      complained = reason;
    }
  };

  const tick = (): Promise<void> => {
    busy ??= once().finally(() => {
      busy = undefined;
    });
    return busy;
  };

  return {
    start: async () => {
      await avahi.onRestart(() => {
        announced = '';
        browsing = false;
        void tick().catch((error) => log.error('mDNS: tick failed', error));
      });
      await tick();
    },
    tick,
    discovered: async () => {
      // Those that are gone are waited for, the others need not wait with them.
      await Promise.race([refresh(), env.sleep(patienceMs)]);
      return found.list();
    },
    stop: () => avahi.withdraw(),
  };
}
