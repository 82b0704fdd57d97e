/**
 * How each state looks: a tone (colour), a label and the sort order of its urgency. Colour never stands alone: the label
 * and an icon by tone are always beside it. Tables over the contract's states: a new state does not compile until it is here.
 */
import type { Event } from '../../engine/contract/events.ts';
import type { FenceDeviceState } from '../../engine/contract/fence.ts';
import type { HaHostState } from '../../engine/contract/ha.ts';
import type { Overview } from '../../engine/contract/health.ts';
import type { Host, HostState } from '../../engine/contract/hosts.ts';
import type { JobState, JobStep } from '../../engine/contract/jobs.ts';
import type { Volume } from '../../engine/contract/storage.ts';
import type { VmState } from '../../engine/contract/vms.ts';

/** `busy`: something is happening, on its way to another state; `idle`: nothing happens, and that is fine */
export type Tone = 'ok' | 'busy' | 'idle' | 'info' | 'warning' | 'error';
export type Look = { tone: Tone; label: string };

export const vmLook = {
  creating: { tone: 'busy', label: 'Creating' },
  off: { tone: 'idle', label: 'Off' },
  starting: { tone: 'busy', label: 'Starting' },
  running: { tone: 'ok', label: 'Running' },
  stopping: { tone: 'busy', label: 'Stopping' },
  migrating: { tone: 'busy', label: 'Moving' },
  paused: { tone: 'warning', label: 'Paused' },
  crashed: { tone: 'error', label: 'Crashed' },
  unknown: { tone: 'warning', label: 'Unknown' },
  deleting: { tone: 'busy', label: 'Deleting' },
} as const satisfies Record<VmState, Look>;

/** What to do about a VM in a state that one does not want it to be in. */
export const vmAdvice: Partial<Record<VmState, string>> = {
  paused:
    'Look at its host and at the storage: a VM pauses when its disk cannot be written. It goes on by itself after that.',
  crashed: 'Start it again. Its serial log may tell why it crashed.',
  unknown: 'Bring its host back; then its true state is shown, and what has stopped can be started.',
};

export const hostLook = {
  online: { tone: 'ok', label: 'Online' },
  connecting: { tone: 'busy', label: 'Connecting' },
  joining: { tone: 'busy', label: 'Joining' },
  unreachable: { tone: 'error', label: 'Unreachable' },
} as const satisfies Record<HostState, Look>;

export const maintenanceLook = {
  moving: { tone: 'busy', label: 'Into maintenance' },
  ready: { tone: 'info', label: 'Maintenance' },
} as const satisfies Record<NonNullable<Host['maintenance']>['state'], Look>;

/** A host as HA sees it. */
export const haHostLook = {
  online: { tone: 'ok', label: 'Online' },
  suspect: { tone: 'warning', label: 'Suspect' },
  fencing: { tone: 'error', label: 'Being fenced' },
  fenced: { tone: 'error', label: 'Fenced' },
  returning: { tone: 'busy', label: 'Returning' },
  maintenance: { tone: 'idle', label: 'Maintenance' },
  unknown: { tone: 'idle', label: 'Unknown' },
} as const satisfies Record<HaHostState, Look>;

/** Whether a fence device answers; what it says of the power is beside it. */
export const fenceLook = {
  unknown: { tone: 'idle', label: 'Not asked yet' },
  on: { tone: 'ok', label: 'Answers' },
  // of a host that runs it is another machine’s power
  off: { tone: 'warning', label: 'Says: off' },
  failed: { tone: 'warning', label: 'Does not answer' },
} as const satisfies Record<FenceDeviceState, Look>;

/** What to do about a host that is not online. */
export const hostAdvice = {
  online: undefined,
  connecting: 'This takes a few seconds after the engine or the host has started.',
  joining: 'Jobs shows how far it is.',
  unreachable:
    'See whether it is switched on and connected. Until it answers again, nobody can say whether its VMs still run.',
} as const satisfies Record<HostState, string | undefined>;

export const volumeLook = {
  healthy: { tone: 'ok', label: 'Healthy' },
  healing: { tone: 'busy', label: 'Healing' },
  degraded: { tone: 'warning', label: 'Degraded' },
  'split-brain': { tone: 'error', label: 'Split brain' },
  offline: { tone: 'error', label: 'Offline' },
  unknown: { tone: 'warning', label: 'Unknown' },
} as const satisfies Record<Volume['state'], Look>;

export const jobLook = {
  queued: { tone: 'idle', label: 'Waiting' },
  running: { tone: 'busy', label: 'Running' },
  cancelling: { tone: 'busy', label: 'Cancelling' },
  undoing: { tone: 'busy', label: 'Undoing' },
  done: { tone: 'ok', label: 'Done' },
  failed: { tone: 'error', label: 'Failed' },
  cancelled: { tone: 'idle', label: 'Cancelled' },
  stuck: { tone: 'error', label: 'Needs you' },
} as const satisfies Record<JobState, Look>;

export const stepLook = {
  waiting: { tone: 'idle', label: 'waiting' },
  running: { tone: 'busy', label: 'running' },
  done: { tone: 'ok', label: 'done' },
  failed: { tone: 'error', label: 'failed' },
  undoing: { tone: 'busy', label: 'undoing' },
  undone: { tone: 'idle', label: 'undone' },
  skipped: { tone: 'idle', label: 'skipped' },
} as const satisfies Record<JobStep['state'], Look>;

export const overviewLook = {
  fine: { tone: 'ok', label: 'Everything is fine' },
  attention: { tone: 'warning', label: 'Needs attention' },
  trouble: { tone: 'error', label: 'In trouble' },
} as const satisfies Record<Overview['state'], Look>;

export const resilienceLook = {
  yes: { tone: 'ok', label: 'Yes' },
  no: { tone: 'warning', label: 'No' },
  unknown: { tone: 'idle', label: 'Not known yet' },
} as const satisfies Record<Overview['canLoseAHost']['answer'], Look>;

export const severityLook = {
  info: { tone: 'info', label: 'Info' },
  warning: { tone: 'warning', label: 'Warning' },
  error: { tone: 'error', label: 'Error' },
} as const satisfies Record<Event['severity'], Look>;

/** Busy is what processors are for: only all of them all the time is worth a look. */
export const busyTone = (percent: number): Tone => (percent >= 95 ? 'warning' : 'ok');

/** A meter's tone by how full it is. */
export const fullnessTone = (percent: number): Tone =>
  percent >= 92 ? 'error' : percent >= 80 ? 'warning' : 'ok';
