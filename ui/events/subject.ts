/** Where the thing that an event or problem speaks of is shown; undefined when it has no page. */
import { href } from '../lib/route.ts';

export function subjectHref(subject: { kind: string; id: string } | undefined): string | undefined {
  switch (subject?.kind) {
    case 'vm':
    case 'engine':
      return href({ screen: 'vm', id: subject.id, tab: 'overview' });
    case 'host':
      return href({ screen: 'host', id: subject.id });
    case 'volume':
      return href({ screen: 'storage', tab: 'volumes' });
    case 'image':
      return href({ screen: 'storage', tab: 'images' });
    default:
      return undefined;
  }
}
