/** What a VM's form offers about HA. */
import { type HaPriority, haPrioritySchema } from '../../engine/contract/ha.ts';
import type { VmCreate } from '../../engine/contract/vms.ts';

/** `auto`: the engine decides by where the disk is. */
export const haChoices = [
  { value: 'auto', label: 'Automatic', hint: 'on where disks are stored three times' },
  { value: 'on', label: 'On', hint: 'started elsewhere when its host is lost' },
  { value: 'off', label: 'Off', hint: 'stays down until its host is back' },
] as const;
export const haPriorities: ReadonlyArray<{ value: HaPriority; label: string }> = [
  { value: 'high', label: 'High' },
  { value: 'normal', label: 'Normal' },
  { value: 'low', label: 'Low' },
];

/** Values of select boxes are texts; what is none of ours is what most VMs have. */
export const haRequest = (ha: string, priority: string): NonNullable<VmCreate['ha']> => ({
  ...(ha === 'on' ? { enabled: true } : ha === 'off' ? { enabled: false } : {}),
  priority: haPrioritySchema.catch('normal').parse(priority),
});
