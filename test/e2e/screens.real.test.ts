/** Every screen and dialog, in both themes and widths: no page error, nothing that axe finds, and a picture to look at. */
import { mkdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { accessibilityProblems } from './support/axe.ts';
import { launchBrowser, looks, openPage } from './support/browser.ts';
import { builtUi } from './support/built-ui.ts';
import { startMock } from './support/mock.ts';
import { uuid } from './support/samples.ts';
import { makeWorld } from './support/world.ts';

const test = suite('screens', { deadlineMs: 120_000 });
const pictures = '.lab/screenshots';
const vm = `/vms/${uuid(4)}`;

type Screen = { name: string; path: string; ready: string; open?: (page: Page) => Promise<void> };
const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { name });
const screens: Screen[] = [
  { name: 'home', path: '/', ready: 'Can I lose a host?' },
  { name: 'vms', path: '/vms', ready: 'Virtual machines' },
  { name: 'vm', path: vm, ready: 'Disks' },
  { name: 'vm-console', path: `${vm}/console`, ready: 'erp-db' },
  { name: 'vm-serial', path: `${vm}/serial`, ready: 'erp-db' },
  { name: 'vm-placement', path: `${vm}/placement`, ready: 'erp-db' },
  { name: 'vm-events', path: `${vm}/events`, ready: 'erp-db' },
  { name: 'hosts', path: '/hosts', ready: 'host1' },
  { name: 'host', path: `/hosts/${uuid(102)}`, ready: 'Bricks' },
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
      await page.getByRole('button', { name: 'Add trefoil-9f2c' }).click();
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

let browser: Browser;
let mock: Awaited<ReturnType<typeof startMock>>;
test.before(async () => {
  mkdirSync(pictures, { recursive: true });
  mock = await startMock(makeWorld(), { root: await builtUi() });
  browser = await launchBrowser();
});
test.after(async () => {
  await browser?.close();
  await mock?.close();
});

for (const look of looks)
  test(`look right and are accessible: ${look.theme}, ${look.width} px`, async () => {
    const { page, errors, close } = await openPage(browser, look);
    const problems: string[] = [];
    for (const screen of screens) {
      await page.goto(mock.url + screen.path);
      await heading(page, screen.ready).first().waitFor();
      await screen.open?.(page);
      await page.evaluate(() => document.fonts.ready);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) problems.push(`${screen.name}: ${wide} px wider than the window`);
      problems.push(...(await accessibilityProblems(page)).map((problem) => `${screen.name}: ${problem}`));
      await page.screenshot({ path: `${pictures}/${screen.name}-${look.theme}-${look.width}.png` });
    }
    assert.equal(errors, []);
    assert.is(problems.join('\n'), '');
    await close();
  });

test('the login page, and a wrong password', async () => {
  mock.logOutEveryone();
  for (const look of looks) {
    const { page, close } = await openPage(browser, look);
    await page.goto(mock.url);
    await page.getByLabel('Name').fill('admin');
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').waitFor();
    assert.is((await accessibilityProblems(page)).join('\n'), '');
    await page.screenshot({ path: `${pictures}/login-${look.theme}-${look.width}.png` });
    await close();
  }
});

test.run();
