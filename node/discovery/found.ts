import type { Announcement, Discovered } from '../contract/host.ts';
import type { HostId } from '../contract/ids.ts';

/**
 * The hosts that were seen, as a model without I/O. mDNS only gives hints, which anyone on the network can forge: a host
 * is listed when it has answered itself at one of its addresses, with the certificate that was announced, and for as
 * long as it goes on answering. Who it really is, pairing finds out.
 *
 *   hinted --(answered)--> listed --(asked again, and silent for `silentMs`)--> hinted --(all withdrawn)--> forgotten
 */
export type Hint = { id: HostId; fingerprint: string; address: string; port: number; key: string };

const silentMs = 20_000;

type Listed = { announcement: Announcement; addresses: string[]; seenAt: Date; seenMs: number };

export type Found = {
  hint(hint: Hint): void;
  /** `key` names the one announcement (host, network card, protocol) that was withdrawn */
  withdrawn(key: string): void;
  answered(hint: Hint, announcement: Announcement, at: Date, nowMs: number): void;
  silent(nowMs: number): void;
  list(): Discovered;
};

export function makeFound(): Found {
  const hints = new Map<string, Hint>();
  const listed = new Map<HostId, Listed>();

  const forgetUnhinted = () => {
    const ids = new Set([...hints.values()].map(({ id }) => id));
    for (const id of listed.keys()) if (!ids.has(id)) listed.delete(id);
  };

  return {
    hint: (hint) => {
      hints.set(hint.key, hint);
    },
    withdrawn: (key) => {
      hints.delete(key);
      forgetUnhinted();
    },
    answered: (hint, announcement, at, nowMs) => {
      const before = listed.get(hint.id);
      const current = new Set(
        [...hints.values()].filter(({ id }) => id === hint.id).map((one) => one.address),
      );
      const addresses = [...(before?.addresses ?? []), hint.address].filter((address) =>
        current.has(address),
      );
      listed.set(hint.id, {
        announcement,
        addresses: sorted([...new Set(addresses)]),
        seenAt: at,
        seenMs: nowMs,
      });
    },
    silent: (nowMs) => {
      for (const [id, { seenMs }] of listed) if (nowMs - seenMs >= silentMs) listed.delete(id);
    },
    list: () => ({
      hosts: [...listed.values()]
        .map(({ announcement, addresses, seenAt }) => ({
          ...announcement,
          addresses,
          seenAt: seenAt.toISOString(),
        }))
        .sort((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id)),
    }),
  };
}

/** The address a person would type first: IPv4, then IPv6, link-local last. */
function sorted(addresses: string[]): string[] {
  const rank = (address: string) => (address.startsWith('fe80:') ? 2 : address.includes(':') ? 1 : 0);
  return addresses.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}
