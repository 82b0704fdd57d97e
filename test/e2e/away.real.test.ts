/** The engine goes away and comes back; the session ends: the page says so, and is right again by itself. */
import type { Browser } from 'playwright-core';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { launchBrowser, openPage } from './support/browser.ts';
import { startTarget, type Target } from './support/target.ts';

const test = suite('an engine that comes and goes', { deadlineMs: 120_000 });
let browser: Browser;
let target: Target;
test.before(async () => {
  target = await startTarget();
  browser = await launchBrowser();
});
test.after(async () => {
  await browser?.close();
  await target?.close();
});

test('the banner comes, actions say why, and all is fresh when the engine is back', async () => {
  const { page, errors, close } = await openPage(browser);
  await target.logIn(page);
  await page.goto(`${target.url}/vms`);
  const files = page.getByRole('row', { name: /^files/ });
  await files.getByText('Running').waitFor();
  await target.stopEngine();
  await page.getByText('The engine cannot be reached.').waitFor();
  await page.getByText('Your virtual machines keep running.').waitFor();
  await files.getByText('Running').waitFor();
  await page.getByRole('button', { name: 'Actions of files' }).click();
  const shutdown = page.getByRole('menuitem', { name: /Shut down/ });
  assert.match((await shutdown.textContent()) ?? '', /cannot be reached/);
  await page.keyboard.press('Escape');
  // Its guest shuts down while nobody looks.
  const id = await page.getByRole('link', { name: 'files' }).getAttribute('href');
  for (const host of target.world.hosts)
    for (const vm of host.kept.vms.values())
      if (id?.endsWith(vm.spec.id)) {
        Object.assign(vm, { state: 'off', power: 'off' });
        if (vm.ha !== undefined) vm.ha.ended = { how: 'guest', atMs: performance.now() };
      }
  await target.startEngine();
  await page.getByText('The engine cannot be reached.').waitFor({ state: 'detached' });
  await files.getByText('Running').waitFor({ state: 'detached' });
  assert.equal(errors, []);
  await close();
});

test('a page that is opened while the engine starts waits for it', async () => {
  const { page, close } = await openPage(browser);
  await target.logIn(page);
  await page.route('**/api/v1/**', (route) => route.fulfill({ status: 502, body: 'not yet' }));
  await page.goto(target.url);
  await page.getByText('The engine does not answer yet').waitFor();
  await page.unroute('**/api/v1/**');
  await page.getByRole('heading', { name: 'Home' }).waitFor();
  await close();
});

test('a session that ends leads to the login and back', async () => {
  const { page, close } = await openPage(browser);
  await target.logIn(page);
  await page.goto(`${target.url}/storage/images`);
  await page.getByText('Debian 13').waitFor();
  const status = await page.evaluate(async () => {
    const session = await (await fetch('/api/v1/sessions/current')).json();
    const headers = { 'x-trefoil-csrf': session.csrfToken };
    return (await fetch('/api/v1/sessions/current', { method: 'DELETE', headers })).status;
  });
  assert.is(status, 204);
  await page.getByRole('button', { name: 'Delete Debian 13 cloud' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('Your session ended.').waitFor();
  await page.getByLabel('Name').fill(target.user);
  await page.getByLabel('Password').fill(target.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText('Debian 13').waitFor();
  assert.match(page.url(), /\/storage\/images$/);
  await close();
});

test('a password that was changed is the one that counts', async () => {
  const { page, close } = await openPage(browser);
  await target.logIn(page);
  await page.goto(`${target.url}/settings`);
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByLabel('Current password').fill(target.password);
  await page.getByLabel('New password').fill('a new one for the test');
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('Password changed').waitFor();
  await page.getByRole('button', { name: 'Log out' }).first().click();
  await page.getByLabel('Name').fill(target.user);
  await page.getByLabel('Password').fill('a new one for the test');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Home' }).waitFor();
  await close();
});

test.run();
