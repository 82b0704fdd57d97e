/** Every screen and dialog, looked at in both themes: page errors, what axe finds, width, and a picture to look at. */
import { mkdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { guide } from '../../../ui/guide/pages.ts';
import { guidePages, href } from '../../../ui/lib/route.ts';
import { accessibilityProblems } from './axe.ts';
import { type Look, openPage } from './browser.ts';
import type { Target } from './target.ts';

export const pictures = '.lab/screenshots';
export type Screen = {
  name: string;
  path: string;
  /** a heading that is there when the screen is */
  ready: string | RegExp;
  open?: (page: Page) => Promise<unknown>;
  only?: Look['width'];
};
type Places = { vm: string; off: string; host: string };

export const button = (page: Page, name: string, exact = false) => page.getByRole('button', { name, exact });
const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { name });
const menuItem = async (page: Page, item: RegExp) => {
  await button(page, 'More actions').click();
  await page.getByRole('menuitem', { name: item }).click();
  await page.getByRole('dialog').waitFor();
};

/** each screen as it is when all is well */
export const allScreens = ({ vm, off, host }: Places): Screen[] => [
  {
    name: 'home',
    path: '/',
    ready: 'Can I lose a host?',
    open: (page) => page.getByText('What happens then').waitFor(),
  },
  { name: 'vms', path: '/vms', ready: 'Virtual machines' },
  { name: 'vm', path: vm, ready: 'Disks' },
  { name: 'vm-off', path: off, ready: 'Disks' },
  {
    name: 'vm-console',
    path: `${vm}/console`,
    ready: 'db01',
    open: (page) => page.getByText('Connected', { exact: true }).waitFor(),
  },
  { name: 'vm-console-off', path: `${off}/console`, ready: 'build' },
  { name: 'vm-serial', path: `${vm}/serial`, ready: 'db01', open: (page) => page.getByRole('log').waitFor() },
  {
    name: 'vm-placement',
    path: `${vm}/placement`,
    ready: 'db01',
    open: (page) => page.getByText('Here now', { exact: true }).waitFor(),
  },
  { name: 'vm-events', path: `${vm}/events`, ready: /^(Today|Yesterday)$/ },
  {
    name: 'hosts',
    path: '/hosts',
    ready: 'host1',
    open: (page) => page.getByText('1 new host found').waitFor(),
  },
  { name: 'host', path: host, ready: 'Bricks' },
  {
    name: 'ha',
    path: '/ha',
    ready: 'Timeline',
    open: (page) => page.getByText('leads now.').first().waitFor(),
  },
  { name: 'storage', path: '/storage', ready: 'data' },
  { name: 'images', path: '/storage/images', ready: 'Storage' },
  { name: 'events', path: '/events', ready: /^(Today|Yesterday)$/ },
  { name: 'jobs', path: '/jobs', ready: 'Ended' },
  ...guidePages.map((page) => ({
    name: `guide-${page}`,
    path: href({ screen: 'guide', page }),
    ready: guide[page].title,
  })),
  {
    name: 'settings',
    path: '/settings#password',
    ready: 'Keys',
    open: (page) => page.getByLabel('New password').waitFor(),
  },
  { name: 'not-found', path: '/nowhere', ready: 'There is nothing at this address' },
];

export const allDialogs = ({ vm, off, host }: Places): Screen[] => [
  {
    name: 'maintenance',
    path: host,
    ready: 'Bricks',
    open: async (page) => {
      await button(page, 'Maintenance').click();
      await heading(page, /will move|No VM runs here/).waitFor();
    },
  },
  {
    name: 'disarm',
    path: '/ha',
    ready: 'Timeline',
    open: async (page) => {
      await button(page, 'Disarm for planned work').click();
      await page.getByLabel('Minutes').fill('0');
      await page.getByText('Give it 1 to 1440 minutes').first().waitFor();
    },
  },
  {
    name: 'create-vm',
    path: '/vms',
    ready: 'Virtual machines',
    open: async (page) => {
      await page.keyboard.press('c');
      await button(page, 'More: description, volume, high availability, first boot').click();
      await button(page, 'Create', true).click();
      await page.getByText('Give it a name.').waitFor();
    },
  },
  {
    name: 'create-vm-image',
    path: '/vms',
    ready: 'Virtual machines',
    open: async (page) => {
      await page.keyboard.press('c');
      await page.getByRole('dialog').getByLabel('Image').click();
      await page.getByRole('option', { name: /Debian/ }).waitFor();
    },
  },
  {
    name: 'vm-menu',
    path: '/vms',
    ready: 'Virtual machines',
    open: async (page) => {
      await button(page, 'Actions of files').click();
      await page.getByRole('menuitem', { name: /Shut down/ }).waitFor();
    },
  },
  {
    name: 'move-vm',
    path: vm,
    ready: 'Disks',
    open: async (page) => {
      await button(page, 'Move').click();
      await page.getByText('Fits best').waitFor();
    },
  },
  { name: 'shut-down-vm', path: vm, ready: 'Disks', open: (page) => button(page, 'Shut down').click() },
  { name: 'stop-vm', path: vm, ready: 'Disks', open: (page) => menuItem(page, /Force stop/) },
  { name: 'edit-vm', path: vm, ready: 'Disks', open: (page) => menuItem(page, /Edit/) },
  { name: 'delete-vm', path: off, ready: 'Disks', open: (page) => menuItem(page, /Delete/) },
  {
    name: 'type-text',
    path: `${vm}/console`,
    ready: 'db01',
    open: async (page) => {
      await page.getByText('Connected', { exact: true }).waitFor();
      await button(page, 'Type text').click();
      await page.getByRole('dialog').waitFor();
    },
  },
  {
    name: 'add-host-find',
    path: '/hosts',
    ready: 'host1',
    open: async (page) => {
      await button(page, 'Add host').click();
      await button(page, 'Add trefoil-8f3a').waitFor();
    },
  },
  {
    name: 'add-host',
    path: '/hosts',
    ready: 'host1',
    open: async (page) => {
      await button(page, 'Add host').click();
      await button(page, 'Add trefoil-8f3a').click();
      await page.getByLabel('Code').fill('7k3mp9');
    },
  },
  {
    name: 'upload-image',
    path: '/storage/images',
    ready: 'Storage',
    open: async (page) => {
      await button(page, 'Upload image').click();
      await heading(page, 'Upload an image').waitFor();
    },
  },
  {
    name: 'delete-image',
    path: '/storage/images',
    ready: 'Storage',
    open: (page) => button(page, 'Delete Debian 13 cloud').click(),
  },
  {
    name: 'jobs-sheet',
    path: '/vms',
    ready: 'Virtual machines',
    only: 1280,
    open: async (page) => {
      await button(page, 'Jobs').click();
      await page.getByRole('dialog').waitFor();
    },
  },
  {
    name: 'more-menu',
    path: '/vms',
    ready: 'Virtual machines',
    only: 390,
    open: async (page) => {
      await button(page, 'More', true).click();
      await page.getByRole('menuitem', { name: 'Guide' }).waitFor();
    },
  },
  {
    name: 'palette',
    path: '/',
    ready: 'Can I lose a host?',
    open: async (page) => {
      await page.keyboard.press('Control+k');
      await page.getByRole('combobox', { name: 'Find or do' }).fill('web');
      await page.getByRole('option', { name: /web01 Running/ }).waitFor();
    },
  },
];

/** Sentences about what is wrong with one screen; none when all is well. */
async function lookAt(page: Page, url: string, screen: Screen, width: Look['width']): Promise<string[]> {
  const problems: string[] = [];
  await page.emulateMedia({ colorScheme: 'light' });
  await page.goto(url + screen.path);
  await heading(page, screen.ready).first().waitFor();
  await screen.open?.(page);
  await page.evaluate(() => document.fonts.ready);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) problems.push(`${screen.name}: ${wide} px wider than the window`);
  const helped = await page.locator('main [aria-label^="Guide: "]').count();
  if (helped === 0 && !/^(guide|not-found)/.test(screen.name))
    problems.push(`${screen.name}: nothing leads to the guide`);
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme });
    // What the theme does not change need not be looked at twice.
    const found = await accessibilityProblems(page, theme === 'light' ? 'everything' : 'contrast');
    problems.push(...found.map((problem) => `${screen.name}, ${theme}: ${problem}`));
    await page.screenshot({ path: `${pictures}/${screen.name}-${theme}-${width}.png` });
  }
  return problems;
}

export async function problemsOf(
  browser: Browser,
  target: Target,
  width: Look['width'],
  choose: (places: Places) => Screen[],
  hostName = 'host2',
): Promise<string[]> {
  mkdirSync(pictures, { recursive: true });
  const { page, errors, close } = await openPage(browser, { theme: 'light', width });
  await target.logIn(page);
  const places: Places = {
    vm: `/vms/${await target.vmId('db01')}`,
    off: `/vms/${await target.vmId('build')}`,
    host: `/hosts/${await target.hostId(hostName)}`,
  };
  const problems: string[] = [];
  for (const screen of choose(places))
    if (screen.only === undefined || screen.only === width)
      problems.push(
        ...(await lookAt(page, target.url, screen, width).catch((error: unknown) => {
          throw new Error(`looking at ${screen.name}`, { cause: error });
        })),
      );
  await close();
  return [...problems, ...errors];
}

/** A host goes into maintenance and HA is disarmed, by what people click; at the end all is as before. */
export const plannedWork = ({ host }: Places): Screen[] => [
  {
    name: 'ha-disarmed',
    path: '/ha',
    ready: 'Timeline',
    open: async (page) => {
      await button(page, 'Disarm for planned work').click();
      await page.getByLabel('Why').fill('new switch');
      await button(page, 'Disarm', true).click();
      await page.getByText('HA is disarmed for 1 h').waitFor();
    },
  },
  {
    name: 'host-maintenance',
    path: host,
    ready: 'Bricks',
    open: async (page) => {
      await button(page, 'Maintenance').click();
      await button(page, 'Begin maintenance').click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      await button(page, 'End maintenance').waitFor({ timeout: 60_000 });
      await page.getByText('No VM runs on it now.').waitFor();
    },
  },
  {
    name: 'hosts-maintenance',
    path: '/hosts',
    ready: 'host1',
    open: (page) => page.locator('main').getByText('Maintenance', { exact: true }).waitFor(),
  },
  {
    name: 'host-after-maintenance',
    path: host,
    ready: 'Bricks',
    open: async (page) => {
      await button(page, 'End maintenance').click();
      await button(page, 'Maintenance', true).waitFor();
      await button(page, 'Arm now').click();
      await page.getByText('HA is disarmed for').waitFor({ state: 'detached' });
    },
  },
];

/** Takes the power from the host of a VM that HA does not start elsewhere; gives the host's name. */
export function loseHostOf(target: Target, vmName: string): string {
  const host = target.world.hosts.find(({ kept }) =>
    [...kept.vms.values()].some(({ spec, state }) => spec.name === vmName && state === 'running'),
  );
  if (host === undefined) throw new Error(`${vmName} runs nowhere`);
  host.powered = false;
  return host.options.name;
}

/** What is shown while a host is lost: run after everything else, a VM of its is unknown from then on. */
export const troubledScreens = ({ host }: Places): Screen[] => [
  {
    name: 'trouble-hosts',
    path: '/hosts',
    ready: 'host1',
    open: (page) => page.getByText('Unreachable').waitFor(),
  },
  { name: 'trouble-home', path: '/', ready: 'In trouble' },
  { name: 'trouble-host', path: host, ready: 'Bricks' },
  {
    name: 'trouble-vms',
    path: '/vms?show=attention',
    ready: 'Virtual machines',
    open: (page) => page.getByText('Unknown').first().waitFor(),
  },
  {
    name: 'trouble-storage',
    path: '/storage',
    ready: 'data',
    open: (page) => page.getByText('Degraded').first().waitFor(),
  },
  {
    name: 'trouble-vm',
    path: '/vms?show=attention',
    ready: 'Virtual machines',
    open: async (page) => {
      await page.getByRole('table').getByRole('link').first().click();
      await page.getByText('Bring its host back').waitFor();
    },
  },
];
