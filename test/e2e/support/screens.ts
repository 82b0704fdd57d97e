/** Every screen and dialog, looked at in both themes: page errors, what axe finds, width, and a picture to look at. */
import { mkdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { accessibilityProblems } from './axe.ts';
import { type Look, openPage } from './browser.ts';
import type { Target } from './target.ts';

export const pictures = '.lab/screenshots';
type Screen = {
  name: string;
  path: string;
  /** a heading that is there when the screen is */
  ready: string;
  open?: (page: Page) => Promise<void>;
};
const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { name });
const screensOf = (vm: string, host: string): Screen[] => [
  { name: 'home', path: '/', ready: 'Can I lose a host?' },
  { name: 'vms', path: '/vms', ready: 'Virtual machines' },
  { name: 'vm', path: vm, ready: 'Disks' },
  { name: 'vm-console', path: `${vm}/console`, ready: 'db01' },
  { name: 'vm-serial', path: `${vm}/serial`, ready: 'db01' },
  { name: 'vm-placement', path: `${vm}/placement`, ready: 'db01' },
  { name: 'vm-events', path: `${vm}/events`, ready: 'db01' },
  { name: 'hosts', path: '/hosts', ready: 'host1' },
  { name: 'host', path: host, ready: 'Bricks' },
  { name: 'storage', path: '/storage', ready: 'data' },
  { name: 'images', path: '/storage/images', ready: 'Storage' },
  { name: 'events', path: '/events', ready: 'Today' },
  { name: 'jobs', path: '/jobs', ready: 'Ended' },
  { name: 'guide', path: '/guide', ready: 'Create it' },
  { name: 'guide-host-dies', path: '/guide/when-a-host-dies', ready: 'In the first seconds' },
  { name: 'settings', path: '/settings', ready: 'Keys' },
  { name: 'not-found', path: '/nowhere', ready: 'There is nothing at this address' },
  {
    name: 'create-vm',
    path: '/vms',
    ready: 'Virtual machines',
    open: async (page) => {
      await page.keyboard.press('c');
      await page.getByRole('button', { name: 'More: description, volume, first boot' }).click();
    },
  },
  {
    name: 'vm-menu',
    path: '/vms',
    ready: 'Virtual machines',
    open: async (page) => {
      await page.getByRole('button', { name: 'Actions of files' }).click();
      await page.getByRole('menuitem', { name: /Shut down/ }).waitFor();
    },
  },
  {
    name: 'move-vm',
    path: vm,
    ready: 'Disks',
    open: async (page) => {
      await page.getByRole('button', { name: 'Move' }).click();
      await page.getByText('Fits best').waitFor();
    },
  },
  {
    name: 'add-host',
    path: '/hosts',
    ready: 'host1',
    open: async (page) => {
      await page.getByRole('button', { name: 'Add host' }).click();
      await page.getByRole('button', { name: 'Add trefoil-8f3a' }).click();
      await page.getByLabel('Code').fill('7k3mp9');
    },
  },
  {
    name: 'upload-image',
    path: '/storage/images',
    ready: 'Storage',
    open: async (page) => {
      await page.getByRole('button', { name: 'Upload image' }).click();
      await heading(page, 'Upload an image').waitFor();
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

/** Sentences about what is wrong; none when all is well. */
export async function problemsOfAllScreens(
  browser: Browser,
  target: Target,
  width: Look['width'],
): Promise<string[]> {
  mkdirSync(pictures, { recursive: true });
  const { page, errors, close } = await openPage(browser, { theme: 'light', width });
  await target.logIn(page);
  const vm = `/vms/${await target.vmId('db01')}`;
  const host = `/hosts/${await target.hostId('host2')}`;
  const problems: string[] = [];
  for (const screen of screensOf(vm, host)) {
    await page.emulateMedia({ colorScheme: 'light' });
    await page.goto(target.url + screen.path);
    await heading(page, screen.ready).first().waitFor();
    await screen.open?.(page);
    await page.evaluate(() => document.fonts.ready);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) problems.push(`${screen.name}: ${wide} px wider than the window`);
    for (const theme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: theme });
      // What the theme does not change need not be looked at twice.
      const found = await accessibilityProblems(page, theme === 'light' ? 'everything' : 'contrast');
      problems.push(...found.map((problem) => `${screen.name}, ${theme}: ${problem}`));
      await page.screenshot({ path: `${pictures}/${screen.name}-${theme}-${width}.png` });
    }
  }
  await close();
  return [...problems, ...errors];
}
