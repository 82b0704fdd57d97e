/** What each VM action looks like and does: the one list for menus, buttons, rows and the palette. */

import Move from '@lucide/svelte/icons/arrow-right-left';
import Monitor from '@lucide/svelte/icons/monitor';
import Copy from '@lucide/svelte/icons/pencil';
import Play from '@lucide/svelte/icons/play';
import Power from '@lucide/svelte/icons/power';
import RotateCw from '@lucide/svelte/icons/rotate-cw';
import Trash from '@lucide/svelte/icons/trash-2';
import Zap from '@lucide/svelte/icons/zap';
import type { Component } from 'svelte';
import type { Vm, VmAction } from '../../engine/contract/vms.ts';
import { href } from '../lib/route.ts';
import type { App } from '../state/app.svelte.ts';

export const actionIcon = {
  start: Play,
  shutdown: Power,
  stop: Zap,
  reboot: RotateCw,
  migrate: Move,
  delete: Trash,
  console: Monitor,
  edit: Copy,
} as const satisfies Record<VmAction, Component<{ size?: number }>>;

/** In the order of menus; a gap between groups. */
export const menuGroups: readonly (readonly VmAction[])[] = [
  ['start', 'console'],
  ['shutdown', 'reboot', 'migrate', 'edit'],
  ['stop', 'delete'],
];

/** Starts the action or opens its dialog. Nothing destructive happens without a second step. */
export function runAction(app: App, vm: Vm, action: VmAction): void {
  if (app.whyNot(vm, action) !== undefined) return;
  switch (action) {
    case 'start':
      void app.start(vm);
      return;
    case 'console':
      app.router.go(href({ screen: 'vm', id: vm.id, tab: 'console' }));
      return;
    case 'shutdown':
    case 'stop':
    case 'reboot':
      app.dialog = { kind: 'confirm-vm', action, id: vm.id };
      return;
    case 'migrate':
      app.dialog = { kind: 'migrate-vm', id: vm.id };
      return;
    case 'edit':
      app.dialog = { kind: 'edit-vm', id: vm.id };
      return;
    case 'delete':
      app.dialog = { kind: 'delete-vm', id: vm.id };
      return;
  }
}
