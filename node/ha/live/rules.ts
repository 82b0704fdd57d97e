/**
 * Storage fencing as nftables rules: pure. A lost host is refused at every port that Gluster serves on, in both
 * directions, on connections that exist too (priority -10, before any other filter). Its other traffic passes: it must be
 * able to reach the store, or it could never learn that it was fenced, and come back.
 *
 * Ports: 24007 and 24008 are glusterd's, bricks have 49152 - 60999 (glusterd.vol). Nothing else on a host uses those: the
 * image keeps outgoing connections below them (sysctl.d). Gluster listens on IPv4 only.
 */
export const glusterPorts = '{ 24007, 24008, 49152-60999 }';

export const tableOf = (host: string): string => `trefoil_fence_${host.replaceAll('-', '_')}`;

/** For `nft -f -`: whole or not at all, and the same again changes nothing. */
export function barRules(host: string, addresses: readonly string[]): string {
  const table = tableOf(host);
  const from = `{ ${addresses.join(', ')} }`;
  return `table inet ${table} {}
delete table inet ${table}
table inet ${table} {
  chain input {
    type filter hook input priority -10; policy accept;
    ip saddr ${from} tcp dport ${glusterPorts} reject with tcp reset
  }
  chain output {
    type filter hook output priority -10; policy accept;
    ip daddr ${from} tcp dport ${glusterPorts} reject with tcp reset
  }
}
`;
}

/** Also when there is none. */
export const unbarRules = (host: string): string =>
  `table inet ${tableOf(host)} {}\ndelete table inet ${tableOf(host)}\n`;

/** `ss -K`: the sockets to that host that Gluster has, on either side, end at once and nobody waits for a timeout. */
export const killSockets = (address: string): [string, ...string[]] => [
  'ss',
  '--kill',
  '--tcp',
  '--numeric',
  'dst',
  address,
  'and',
  '(',
  ...['sport', '=', ':24007', 'or', 'dport', '=', ':24007', 'or', 'sport', '=', ':24008', 'or'],
  ...['dport', '=', ':24008', 'or', 'sport', '>=', ':49152', 'or', 'dport', '>=', ':49152'],
  ')',
];
