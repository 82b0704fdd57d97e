import type { Membership } from '../contract/host.ts';
import { shownCode } from './code.ts';

export type IssueFacts = {
  name: string;
  membership: Membership;
  version: string;
  /** without link-local ones, unless there are no others */
  addresses: readonly string[];
  code: string;
};

/** What stands on the host's console. The code is there for whoever is in front of the machine, and for nobody else. */
export function issueText({ name, membership, version, addresses, code }: IssueFacts): string {
  const lines = [`Trefoil ${version}`, ''];
  lines.push(`Host:          ${name}`);
  lines.push(`Address:       ${addresses.length === 0 ? 'none yet' : addresses.join(', ')}`);
  if (membership.state === 'joined') lines.push(`Cluster:       ${membership.clusterName}`);
  else {
    lines.push(`Pairing code:  ${shownCode(code)}`, '');
    lines.push('This host belongs to no cluster. Add it from the page of your cluster, or form a new one.');
  }
  return `\n${lines.join('\n')}\n\n`;
}

/** Global addresses, or the link-local ones when nothing else is there. */
export function shownAddresses(reachable: readonly string[]): string[] {
  const global = reachable.filter((address) => !address.startsWith('fe80:'));
  return global.length > 0 ? global : [...reachable];
}
