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

/** A sentence cut at the name that it speaks of, so that the name can be a link; undefined when it does not say it. */
export function aroundName(
  message: string,
  name: string | undefined,
): { before: string; name: string; after: string } | undefined {
  const at = name === undefined || name === '' ? -1 : message.indexOf(name);
  if (name === undefined || at < 0) return undefined;
  return { before: message.slice(0, at), name, after: message.slice(at + name.length) };
}
