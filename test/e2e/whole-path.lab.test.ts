/**
 * The whole path in the real lab, as a person walks it in the browser: log in, upload the guest image, create a VM from it,
 * see its screen change, move it live while it counts to its serial console without a gap, stop it, delete it.
 * Emulation is slow: each wait has a generous deadline and says what it waits for.
 */
import { mkdirSync } from 'node:fs';
import type { Browser, Locator, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { buildGuestImage } from '../../image/guest/build.ts';
import { readClusterFile } from '../lab/cluster-file.ts';
import { eventually } from '../support/eventually.ts';
import { suite } from '../support/suite.ts';
import { launchBrowser, openPage } from './support/browser.ts';
import { makeTickCounter } from './support/ticks.ts';

const test = suite('the whole path in the browser', { deadlineMs: 14 * 60_000 });
const pictures = '.lab/screenshots';
const name = `path-${process.pid}`;
const imageName = 'trefoil-guest';
let browser: Browser;
test.before(async () => {
  mkdirSync(pictures, { recursive: true });
  browser = await launchBrowser();
});
test.after(async () => {
  await browser?.close();
});

const seen = (what: string, locator: Locator, seconds: number) =>
  locator.waitFor({ timeout: seconds * 1000 }).catch((error: unknown) => {
    throw new Error(`waited ${seconds} s to see ${what}`, { cause: error });
  });

/** The canvas as the browser shows it; its bytes differ when its pixels do. */
const picture = async (page: Page) =>
  (await page.locator('canvas').first().screenshot({ timeout: 30_000 })).toString('base64');

test('log in, create, look, move without a gap, stop, delete', async () => {
  const cluster = await readClusterFile();
  if (cluster === undefined) throw new Error('no lab is up: .lab/cluster.json is missing');
  const { page, errors, close } = await openPage(browser);
  page.setDefaultTimeout(60_000);
  const shot = (step: string) => page.screenshot({ path: `${pictures}/lab-${step}.png` });

  await page.goto(cluster.engine.url, { timeout: 60_000 });
  await page.getByLabel('Name').fill(cluster.engine.user);
  await page.getByLabel('Password').fill(cluster.engine.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await seen('the home page', page.getByRole('heading', { name: 'Can I lose a host?' }), 60);
  await shot('home');

  await page.goto(`${cluster.engine.url}/hosts`);
  for (const host of cluster.hosts)
    await seen(
      `${host.name} online`,
      page.getByRole('article').filter({ hasText: host.name }).getByText('Online'),
      60,
    );
  await shot('hosts');

  await page.goto(`${cluster.engine.url}/storage/images`);
  await page.getByRole('tab', { name: 'Images' }).waitFor();
  const row = page.getByRole('row', { name: new RegExp(imageName) });
  const there = await row.waitFor({ timeout: 5000 }).then(
    () => true,
    () => false,
  );
  if (!there) {
    await page.getByRole('button', { name: 'Upload image' }).first().click();
    await page.locator('input[type=file]').setInputFiles((await buildGuestImage()).path);
    await page.getByRole('dialog').getByLabel('Name').fill(imageName);
    await page.getByRole('dialog').getByRole('button', { name: 'Upload', exact: true }).click();
    await seen('the uploaded image', row, 120);
  }
  await shot('images');

  await page.keyboard.press('c');
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill(name);
  await dialog.getByLabel('Image').click();
  await page.getByRole('option', { name: new RegExp(imageName) }).click();
  await dialog.getByText('Custom').click();
  await dialog.getByLabel('CPUs').fill('1');
  await dialog.getByLabel('Memory in GiB').fill('0.25');
  await dialog.getByLabel('Disk in GiB').fill('1');
  await dialog.getByRole('button', { name: 'Create', exact: true }).click();
  const vmRow = page.getByRole('row', { name: new RegExp(`^${name}`) });
  await seen('the VM running', vmRow.getByText('Running'), 180);
  await shot('vms');

  await vmRow.getByRole('link', { name }).click();
  await page.getByRole('tab', { name: 'Console' }).click();
  const clicked = performance.now();
  await seen('the console connected', page.getByText('Connected', { exact: true }), 60);
  console.log(`click to console: ${Math.round(performance.now() - clicked)} ms`);
  const before = await picture(page);
  await eventually('the screen’s pixels to change', async () => (await picture(page)) !== before, {
    deadlineMs: 120_000,
    everyMs: 1000,
  });
  await shot('console');

  const ticks = makeTickCounter();
  const vmId = /\/vms\/([0-9a-f-]+)/.exec(page.url())?.[1] ?? '';
  const readTicks = async () => {
    const answer = await page.request.get(`${cluster.engine.url}/api/v1/vms/${vmId}/serial-log?bytes=65536`);
    if (answer.ok()) ticks.read(await answer.text());
  };
  await page.getByRole('tab', { name: 'Serial log' }).click();
  await seen(
    'the VM counting to its serial console',
    page.locator('[data-serial]', { hasText: /tick \d+/ }),
    180,
  );
  const counted = async () => {
    await readTicks();
    return ticks.highest() >= 10;
  };
  await eventually('ten ticks', counted, { deadlineMs: 120_000 });
  await shot('serial');

  await page.getByRole('tab', { name: 'Overview' }).click();
  const facts = page.getByRole('region', { name: 'Facts' });
  const hostOf = () => facts.getByRole('link').first().textContent();
  const from = await hostOf();
  await page.getByRole('button', { name: 'Move' }).click();
  await seen('where it fits', page.getByRole('dialog').getByText('Fits best'), 30);
  await shot('move');
  const stopReading = new AbortController();
  const reading = (async () => {
    while (!stopReading.signal.aborted) await readTicks().catch(() => undefined);
  })();
  await page.getByRole('dialog').getByRole('button', { name: 'Move' }).click();
  await eventually('the VM on another host', async () => (await hostOf()) !== from, { deadlineMs: 240_000 });
  await seen('the VM running there', page.getByText('Running', { exact: true }).first(), 60);
  const atMove = ticks.highest();
  await eventually('it to count on there', () => ticks.highest() >= atMove + 12, { deadlineMs: 120_000 });
  stopReading.abort();
  await reading;
  console.log(
    `moved from ${from} to ${await hostOf()}: ticks 0 to ${ticks.highest()}, longest pause ${ticks.longestPauseMs()} ms`,
  );
  assert.equal(ticks.missing(), [], 'every tick was written exactly where one looked');
  await shot('moved');

  await page.getByRole('tab', { name: 'Console' }).click();
  await seen('the console on the new host', page.getByText('Connected', { exact: true }), 90);

  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: /Force stop/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Force stop' }).click();
  await seen('the VM off', page.getByText('Off', { exact: true }).first(), 120);
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: /Delete/ }).click();
  await page.getByRole('dialog').getByLabel(`Type ${name} to confirm`).fill(name);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Virtual machines' }).waitFor();
  await vmRow.waitFor({ state: 'detached', timeout: 120_000 });
  await shot('deleted');
  assert.equal(errors, []);
  await close();
});

test.run();
