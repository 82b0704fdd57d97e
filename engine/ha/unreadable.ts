import { haKeys } from '../../node/contract/ha.ts';

/** What to do about a record that cannot be read; until then what it speaks of is left as it is. */
export function remedyOf(key: string, isNewer: boolean): string {
  if (isNewer) return 'Update the engine: a newer program wrote it.';
  const [folder = '', id = ''] = key.slice(haKeys.prefix.length).split('/');
  switch (folder) {
    case 'fence-devices':
      return `This fence device is not used. Take it away with “trefoil fence delete HOST ${id}”, then add it again.`;
    case 'fence-health':
      return 'Nothing to do: it is written anew when the device is asked the next time, within the hour.';
    case 'reports':
    case 'watchdogs':
    case 'returns':
    case 'leader':
      return 'Its host writes it anew. If it stays, restart trefoil-ha on that host.';
    case 'timeline':
      return 'Nothing to do: one line of the timeline is missing.';
    case 'vms':
    case 'specs':
    case 'assignments':
      return 'HA leaves this VM as it is: should its host be lost, it stays down. Have support look at the record.';
    default:
      return 'No host is fenced or given back by it. Have support look at the record.';
  }
}
