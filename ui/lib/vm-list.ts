/** Filtering and sorting of the VM table: pure, so that the address (?search=&show=&sort=) is its whole state. */
import type { Vm } from '../../engine/contract/vms.ts';
import { vmLook } from './status.ts';

export const vmShows = ['all', 'running', 'off', 'attention'] as const;
export const vmSorts = ['name', 'state', 'host', 'cpu', 'memory'] as const;
export type VmShow = (typeof vmShows)[number];
export type VmSort = (typeof vmSorts)[number];
export type VmQuery = { search: string; show: VmShow; host: string; sort: VmSort; descending: boolean };

export const defaultVmQuery: VmQuery = { search: '', show: 'all', host: '', sort: 'name', descending: false };

export function parseVmQuery(params: URLSearchParams): VmQuery {
  const sort = params.get('sort') ?? '';
  const bare = sort.replace(/^-/, '');
  return {
    search: params.get('search') ?? '',
    show: vmShows.find((show) => show === params.get('show')) ?? 'all',
    host: params.get('host') ?? '',
    sort: vmSorts.find((known) => known === bare) ?? 'name',
    descending: sort.startsWith('-'),
  };
}

export function vmQueryString(query: VmQuery): string {
  const params = new URLSearchParams();
  if (query.search !== '') params.set('search', query.search);
  if (query.show !== 'all') params.set('show', query.show);
  if (query.host !== '') params.set('host', query.host);
  if (query.sort !== 'name' || query.descending)
    params.set('sort', `${query.descending ? '-' : ''}${query.sort}`);
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

export function shows(vm: Vm, show: VmShow): boolean {
  const { tone } = vmLook[vm.state];
  switch (show) {
    case 'all':
      return true;
    case 'running':
      return vm.state === 'running' || vm.state === 'migrating' || vm.state === 'starting';
    case 'off':
      return vm.state === 'off';
    case 'attention':
      return tone === 'warning' || tone === 'error';
  }
}

/** Every word of the search must be somewhere in what the row shows. */
export function matches(vm: Vm, search: string): boolean {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const haystack = [
    vm.name,
    vm.description,
    vm.host?.name ?? '',
    vm.image?.name ?? '',
    ...vm.nics.flatMap((nic) => [nic.mac, ...nic.addresses]),
  ]
    .join('\n')
    .toLowerCase();
  return words.every((word) => haystack.includes(word));
}

const byName = (a: Vm, b: Vm) => collator.compare(a.name, b.name);
const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
const urgency = { error: 0, warning: 1, busy: 2, ok: 3, info: 4, idle: 5 } as const;

const comparators: Record<VmSort, (a: Vm, b: Vm) => number> = {
  name: byName,
  state: (a, b) => urgency[vmLook[a.state].tone] - urgency[vmLook[b.state].tone],
  host: (a, b) => collator.compare(a.host?.name ?? '\uffff', b.host?.name ?? '\uffff'),
  cpu: (a, b) => (b.cpuBusyPercent ?? -1) - (a.cpuBusyPercent ?? -1),
  memory: (a, b) => b.memoryMiB - a.memoryMiB,
};

export function selectVms(vms: readonly Vm[], query: VmQuery): Vm[] {
  const direction = query.descending ? -1 : 1;
  const compare = comparators[query.sort];
  return vms
    .filter(
      (vm) =>
        shows(vm, query.show) &&
        (query.host === '' || vm.host?.name === query.host) &&
        matches(vm, query.search),
    )
    .sort((a, b) => direction * compare(a, b) || byName(a, b));
}
