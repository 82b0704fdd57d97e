/** Everything by keyboard alone: dialogs, menus, palette, search; the focus is always where one expects it. */
import type { Browser, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { eventually } from '../support/eventually.ts';
import { suite } from '../support/suite.ts';
import { launchBrowser, openPage } from './support/browser.ts';
import { startTarget, type Target } from './support/target.ts';

const test = suite('the keyboard', { deadlineMs: 120_000 });
let browser: Browser;
let target: Target;
let page: Page;
let close: () => Promise<void>;

test.before(async () => {
  target = await startTarget();
  browser = await launchBrowser();
});
test.after(async () => {
  await browser?.close();
  await target?.close();
});
test.beforeEach(async () => {
  ({ page, close } = await openPage(browser));
  await target.logIn(page);
  await page.goto(`${target.url}/vms`);
  await page.getByRole('link', { name: 'files' }).waitFor();
});
test.afterEach(() => close());

const focused = () =>
  page.evaluate(() => {
    const element = document.activeElement;
    return (
      element?.getAttribute('aria-label') ??
      (element as HTMLInputElement | null)?.labels?.[0]?.textContent ??
      element?.textContent?.trim() ??
      ''
    );
  });

test('Ctrl K finds and goes', async () => {
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Find or do' }).waitFor();
  await page.keyboard.type('db01');
  await page.getByRole('option', { name: /db01 Running/ }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'db01' }).waitFor();
  assert.is(await page.getByRole('dialog').count(), 0);
});

test('Ctrl K does: a dialog opens, and Esc closes it', async () => {
  await page.keyboard.press('Control+k');
  await page.keyboard.type('create');
  await page.getByRole('option', { name: /Create a VM/ }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Create a virtual machine' }).waitFor();
  await page.waitForFunction(() => document.activeElement?.tagName === 'INPUT');
  assert.match(await focused(), /Name/);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
});

test('Ctrl K does something with a VM, and the focus comes back to where it was', async () => {
  await page.getByLabel('Search VMs').focus();
  await page.keyboard.press('Control+k');
  await page.keyboard.type('shut down mail');
  await page.getByRole('option', { name: 'Shut down mail' }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Shut down mail?' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await eventually('the focus to be back', async () => (await focused()) === 'Search VMs');
});

test('Ctrl K finds what the guide explains, also by other words, and leads to the very section', async () => {
  await page.keyboard.press('Control+k');
  await page.keyboard.type('live migration');
  await page.getByRole('option', { name: 'Moving a VM: How' }).waitFor();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Moving a VM' }).waitFor();
  assert.match(page.url(), /\/guide\/moving-a-vm#how$/);
});

test('the question mark leads to the page of the guide that explains the screen', async () => {
  await page.getByRole('main').getByRole('link', { name: 'Guide: Your first VM' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Your first VM', level: 1 }).waitFor();
});

test('a dialog that a menu opened gives the focus back to the menu’s button', async () => {
  await page.getByRole('button', { name: 'Actions of files' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: /Edit/ }).waitFor();
  await page.keyboard.type('ed');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Edit files' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await eventually('the focus to be back', async () => (await focused()) === 'Actions of files');
});

test('/ leads to the search field, C creates, but not while typing', async () => {
  await page.keyboard.press('/');
  assert.is(await focused(), 'Search VMs');
  await page.keyboard.type('c');
  assert.is(await page.getByRole('dialog').count(), 0);
  assert.is(await page.getByLabel('Search VMs').inputValue(), 'c');
});

test('a row’s menu opens, walks and closes, and the focus comes back', async () => {
  await page.getByRole('button', { name: 'Actions of files' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('menuitem', { name: /Start/ }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Escape');
  await page.getByRole('menu').waitFor({ state: 'detached' });
  await eventually('the focus to be back', async () => (await focused()) === 'Actions of files');
});

test('a dialog keeps the focus inside, and gives it back', async () => {
  const button = page.getByRole('button', { name: 'Create VM' });
  await button.focus();
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  for (let press = 0; press < 25; press += 1) {
    await page.keyboard.press('Tab');
    const inside = await page.evaluate(() => document.activeElement?.closest('[role=dialog]') !== null);
    assert.ok(inside, `after ${press + 1} tabs`);
  }
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await eventually('the focus to be back', async () => (await focused()) === 'Create VM');
});

test('the first tab stop skips the navigation; another screen starts at its content', async () => {
  await page.keyboard.press('Tab');
  assert.is(await focused(), 'Skip to content');
  await page.keyboard.press('Enter');
  assert.is(await page.evaluate(() => document.activeElement?.id), 'main');
  await page.getByRole('link', { name: 'Hosts' }).first().focus();
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Hosts' }).waitFor();
  await page.waitForFunction(() => document.activeElement?.id === 'main');
});

test('tabs and choices move by arrow keys', async () => {
  await page.getByRole('link', { name: 'db01' }).click();
  await page.getByRole('tab', { name: 'Overview' }).focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  assert.is(await focused(), 'Serial log');
  await page.keyboard.press('Enter');
  await page.getByRole('log').waitFor();
  assert.match(page.url(), /\/serial$/);
});

test('what has the focus is visibly so', async () => {
  await page.getByRole('link', { name: 'Hosts' }).first().focus();
  await page.keyboard.press('Tab');
  const width = await page.evaluate(() =>
    document.activeElement === null ? '' : getComputedStyle(document.activeElement).outlineWidth,
  );
  assert.is(width, '2px');
});

test.run();
