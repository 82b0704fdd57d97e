/** A VM's screen in the browser: it moves, takes keys and pasted text, comes back by itself, and costs nothing before. */
import type { Browser, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { eventually } from '../support/eventually.ts';
import { suite } from '../support/suite.ts';
import { tell } from './support/bars.ts';
import { launchBrowser, openPage } from './support/browser.ts';
import { startTarget, type Target } from './support/target.ts';

const test = suite('the console in the browser', { deadlineMs: 120_000 });
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
  await target.logIn(page);
});
test.afterEach(async () => {
  assert.equal(errors, []);
  await close();
});
const connected = () => page.getByText('Connected', { exact: true }).waitFor();
const picture = async () => (await page.locator('canvas').screenshot()).toString('base64');
const screen = () => target.screens.at(-1);
const patiently = { deadlineMs: 30_000 };

test('its code is loaded only when it is opened, and then the screen moves', async () => {
  const scripts: string[] = [];
  page.on('request', (request) => {
    if (request.url().includes('rfb-')) scripts.push(request.url());
  });
  await page.goto(`${target.url}/vms/${await target.vmId('db01')}`);
  await page.getByRole('heading', { name: 'Disks' }).waitFor();
  assert.is(scripts.length, 0);
  const clicked = performance.now();
  await page.getByRole('tab', { name: 'Console' }).click();
  await connected();
  tell('from the click to the console', [performance.now() - clicked], 2000);
  assert.is(scripts.length, 1);
  const before = await picture();
  await eventually('the pixels to change', async () => (await picture()) !== before, patiently);
});

test('keys go to the VM, not to the page', async () => {
  await page.goto(`${target.url}/vms/${await target.vmId('db01')}/console`);
  await connected();
  await page.locator('canvas').click();
  await page.keyboard.type('c/');
  await eventually('the keys to arrive', () => screen()?.keys.join() === '99,47', patiently);
  assert.is(await page.getByRole('dialog').count(), 0);
  await page.getByRole('button', { name: 'Ctrl-Alt-Del' }).click();
  await eventually(
    'Ctrl, Alt and Del',
    () => screen()?.keys.slice(2).join() === '65507,65513,65535',
    patiently,
  );
});

test('text is typed key by key', async () => {
  await page.goto(`${target.url}/vms/${await target.vmId('db01')}/console`);
  await connected();
  await page.getByRole('button', { name: 'Type text' }).click();
  await page.getByRole('textbox', { name: 'Text' }).fill('root\n€');
  await page.getByRole('button', { name: 'Type it' }).click();
  const expected = [...'root'].map((letter) => letter.charCodeAt(0)).concat(0xff0d, 0x0100_20ac);
  await eventually('the text to arrive', () => screen()?.keys.join() === expected.join(), patiently);
});

test('it comes back by itself when the connection breaks off', async () => {
  await page.goto(`${target.url}/console/${await target.vmId('db01')}`);
  await connected();
  const before = target.screens.length;
  screen()?.drop();
  await eventually('a new connection', () => target.screens.length > before, patiently);
  await connected();
});

test('there is one screen, however often one connects again', async () => {
  await page.goto(`${target.url}/vms/${await target.vmId('db01')}/console`);
  await connected();
  const again = page.getByRole('button', { name: 'Connect again' });
  for (let press = 0; press < 4; press += 1) await again.click();
  await connected();
  assert.is(await page.locator('canvas').count(), 1);
});

test('it comes back when the engine does', async () => {
  await page.goto(`${target.url}/vms/${await target.vmId('db01')}/console`);
  await connected();
  try {
    await target.stopEngine();
    await page.getByText('Connected', { exact: true }).waitFor({ state: 'detached' });
  } finally {
    await target.startEngine();
  }
  await connected();
});

test('a VM that is off has no screen, and offers to start', async () => {
  await page.goto(`${target.url}/vms/${await target.vmId('build')}/console`);
  await page.getByText('No screen to show').waitFor();
  await page.getByRole('tabpanel').getByRole('button', { name: 'Start' }).click();
  await connected();
});

test.run();
