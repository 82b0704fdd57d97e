/** The page's addresses. `parse` and `href` are each other's inverse; unknown addresses become `not-found`. */
export const vmTabs = ['overview', 'console', 'serial', 'placement', 'events'] as const;
export const storageTabs = ['volumes', 'images'] as const;
export const guidePages = [
  'first-vm',
  'console',
  'moving-a-vm',
  'adding-a-host',
  'when-a-host-dies',
  'storage-health',
  'how-it-is-built',
  'finding-your-way',
] as const;
export type VmTab = (typeof vmTabs)[number];
export type StorageTab = (typeof storageTabs)[number];
export type GuidePage = (typeof guidePages)[number];

export type Route =
  | { screen: 'home' }
  | { screen: 'vms' }
  | { screen: 'vm'; id: string; tab: VmTab }
  | { screen: 'console'; id: string }
  | { screen: 'ha' }
  | { screen: 'hosts' }
  | { screen: 'host'; id: string }
  | { screen: 'storage'; tab: StorageTab }
  | { screen: 'events' }
  | { screen: 'jobs' }
  | { screen: 'guide'; page: GuidePage }
  | { screen: 'settings' }
  | { screen: 'login' }
  | { screen: 'not-found'; path: string };

const oneOf = <T extends string>(options: readonly T[], value: string | undefined, otherwise: T) =>
  value === undefined ? otherwise : options.find((option) => option === value);

export function parseRoute(path: string): Route {
  const [first, second, third, ...rest] = path.split('/').filter((part) => part !== '');
  const missing: Route = { screen: 'not-found', path };
  if (rest.length > 0) return missing;
  if (third !== undefined && first !== 'vms') return missing;
  switch (first) {
    case undefined:
      return { screen: 'home' };
    case 'vms': {
      if (second === undefined) return { screen: 'vms' };
      const tab = oneOf(vmTabs, third, 'overview');
      return tab === undefined ? missing : { screen: 'vm', id: decode(second), tab };
    }
    case 'console':
      return second === undefined ? missing : { screen: 'console', id: decode(second) };
    case 'hosts':
      return second === undefined ? { screen: 'hosts' } : { screen: 'host', id: decode(second) };
    case 'storage': {
      const tab = oneOf(storageTabs, second, 'volumes');
      return tab === undefined ? missing : { screen: 'storage', tab };
    }
    case 'guide': {
      const page = oneOf(guidePages, second, 'first-vm');
      return page === undefined ? missing : { screen: 'guide', page };
    }
    case 'ha':
    case 'events':
    case 'jobs':
    case 'settings':
    case 'login':
      return second === undefined ? { screen: first } : missing;
    default:
      return missing;
  }
}

export function href(route: Route): string {
  switch (route.screen) {
    case 'home':
      return '/';
    case 'vm':
      return `/vms/${encodeURIComponent(route.id)}${route.tab === 'overview' ? '' : `/${route.tab}`}`;
    case 'console':
      return `/console/${encodeURIComponent(route.id)}`;
    case 'host':
      return `/hosts/${encodeURIComponent(route.id)}`;
    case 'storage':
      return route.tab === 'volumes' ? '/storage' : `/storage/${route.tab}`;
    case 'guide':
      return route.page === 'first-vm' ? '/guide' : `/guide/${route.page}`;
    case 'not-found':
      return route.path;
    default:
      return `/${route.screen}`;
  }
}

/** Where a login leads back to: only a path of this page, never another site. */
export function safeNext(next: string | null): string {
  if (next === null || !next.startsWith('/') || next.startsWith('//') || next.includes('\\')) return '/';
  return parseRoute(next.split(/[?#]/)[0] ?? '/').screen === 'login' ? '/' : next;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
