/** Numbers of libvirt's public API that we use, by our names. They never change their meaning. */

/** virDomainState */
export const domainStates = [
  'no-state',
  'running',
  'blocked',
  'paused',
  'shutting-down',
  'shut-off',
  'crashed',
  'suspended',
] as const;
export type DomainState = (typeof domainStates)[number];

/** vir*Reason, per state, by index */
export const stateReasons: Readonly<Record<DomainState, readonly string[]>> = {
  'no-state': ['unknown'],
  running: [
    'unknown',
    'booted',
    'migrated here',
    'restored',
    'from a snapshot',
    'resumed',
    'migration cancelled',
    'saving cancelled',
    'woken up',
    'crashed and went on',
    'post-copy migration',
    'post-copy migration failed',
  ],
  blocked: ['unknown'],
  paused: [
    'unknown',
    'by request',
    'migrating',
    'saving',
    'dumping',
    'disk error',
    'watchdog',
    'from a snapshot',
    'shutting down',
    'taking a snapshot',
    'crashed',
    'starting up',
    'post-copy migration',
    'post-copy migration failed',
    'internal error',
  ],
  'shutting-down': ['unknown', 'by request'],
  'shut-off': [
    'unknown',
    'shut down',
    'stopped',
    'crashed',
    'migrated away',
    'saved',
    'failed to start',
    'from a snapshot',
    'libvirt lost it',
  ],
  crashed: ['unknown', 'panicked'],
  suspended: ['unknown', 'to disk'],
};

export function domainStateOf(state: number, reason: number): { state: DomainState; reason: string } {
  const name = domainStates[state] ?? 'no-state';
  return { state: name, reason: stateReasons[name][reason] ?? 'unknown' };
}

/** virDomainEventType and, per type, its detail */
export const lifecycleEvents = [
  { name: 'defined', details: ['added', 'updated', 'renamed', 'from a snapshot'] },
  { name: 'undefined', details: ['removed', 'renamed'] },
  {
    name: 'started',
    details: ['booted', 'migrated here', 'restored', 'from a snapshot', 'woken up', 'recovered'],
  },
  {
    name: 'suspended',
    details: [
      'paused',
      'migrated away',
      'disk error',
      'watchdog',
      'restored',
      'from a snapshot',
      'internal error',
      'post-copy migration',
      'post-copy migration failed',
    ],
  },
  {
    name: 'resumed',
    details: [
      'unpaused',
      'migrated here',
      'from a snapshot',
      'post-copy migration',
      'post-copy migration failed',
    ],
  },
  {
    name: 'stopped',
    details: ['shut down', 'stopped', 'crashed', 'migrated away', 'saved', 'failed', 'from a snapshot'],
  },
  { name: 'shutting-down', details: ['finished', 'by the guest', 'by the host'] },
  { name: 'pm-suspended', details: ['to memory', 'to disk'] },
  { name: 'crashed', details: ['panicked', 'crash loaded'] },
] as const;
export type LifecycleName = (typeof lifecycleEvents)[number]['name'];

export function lifecycleOf(
  event: number,
  detail: number,
): { name: LifecycleName | 'other'; detail: string } {
  const kind = lifecycleEvents[event];
  const details: readonly string[] = kind?.details ?? [];
  return { name: kind?.name ?? 'other', detail: details[detail] ?? 'unknown' };
}

export const createFlag = { paused: 1, autoDestroy: 2, validate: 16 } as const;
export const destroyFlag = { graceful: 1 } as const;
export const powerFlag = { default: 0, acpi: 1, guestAgent: 2 } as const;
export const modifyFlag = { current: 0, live: 1, config: 2 } as const;
export const xmlFlag = { secure: 1, inactive: 2, migratable: 8 } as const;
export const statsGroup = {
  state: 1,
  cpu: 2,
  balloon: 4,
  vcpu: 8,
  interface: 16,
  block: 32,
  vm: 1024,
} as const;
/** no-wait: a domain that is busy answers with less, instead of holding up all the others */
export const statsFlag = { active: 1, noWait: 0x2000_0000 } as const;
export const migrateFlag = {
  live: 1,
  peerToPeer: 2,
  persistOnTarget: 8,
  undefineSource: 16,
  paused: 32,
  changeProtection: 256,
  unsafe: 512,
  abortOnError: 4096,
  autoConverge: 8192,
  postCopy: 32_768,
} as const;
/** virDomainJobType */
export const jobTypes = ['none', 'bounded', 'unbounded', 'completed', 'failed', 'cancelled'] as const;
export const consoleFlag = { force: 1, safe: 2 } as const;
