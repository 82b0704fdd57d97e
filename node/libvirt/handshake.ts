import { AppError } from '../contract/error.ts';
import { procedures } from './procedures/table.ts';
import { Transport, type TransportHandlers, type TransportOptions } from './transport.ts';

const authType = { none: 0, sasl: 1, polkit: 2 } as const;
/** virDrvFeature: what the daemon is asked whether it can. */
const feature = { keepAlive: 10, eventCallbacks: 14 } as const;

export type OpenOptions = TransportOptions & {
  /** what is to be reached through the daemon, e.g. qemu:///system */
  uri: string;
};

const refused = (code: string, message: string, remedy: string): AppError =>
  new AppError({ code, family: 'unavailable', message, remedy });

/**
 * A connection that is ready for calls. The order is the protocol's: AUTH_LIST is a must even where nothing is to be
 * proved (root on the unix socket), keepalive may be asked for before the connection is opened, all else only after.
 */
export async function openTransport(
  options: OpenOptions,
  handlers: TransportHandlers = {},
  signal?: AbortSignal,
): Promise<Transport> {
  const transport = await Transport.connect(options, handlers, signal);
  const calling = signal === undefined ? {} : { signal };
  try {
    const { types } = await transport.call(procedures.authList, {}, calling);
    if (!types.includes(authType.none)) {
      if (!types.includes(authType.polkit))
        throw refused(
          'libvirt.wants-password',
          'libvirt on this host asks for a password on its local socket, which the agent does not have.',
          'Set auth_unix_rw = "none" in the configuration of libvirt; its socket is for root alone.',
        );
      await transport.call(procedures.authPolkit, {}, calling);
    }
    const everyMs = options.keepAliveMs ?? 5_000;
    if (everyMs > 0) {
      const { supported } = await transport.call(
        procedures.supportsFeature,
        { feature: feature.keepAlive },
        calling,
      );
      if (supported) transport.startKeepAlive(everyMs, options.keepAliveMisses ?? 3);
    }
    await transport.call(procedures.open, { uri: options.uri, flags: 0 }, calling);
    const { supported } = await transport.call(
      procedures.supportsFeature,
      { feature: feature.eventCallbacks },
      calling,
    );
    if (!supported)
      throw refused(
        'libvirt.too-old',
        'libvirt on this host is too old: it cannot report events.',
        'Update the host.',
      );
    return transport;
  } catch (error) {
    transport.close();
    throw error;
  }
}
