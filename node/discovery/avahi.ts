import { z } from 'zod';
import { AppError } from '../contract/error.ts';
import type { Log } from '../log/log.ts';
import type { Bus } from '../systemd/bus.ts';
import { serviceType } from './txt.ts';

/**
 * avahi's D-Bus API (org.freedesktop.Avahi, version 0.8). Two traps: a browser's signals may come before the answer to
 * ServiceBrowserNew that says its path, so matches are asked for first and signals kept until the path is known; and
 * whatever was made is gone, without a word, when avahi restarts: `onRestart`.
 */
export type FoundService = { name: string; interface: number; protocol: number };
export type ResolvedService = { address: string; port: number; txt: Buffer[] };

export type Avahi = {
  /** the service is announced until the next `announce`, `withdraw` or restart of avahi */
  announce(name: string, port: number, txt: readonly Buffer[]): Promise<void>;
  withdraw(): Promise<void>;
  browse(events: { found(service: FoundService): void; lost(service: FoundService): void }): Promise<void>;
  resolve(service: FoundService): Promise<ResolvedService>;
  interfaceName(index: number): Promise<string>;
  /** avahi or the bus came back: announce and browse again */
  onRestart(listener: () => void): Promise<void>;
};

const destination = 'org.freedesktop.Avahi';
const server = { destination, path: '/', interface: 'org.freedesktop.Avahi.Server' } as const;
const anyInterface = -1;
const anyProtocol = -1;
const resolveMs = 5_000;

const pathSchema = z.tuple([z.string()]);
const itemSchema = z.tuple([z.number(), z.number(), z.string(), z.string(), z.string(), z.number()]);
const bytesSchema = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
const foundSchema = z
  .tuple([
    z.number(),
    z.number(),
    z.string(),
    z.string(),
    z.string(),
    z.string(),
    z.number(),
    z.string(),
    z.number(),
    z.array(bytesSchema),
  ])
  .rest(z.unknown());

export function makeAvahi(bus: Bus, log: Log): Avahi {
  let group: string | undefined;
  let stopBrowsing: (() => void)[] = [];
  const onGroup = (path: string, member: string, signature?: string, body?: readonly unknown[]) =>
    bus.call({
      destination,
      path,
      interface: 'org.freedesktop.Avahi.EntryGroup',
      member,
      ...(signature === undefined ? {} : { signature, body: body ?? [] }),
    });

  return {
    announce: async (name, port, txt) => {
      group ??= pathSchema.parse(await bus.call({ ...server, member: 'EntryGroupNew' }))[0];
      const path = group;
      await onGroup(path, 'Reset');
      const service = [anyInterface, anyProtocol, 0, name, serviceType, '', '', port, txt];
      await onGroup(path, 'AddService', 'iiussssqaay', service);
      await onGroup(path, 'Commit');
    },

    withdraw: async () => {
      const path = group;
      group = undefined;
      if (path !== undefined) await onGroup(path, 'Free');
    },

    browse: async ({ found, lost }) => {
      for (const stop of stopBrowsing) stop();
      stopBrowsing = [];
      let mine: string | undefined;
      let early: (() => void)[] = [];
      const listen = (member: string, then: (service: FoundService) => void) =>
        bus.subscribe(
          { sender: destination, interface: 'org.freedesktop.Avahi.ServiceBrowser', member },
          (signal) => {
            const item = itemSchema.safeParse(signal.body);
            if (!item.success) return;
            const [index, protocol, name] = item.data;
            const tell = () => {
              if (signal.path === mine) then({ name, interface: index, protocol });
            };
            if (mine === undefined) early.push(tell);
            else tell();
          },
        );
      stopBrowsing.push(await listen('ItemNew', found), await listen('ItemRemove', lost));
      const body = [anyInterface, anyProtocol, serviceType, '', 0];
      const made = await bus.call({ ...server, member: 'ServiceBrowserNew', signature: 'iissu', body });
      mine = pathSchema.parse(made)[0];
      for (const tell of early) tell();
      early = [];
    },

    resolve: async (service) => {
      const body = [service.interface, service.protocol, service.name, serviceType, '', service.protocol, 0];
      const reply = await bus.call(
        { ...server, member: 'ResolveService', signature: 'iisssiu', body },
        { timeoutMs: resolveMs },
      );
      const parsed = foundSchema.safeParse(reply);
      if (!parsed.success)
        throw new AppError({
          code: 'discovery.unreadable',
          family: 'bug',
          message: 'avahi described a service in a way that could not be understood.',
          cause: parsed.error,
        });
      const [, , , , , , , address, port, txt] = parsed.data;
      return { address, port, txt: txt.map((bytes) => Buffer.from(bytes)) };
    },

    interfaceName: async (index) => {
      const body = [index];
      const reply = await bus.call({
        ...server,
        member: 'GetNetworkInterfaceNameByIndex',
        signature: 'i',
        body,
      });
      return pathSchema.parse(reply)[0];
    },

    onRestart: async (listener) => {
      const again = (why: string) => {
        group = undefined;
        log.info('mDNS: to be announced again', { why });
        listener();
      };
      bus.onConnected(() => again('the message bus came'));
      await bus.subscribe(
        { sender: 'org.freedesktop.DBus', interface: 'org.freedesktop.DBus', member: 'NameOwnerChanged' },
        ({ body: [name, , owner] }) => {
          if (name === destination && owner !== '') again('avahi came');
        },
      );
    },
  };
}
