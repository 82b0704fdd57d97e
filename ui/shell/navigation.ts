/** The places of the page, for the sidebar, the bar at the bottom and the palette. */
import BookOpen from '@lucide/svelte/icons/book-open';
import HardDrive from '@lucide/svelte/icons/hard-drive';
import House from '@lucide/svelte/icons/house';
import ListChecks from '@lucide/svelte/icons/list-checks';
import MonitorPlay from '@lucide/svelte/icons/monitor';
import ScrollText from '@lucide/svelte/icons/scroll-text';
import Server from '@lucide/svelte/icons/server';
import Settings from '@lucide/svelte/icons/settings';
import ShieldCheck from '@lucide/svelte/icons/shield-check';
import type { Component } from 'svelte';
import { href, type Route } from '../lib/route.ts';

export type Place = {
  label: string;
  /** for the narrow bar */
  short: string;
  href: string;
  screens: readonly Route['screen'][];
  icon: Component<{ size?: number }>;
};

export const places = {
  home: { label: 'Home', short: 'Home', href: '/', screens: ['home'], icon: House },
  vms: { label: 'Virtual machines', short: 'VMs', href: '/vms', screens: ['vms', 'vm'], icon: MonitorPlay },
  hosts: { label: 'Hosts', short: 'Hosts', href: '/hosts', screens: ['hosts', 'host'], icon: Server },
  storage: {
    label: 'Storage',
    short: 'Storage',
    href: href({ screen: 'storage', tab: 'volumes' }),
    screens: ['storage'],
    icon: HardDrive,
  },
  ha: { label: 'High availability', short: 'HA', href: '/ha', screens: ['ha'], icon: ShieldCheck },
  jobs: { label: 'Jobs', short: 'Jobs', href: '/jobs', screens: ['jobs'], icon: ListChecks },
  events: { label: 'Events', short: 'Events', href: '/events', screens: ['events'], icon: ScrollText },
  guide: { label: 'Guide', short: 'Guide', href: '/guide', screens: ['guide'], icon: BookOpen },
  settings: {
    label: 'Settings',
    short: 'Settings',
    href: '/settings',
    screens: ['settings'],
    icon: Settings,
  },
} as const satisfies Record<string, Place>;
