/** The guide's pages, in reading order. */
import type { GuidePage } from '../lib/route.ts';

export const guideTitles = {
  'first-vm': 'Your first VM',
  'moving-a-vm': 'Moving a VM',
  'adding-a-host': 'Adding a host',
  'when-a-host-dies': 'When a host dies',
  'storage-health': 'Is my storage healthy?',
} as const satisfies Record<GuidePage, string>;
