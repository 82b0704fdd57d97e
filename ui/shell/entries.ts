/** What the palette offers: every action of the page and every place, made anew from what is known when it is opened. */
import BookOpen from '@lucide/svelte/icons/book-open';
import CircleX from '@lucide/svelte/icons/circle-x';
import KeyRound from '@lucide/svelte/icons/key-round';
import LogOut from '@lucide/svelte/icons/log-out';
import Monitor from '@lucide/svelte/icons/monitor';
import Plus from '@lucide/svelte/icons/plus';
import Server from '@lucide/svelte/icons/server';
import ShieldOff from '@lucide/svelte/icons/shield-off';
import SunMoon from '@lucide/svelte/icons/sun-moon';
import Trash from '@lucide/svelte/icons/trash-2';
import Upload from '@lucide/svelte/icons/upload';
import Wrench from '@lucide/svelte/icons/wrench';
import type { Component } from 'svelte';
import type { Job } from '../../engine/contract/jobs.ts';
import type { Vm } from '../../engine/contract/vms.ts';
import { guide, guideSections } from '../guide/pages.ts';
import { armHa } from '../ha/arm.ts';
import { endMaintenance } from '../hosts/maintenance.ts';
import { cancelJob } from '../jobs/cancel.ts';
import { isActive } from '../lib/cluster.ts';
import { guidePages, href } from '../lib/route.ts';
import { hostLook, vmLook } from '../lib/status.ts';
import { actionLabel } from '../lib/vm-actions.ts';
import type { App } from '../state/app.svelte.ts';
import { themeChoices } from '../state/theme.svelte.ts';
import { actionIcon, menuGroups, runAction } from '../vms/actions.ts';
import { places } from './navigation.ts';

export type Entry = {
  key: string;
  text: string;
  /** found by these too, though they are not shown */
  words?: string;
  note?: string | undefined;
  icon: Component<{ size?: number }>;
  run: () => void;
};

export const vmEntries = (app: App): Entry[] =>
  app.live.cluster.vms.map((vm) => ({
    key: vm.id,
    text: vm.name,
    words: vm.nics.flatMap((nic) => nic.addresses).join(' '),
    note: vmLook[vm.state].label,
    icon: Monitor,
    run: () => app.router.go(href({ screen: 'vm', id: vm.id, tab: 'overview' })),
  }));

/** Only what is possible now; why something is not, its menu tells. */
export const actionEntries = (app: App, vm: Vm): Entry[] =>
  menuGroups
    .flat()
    .filter((action) => app.whyNot(vm, action) === undefined)
    .map((action) => ({
      key: `${vm.id}-${action}`,
      text: action === 'console' ? `Console of ${vm.name}` : `${actionLabel[action]} ${vm.name}`,
      words: vm.name,
      icon: actionIcon[action],
      run: () => runAction(app, vm, action),
    }));

export const hostEntries = (app: App): Entry[] =>
  app.live.cluster.hosts.map((host) => ({
    key: host.id,
    text: host.name,
    words: host.address,
    note: hostLook[host.state].label,
    icon: Server,
    run: () => app.router.go(href({ screen: 'host', id: host.id })),
  }));

const cancelEntry =
  (app: App) =>
  (job: Job): Entry => ({
    key: `cancel-${job.id}`,
    text: `Cancel: ${job.title}`,
    icon: CircleX,
    run: () => void cancelJob(app, job),
  });

export const doEntries = (app: App): Entry[] => [
  {
    key: 'create',
    text: 'Create a VM',
    words: 'new virtual machine',
    icon: Plus,
    note: 'C',
    run: () => (app.dialog = { kind: 'create-vm' }),
  },
  {
    key: 'add',
    text: 'Add a host',
    words: 'join server',
    icon: Server,
    run: () => (app.dialog = { kind: 'add-host' }),
  },
  ...app.live.cluster.hosts.map((host) =>
    host.maintenance?.state === 'ready'
      ? {
          key: `maintenance-${host.id}`,
          text: `End maintenance of ${host.name}`,
          icon: Wrench,
          run: () => void endMaintenance(app, host),
        }
      : {
          key: `maintenance-${host.id}`,
          text: `Maintenance of ${host.name}`,
          words: 'drain empty evacuate switch off',
          icon: Wrench,
          run: () => (app.dialog = { kind: 'maintenance' as const, id: host.id }),
        },
  ),
  app.live.cluster.ha?.disarmed === undefined
    ? {
        key: 'disarm',
        text: 'Disarm HA for planned work',
        words: 'pause fencing switch',
        icon: ShieldOff,
        run: () => (app.dialog = { kind: 'disarm' }),
      }
    : { key: 'arm', text: 'Arm HA', icon: ShieldOff, run: () => void armHa(app) },
  {
    key: 'upload',
    text: 'Upload an image',
    icon: Upload,
    run: () => (app.dialog = { kind: 'upload-image' }),
  },
  ...app.live.cluster.jobs.filter((job) => job.canCancel && isActive(job)).map(cancelEntry(app)),
  ...themeChoices.map((choice) => ({
    key: `theme-${choice}`,
    text: `Theme: ${choice}`,
    words: 'look colours',
    icon: SunMoon,
    run: () => app.theme.set(choice),
  })),
  {
    key: 'password',
    text: 'Change password',
    icon: KeyRound,
    run: () => app.router.go(`${href({ screen: 'settings' })}#password`),
  },
  {
    key: 'log-out',
    text: 'Log out',
    words: 'sign off',
    icon: LogOut,
    run: () => void app.logOut(),
  },
  ...app.live.cluster.images.map((image) => ({
    key: `delete-${image.id}`,
    text: `Delete the image ${image.name}`,
    icon: Trash,
    run: () => (app.dialog = { kind: 'delete-image', id: image.id }),
  })),
];

export const goEntries = (app: App): Entry[] => [
  ...Object.values(places).map((place) => ({
    key: place.href,
    text: place.label,
    icon: place.icon,
    run: () => app.router.go(place.href),
  })),
  {
    key: 'images',
    text: 'Images',
    icon: places.storage.icon,
    run: () => app.router.go(href({ screen: 'storage', tab: 'images' })),
  },
];

export const guideEntries = (app: App): Entry[] => [
  ...guidePages.map((page) => ({
    key: `guide-${page}`,
    text: guide[page].title,
    words: 'guide help',
    icon: BookOpen,
    run: () => app.router.go(href({ screen: 'guide', page })),
  })),
  ...guideSections.map((section) => ({
    key: section.href,
    text: `${section.page}: ${section.title}`,
    words: `guide help ${section.words}`,
    icon: BookOpen,
    run: () => app.router.go(section.href),
  })),
];
