/** What people do with VMs, by mouse: log in, find, create, start, shut down, move, edit, delete; each seen live. */
import type { Browser, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { launchBrowser, openPage } from './support/browser.ts';
import { startTarget, type Target } from './support/target.ts';

const test = suite('VMs in the browser', { deadlineMs: 120_000 });
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
const open = async (path: string) => {
  await target.logIn(page);
  await page.goto(target.url + path);
};
const menu = async (name: string, item: string | RegExp) => {
  await page.getByRole('button', { name: `Actions of ${name}`, exact: true }).click();
  return page.getByRole('menuitem', { name: item });
};

test('a login leads back to where one wanted to go', async () => {
  await page.goto(`${target.url}/vms?show=running`);
  await page.getByLabel('Name').fill(target.user);
  await page.getByLabel('Password').fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  assert.is(await page.getByLabel('Password').inputValue(), '');
  await page.getByLabel('Password').fill(target.password);
  await page.keyboard.press('Enter');
  await row('web01').waitFor();
  assert.match(page.url(), /\/vms\?show=running$/);
});

test('finds, filters and sorts, and the address remembers it', async () => {
  await open('/vms');
  await row('files').waitFor();
  await page.getByLabel('Search VMs').fill('web');
  await row('files').waitFor({ state: 'detached' });
  assert.is(await page.getByRole('row').count(), 3);
  await page.getByLabel('Search VMs').fill('');
  await page.getByRole('radio', { name: /Off/ }).click();
  await row('build').waitFor();
  assert.is(await page.getByRole('row').count(), 3);
  await page.getByRole('radio', { name: /All/ }).click();
  await page.getByRole('button', { name: 'Memory' }).click();
  await page.getByRole('button', { name: 'Memory' }).click();
  await page.getByRole('row').nth(1).getByRole('cell', { name: '2 GiB' }).waitFor();
  await page.reload();
  await page.getByRole('row').nth(1).getByRole('cell', { name: '2 GiB' }).waitFor();
  await page.getByRole('link', { name: 'db01' }).click();
  await page.getByRole('heading', { name: 'db01' }).waitFor();
  await page.goBack();
  await page.getByRole('row').nth(1).getByRole('cell', { name: '2 GiB' }).waitFor();
  assert.match(page.url(), /sort=-memory/);
});

test('creates a VM, and says what is not right yet', async () => {
  await open('/');
  await page.getByRole('button', { name: 'Create VM', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Create', exact: true }).click();
  await dialog.getByText('Give it a name.').waitFor();
  await dialog.getByLabel('Name').fill('web01');
  await dialog.getByText('There is a VM called web01 already.').waitFor();
  await dialog.getByLabel('Name').fill('web03');
  await dialog.getByText('Medium').click();
  await dialog.getByLabel('Disk in GiB').fill('0.1');
  await dialog.getByText(/At least .* the size of the image\./).waitFor();
  await dialog.getByLabel('Disk in GiB').fill('20');
  await dialog.getByRole('button', { name: 'Create', exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
  await row('web03').getByText('Running').waitFor();
  await page.getByRole('region', { name: 'Messages' }).getByText('Create web03').waitFor();
});

test('starts and shuts down, and every step is seen', async () => {
  await open('/vms');
  await page.getByRole('button', { name: 'Start build' }).click();
  await row('build').getByText('Running').waitFor();
  await (await menu('build', /Shut down/)).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Shut down' }).click();
  await row('build').getByText('Stopping').waitFor();
  await row('build').getByText('Off').waitFor();
});

test('what is not possible now says why, and does nothing', async () => {
  await open('/vms');
  const start = await menu('files', /Start/);
  assert.match((await start.textContent()) ?? '', /Only while it is off or crashed\./);
  assert.is(await start.getAttribute('aria-disabled'), 'true');
  await start.click({ force: true });
  await start.waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('menu').waitFor({ state: 'detached' });
  const engine = page.getByRole('row').filter({ has: page.getByText('Engine', { exact: true }) });
  await engine.getByRole('button', { name: /^Actions of/ }).click();
  const stop = page.getByRole('menuitem', { name: /Force stop/ });
  assert.match((await stop.textContent()) ?? '', /engine’s own VM/);
});

test('moves a VM to where the scheduler says it fits, with its progress in sight', async () => {
  await open('/vms');
  await page.getByRole('link', { name: 'mail' }).click();
  const host = page.getByRole('region', { name: 'Facts' }).getByRole('link').first();
  const from = await host.textContent();
  await page.getByRole('button', { name: 'Move' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Fits best').waitFor();
  await dialog.getByRole('radio', { name: /^host/ }).last().check();
  await dialog.getByRole('button', { name: 'Move' }).click();
  await page.getByRole('progressbar', { name: 'Move mail' }).waitFor();
  await page.getByRole('progressbar', { name: 'Move mail' }).waitFor({ state: 'detached' });
  await page.getByText('Running', { exact: true }).first().waitFor();
  assert.is.not(await host.textContent(), from);
});

test('changes name and size, and says when the size counts', async () => {
  await open('/vms');
  await (await menu('web02', /Edit/)).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('web-two');
  await dialog.getByLabel('CPUs').fill('4');
  await dialog.getByText('The new size takes effect at the next start.').waitFor();
  await dialog.getByRole('button', { name: 'Save' }).click();
  await row('web-two').waitFor();
});

test('deletes only what was named', async () => {
  await open('/vms');
  await (await menu('old-erp', /Delete/)).click();
  const dialog = page.getByRole('dialog');
  const confirm = dialog.getByRole('button', { name: 'Delete' });
  assert.is(await confirm.getAttribute('aria-disabled'), 'true');
  await dialog.getByLabel('Type old-erp to confirm').fill('old');
  assert.is(await confirm.getAttribute('aria-disabled'), 'true');
  await dialog.getByLabel('Type old-erp to confirm').fill('old-erp');
  await page.keyboard.press('Enter');
  await row('old-erp').waitFor({ state: 'detached' });
});

test.run();
