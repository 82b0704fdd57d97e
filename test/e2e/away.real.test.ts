/** The engine goes away and comes back; the session ends: the page says so, and is right again by itself. */
import type { Browser } from 'playwright-core';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { launchBrowser, openPage } from './support/browser.ts';
import { startTarget, type Target } from './support/target.ts';

const test = suite('an engine that comes and goes', { deadlineMs: 60_000 });
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

test('the banner comes, buttons say why, and all is fresh when the engine is back', async () => {
  const { page, errors, close } = await openPage(browser);
  await page.goto(`${target.url}/vms`);
  await page.getByRole('link', { name: 'files' }).waitFor();
  const port = Number(new URL(target.url).port);
  await target.close();
  await page.getByText('The engine cannot be reached.').waitFor();
  await page.getByText('Your virtual machines keep running.').waitFor();
  await page.getByRole('link', { name: 'files' }).waitFor();
  await page.getByRole('button', { name: 'Actions of files' }).click();
  assert.match(
    (await page.getByRole('menuitem', { name: /Shut down/ }).textContent()) ?? '',
    /cannot be reached/,
  );
  await page.keyboard.press('Escape');
  const world = target.world;
  world.vms = world.vms.filter((vm) => vm.name !== 'wiki');
  target = await startTarget(world, { port });
  await page.getByText('The engine cannot be reached.').waitFor({ state: 'detached' });
  await page.getByRole('link', { name: 'wiki' }).waitFor({ state: 'detached' });
  assert.equal(errors, []);
  await close();
});

test('a page that is opened while the engine starts waits for it', async () => {
  const { page, close } = await openPage(browser);
  const port = Number(new URL(target.url).port);
  await page.goto(target.url);
  await page.getByRole('heading', { name: 'Home' }).waitFor();
  await page.route('**/api/v1/**', (route) => route.fulfill({ status: 502, body: 'not yet' }));
  await page.reload();
  await page.getByText('The engine does not answer yet').waitFor();
  await page.unroute('**/api/v1/**');
  await page.getByRole('heading', { name: 'Home' }).waitFor();
  assert.ok(port > 0);
  await close();
});

test('a session that ends leads to the login and back', async () => {
  const { page, close } = await openPage(browser);
  await page.goto(`${target.url}/storage/images`);
  await page.getByText('Debian 13').waitFor();
  target.mock.logOutEveryone();
  await page.getByText('Your session ended.').waitFor();
  await page.getByLabel('Name').fill('admin');
  await page.getByLabel('Password').fill(target.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText('Debian 13').waitFor();
  assert.match(page.url(), /\/storage\/images$/);
  await close();
});

test.run();
