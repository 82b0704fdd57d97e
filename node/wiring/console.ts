import { networkInterfaces } from 'node:os';
import { writeFileAtomic } from '../files/atomic.ts';
import { reachableAddresses } from '../host/model.ts';
import { issueText, shownAddresses } from '../pairing/issue.ts';
import { type Base, every } from './base.ts';
import type { Member } from './member.ts';

/** Keeps /run/trefoil/issue as it should be; image/ shows it on the host's console whenever it changes. */
export function wireConsole(base: Base, { responder }: Pick<Member, 'responder'>): void {
  const { identity, options } = base;
  let shown = '';
  const show = async () => {
    const text = issueText({
      name: base.hostName(),
      membership: identity.membership(),
      version: options.version,
      addresses: shownAddresses(reachableAddresses(networkInterfaces())),
      code: responder.status().code,
    });
    if (text === shown) return;
    await writeFileAtomic(`${options.runDirectory}/issue`, text, { directoryMode: 0o711 });
    shown = text;
  };
  const showSoon = () => void show().catch((error) => base.log.error('console text not written', error));
  responder.onCode(showSoon);
  identity.onChange(showSoon);
  showSoon();
  every(base, 5_000, 'console text', show);
}
