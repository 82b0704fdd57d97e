/** Adding a host that scanning found, with a wrong code first; storage: what its state is, and a new image. */
import type { Browser, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { launchBrowser, openPage } from './support/browser.ts';
import { startTarget, type Target } from './support/target.ts';

const test = suite('hosts and storage in the browser', { deadlineMs: 120_000 });
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

test('a host is found, a wrong code is refused in a sentence, the right one makes it a member', async () => {
  await page.goto(`${target.url}/hosts`);
  await page.getByText('1 new host found on the network.').waitFor();
  await page.getByRole('button', { name: 'Add host' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Add trefoil-8f3a' }).click();
  assert.is(await dialog.getByLabel('Name in the cluster').inputValue(), 'host4');
  await dialog.getByRole('button', { name: 'Add host' }).click();
  await dialog.getByText('The whole code, as the console shows it: XXXX-XXXX.').waitFor();
  await dialog.getByLabel('Code').fill('00000000');
  await dialog.getByRole('button', { name: 'Add host' }).click();
  await dialog.getByRole('alert').waitFor();
  assert.match((await dialog.getByRole('alert').textContent()) ?? '', /code/i);
  const again = dialog.getByRole('button', { name: 'Try again' });
  if (await again.isVisible()) await again.click();
  await dialog.getByLabel('Code').fill('7k3mwxyz');
  assert.is(await dialog.getByLabel('Code').inputValue(), '7K3M-WXYZ');
  await dialog.getByRole('button', { name: 'Add host' }).click();
  await dialog.getByText('host4 is a host of the cluster now.').waitFor();
  await dialog.getByRole('link', { name: 'Show hosts' }).click();
  await page.getByRole('article').filter({ hasText: 'host4' }).getByText('Online').waitFor();
});

test('with nothing to be found, it says what to do', async () => {
  await page.route('**/api/v1/hosts/discovered', (route) => route.fulfill({ json: { items: [] } }));
  await page.goto(`${target.url}/hosts`);
  await page.getByRole('button', { name: 'Add host' }).click();
  await page.getByText('Looking for new hosts…').waitFor();
  await page.getByText('Connect the new server to the same networks').waitFor();
});

test('a volume tells its state, its bricks and who sees them', async () => {
  await page.goto(`${target.url}/storage`);
  const data = page.getByRole('region', { name: 'data' });
  await data.getByText('Healthy').waitFor();
  assert.is(await data.getByText('all hosts').count(), 3);
});

test('an image is uploaded with progress, and can be deleted again', async () => {
  await page.goto(`${target.url}/storage/images`);
  await page.getByRole('button', { name: 'Upload image' }).click();
  const dialog = page.getByRole('dialog');
  await dialog
    .locator('input[type=file]')
    .setInputFiles({ name: 'disk.vmdk', mimeType: '', buffer: Buffer.alloc(8) });
  await dialog.getByText('Disks in the VMDK format cannot be used.').waitFor();
  const qcow2 = Buffer.alloc(3 * 1024 * 1024);
  qcow2.set([0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3]);
  await dialog
    .locator('input[type=file]')
    .setInputFiles({ name: 'my_linux.img', mimeType: '', buffer: qcow2 });
  await dialog.getByText('3 MiB · qcow2').waitFor();
  assert.is(await dialog.getByLabel('Name').inputValue(), 'my linux');
  await dialog.getByRole('button', { name: 'Upload', exact: true }).click();
  await page.getByText('my linux is ready').waitFor();
  await page.getByRole('button', { name: 'Delete my linux' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('row', { name: /my linux/ }).waitFor({ state: 'detached' });
});

test.run();
