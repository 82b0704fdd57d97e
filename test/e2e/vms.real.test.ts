/** What people do with VMs, by mouse: log in, find, create, start, shut down, move, delete; each seen live. */
import type { Browser, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { launchBrowser, openPage } from './support/browser.ts';
import { startTarget, type Target } from './support/target.ts';

const test = suite('VMs in the browser', { deadlineMs: 60_000 });
let browser: Browser;
let target: Target;
let page: Page;
let errors: string[];
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
  ({ page, errors, close } = await openPage(browser));
});
test.afterEach(async () => {
  assert.equal(errors, []);
  await close();
});

const row = (name: string) => page.getByRole('row', { name: new RegExp(`^${name}\\b`) });
const menu = async (name: string, item: string | RegExp) => {
  await page.getByRole('button', { name: `Actions of ${name}`, exact: true }).click();
  return page.getByRole('menuitem', { name: item });
};

test('a login leads back to where one wanted to go', async () => {
  target.mock.logOutEveryone();
  await page.goto(`${target.url}/vms?show=running`);
  await page.getByLabel('Name').fill('admin');
  await page.getByLabel('Password').fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('Name or password is wrong.').waitFor();
  assert.is(await page.getByLabel('Password').inputValue(), '');
  await page.getByLabel('Password').fill(target.password);
  await page.keyboard.press('Enter');
  await row('web01').waitFor();
  assert.match(page.url(), /\/vms\?show=running$/);
});

test('finds, filters and sorts, and the address remembers it', async () => {
  await page.goto(`${target.url}/vms`);
  await row('files').waitFor();
  await page.getByLabel('Search VMs').fill('erp');
  await row('files').waitFor({ state: 'detached' });
  assert.is(await page.getByRole('row').count(), 3);
  await page.getByLabel('Search VMs').fill('');
  await page.getByRole('radio', { name: /Off/ }).click();
  await row('build').waitFor();
  assert.is(await page.getByRole('row').count(), 3);
  await page.getByRole('radio', { name: /All/ }).click();
  await page.getByRole('button', { name: 'Processors' }).click();
  assert.match((await page.getByRole('row').nth(1).textContent()) ?? '', /erp-db/);
  await page.reload();
  await page.getByRole('row').nth(1).getByText('erp-db').waitFor();
  await page.getByRole('link', { name: 'erp-db' }).click();
  await page.getByRole('heading', { name: 'erp-db' }).waitFor();
  await page.goBack();
  await page.getByRole('row').nth(1).getByText('erp-db').waitFor();
  assert.match(page.url(), /sort=cpu/);
});

test('creates a VM, and says what is not right yet', async () => {
  await page.goto(target.url);
  await page.getByRole('button', { name: 'Create VM', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Create', exact: true }).click();
  await dialog.getByText('Give it a name.').waitFor();
  await dialog.getByLabel('Name').fill('web01');
  await dialog.getByText('There is a VM called web01 already.').waitFor();
  await dialog.getByLabel('Name').fill('web03');
  await dialog.getByText('Medium').click();
  await dialog.getByLabel('Disk in GiB').fill('1');
  await dialog.getByText('At least 3 GiB, the size of the image.').waitFor();
  await dialog.getByLabel('Disk in GiB').fill('20');
  await dialog.getByRole('button', { name: 'Create', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await row('web03').getByText('Running').waitFor();
  await page.getByText('Create VM web03').first().waitFor();
});

test('starts and shuts down, and every step is seen', async () => {
  await page.goto(`${target.url}/vms`);
  await page.getByRole('button', { name: 'Start build' }).click();
  await row('build').getByText('Starting').waitFor();
  await row('build').getByText('Running').waitFor();
  await (await menu('build', /Shut down/)).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Shut down' }).click();
  await row('build').getByText('Stopping').waitFor();
  await row('build').getByText('Off').waitFor();
});

test('what is not possible now says why, and does nothing', async () => {
  await page.goto(`${target.url}/vms`);
  const start = await menu('files', /Start/);
  assert.match((await start.textContent()) ?? '', /Only while it is off or crashed\./);
  assert.is(await start.getAttribute('aria-disabled'), 'true');
  await start.click({ force: true });
  await start.waitFor();
  await page.keyboard.press('Escape');
  const stop = await menu('engine', /Force stop/);
  assert.match((await stop.textContent()) ?? '', /engine’s own VM/);
});

test('moves a VM to where the scheduler says it fits', async () => {
  await page.goto(`${target.url}/vms`);
  await page.getByRole('link', { name: 'mail' }).click();
  await page.getByRole('button', { name: 'Move' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Fits best').waitFor();
  await dialog.getByRole('radio', { name: /^host1/ }).check();
  await dialog.getByRole('button', { name: 'Move' }).click();
  await page.getByText('Moving').first().waitFor();
  await page.getByText('Running', { exact: true }).first().waitFor();
});

test('deletes only what was named', async () => {
  await page.goto(`${target.url}/vms`);
  await (await menu('test-win', /Delete/)).click();
  const dialog = page.getByRole('dialog');
  const confirm = dialog.getByRole('button', { name: 'Delete' });
  assert.is(await confirm.getAttribute('aria-disabled'), 'true');
  await dialog.getByLabel('Type test-win to confirm').fill('test');
  assert.is(await confirm.getAttribute('aria-disabled'), 'true');
  await dialog.getByLabel('Type test-win to confirm').fill('test-win');
  await page.keyboard.press('Enter');
  await row('test-win').waitFor({ state: 'detached' });
});

test.run();
