/** Fence devices: added with a test that first fails, changed, deleted; by mouse and by keyboard; and how all of it looks. */
import type { Browser, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import { fenceKeys } from '../../node/contract/fence.ts';
import { eventually } from '../support/eventually.ts';
import { suite } from '../support/suite.ts';
import { launchBrowser, openPage } from './support/browser.ts';
import { button, problemsOf, type Screen } from './support/screens.ts';
import { startTarget, type Target } from './support/target.ts';

const test = suite('fence devices in the browser', { deadlineMs: 240_000 });
let browser: Browser;
let target: Target;
let hostPath: string;
const password = 'opensesame';

test.before(async () => {
  target = await startTarget();
  browser = await launchBrowser();
  hostPath = `/hosts/${await target.hostId('host2')}`;
  for (const ip of ['10.77.9.12', '10.77.9.13'])
    target.world.powerDevices.set(ip, { state: 'on', password, askedBy: [] });
});
test.after(async () => {
  await browser?.close();
  await target?.close();
});

const opened = async (): Promise<{ page: Page; end: () => Promise<void> }> => {
  const { page, errors, close } = await openPage(browser);
  await target.logIn(page);
  await page.goto(target.url + hostPath);
  await page.getByRole('heading', { name: 'Fence devices' }).waitFor();
  const end = async () => {
    assert.equal(errors, []);
    await close();
  };
  return { page, end };
};
const devices = (page: Page) => page.getByRole('region', { name: 'Fence devices' });

test('a device is added: what is missing is said by field, a test tells who gets which answer', async () => {
  const { page, end } = await opened();
  await devices(page).getByText('There is none.').waitFor();
  await devices(page).getByText('It has no watchdog').waitFor();
  await button(page, 'Add fence device').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Address').waitFor();
  await button(page, 'Test', true).click();
  await dialog.getByText('It is needed.').waitFor();
  await dialog.getByLabel('Address').fill('10.77.9.12');
  await dialog.getByLabel('User').fill('admin');
  await dialog.getByLabel('Password').fill('guess');
  assert.is(await dialog.getByLabel('Password').getAttribute('type'), 'password');
  await button(page, 'Test', true).click();
  await dialog.getByText('The device refused the user or the password.').first().waitFor();
  await dialog.getByText('may lock the user out').waitFor();
  await button(page, 'Save anyway').waitFor();
  await dialog.getByLabel('Password').fill(password);
  await button(page, 'Save', true).waitFor();
  await button(page, 'Test', true).click();
  await dialog.getByText('Status now says: on. All 2 hosts that would use it reach it.').waitFor();
  await button(page, 'Save', true).click();
  await dialog.waitFor({ state: 'detached' });
  const row = devices(page).getByText('IPMI (most servers)');
  await row.waitFor();
  await devices(page).getByText('Answers', { exact: true }).waitFor();
  await devices(page).getByText('its fence device switches it off').waitFor();
  await end();
});

test('it is changed without typing the password again, but not to another address', async () => {
  const { page, end } = await opened();
  await button(page, 'Edit or test IPMI (most servers) 10.77.9.12').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Kept. Type a new one to replace it.').waitFor();
  await button(page, 'Test', true).click();
  await dialog.getByText('Status now says: on.').waitFor();
  await dialog.getByLabel('Address').fill('10.77.9.99');
  await button(page, 'Save', true).click();
  await dialog.getByRole('alert').getByText('Enter the password again.').waitFor();
  await dialog.getByLabel('Address').fill('10.77.9.12');
  await dialog.getByLabel('User').fill('root');
  await button(page, 'Save', true).click();
  await dialog.waitFor({ state: 'detached' });
  const stored = target.world.etcd.withPrefix(fenceKeys.devices).map(([, { value }]) => JSON.parse(value));
  assert.equal([stored.length, stored[0]?.options.username], [1, 'root']);
  await end();
});

test('a power strip asks for a plug; the same power is not given to two hosts', async () => {
  const { page, end } = await opened();
  await button(page, 'Add fence device').click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Kind').click();
  await page.getByRole('option', { name: 'APC power strip (SSH or telnet)' }).click();
  await dialog.getByLabel('Plug').fill('3');
  await dialog.getByLabel('Address').fill('10.77.9.13');
  await dialog.getByLabel('User').fill('apc');
  await dialog.getByLabel('Password').fill(password);
  await button(page, 'Save', true).click();
  await dialog.waitFor({ state: 'detached' });
  await devices(page).getByText('10.77.9.13, plug 3').waitFor();
  await page.goto(`${target.url}/hosts/${await target.hostId('host3')}`);
  await button(page, 'Add fence device').click();
  await dialog.getByLabel('Address').fill('10.77.9.12');
  await dialog.getByLabel('User').fill('root');
  await button(page, 'Save', true).click();
  await dialog.getByRole('alert').getByText('it would switch off host2 instead').waitFor();
  await end();
});

test('by keyboard: the dialog opens at its first field, keeps the focus, and gives it back', async () => {
  const { page, end } = await opened();
  await button(page, 'Add fence device').focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Address').waitFor();
  await dialog.getByLabel('Kind').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('option', { name: 'Redfish (newer servers)' }).waitFor();
  await page.keyboard.type('Redf');
  await page.keyboard.press('Enter');
  await dialog.getByText('fence_redfish').waitFor();
  await dialog.getByLabel('Address').focus();
  await page.keyboard.type('10.77.9.14');
  for (let press = 0; press < 30; press += 1) {
    await page.keyboard.press('Tab');
    const inside = await page.evaluate(() => document.activeElement?.closest('[role=dialog]') !== null);
    assert.ok(inside, `after ${press + 1} tabs`);
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await eventually('the focus to be back', async () =>
    page.evaluate(() => document.activeElement?.textContent?.includes('Add fence device') === true),
  );
  await end();
});

const screens = (): Screen[] => [
  { name: 'fence-host', path: hostPath, ready: 'Fence devices' },
  {
    name: 'fence-add',
    path: hostPath,
    ready: 'Fence devices',
    open: async (page) => {
      await button(page, 'Add fence device').click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Address').fill('10.77.9.14');
      await dialog.getByLabel('Password').fill('wrong');
      await button(page, 'Test', true).click();
      await dialog.getByText('may lock the user out').waitFor();
    },
  },
  {
    name: 'fence-add-empty',
    path: hostPath,
    ready: 'Fence devices',
    open: async (page) => {
      await button(page, 'Add fence device').click();
      await page.getByRole('dialog').getByLabel('Address').waitFor();
      await button(page, 'Test', true).click();
      await page.getByText('It is needed.').first().waitFor();
    },
  },
  {
    name: 'fence-kinds',
    path: hostPath,
    ready: 'Fence devices',
    open: async (page) => {
      await button(page, 'Add fence device').click();
      await page.getByRole('dialog').getByLabel('Kind').click();
      await page.getByRole('option', { name: 'Redfish (newer servers)' }).waitFor();
    },
  },
  {
    name: 'fence-edit',
    path: hostPath,
    ready: 'Fence devices',
    open: async (page) => {
      await button(page, 'Edit or test IPMI (most servers) 10.77.9.12').click();
      await button(page, 'More options').click();
      await page.getByText('Kept. Type a new one').waitFor();
    },
  },
  {
    name: 'fence-delete',
    path: hostPath,
    ready: 'Fence devices',
    open: async (page) => {
      await button(page, 'Delete IPMI (most servers) 10.77.9.12').click();
      await page.getByText('Delete this fence device?').waitFor();
    },
  },
  {
    name: 'fence-ha',
    path: '/ha',
    ready: 'Timeline',
    open: (page) => page.getByText('It has no watchdog').first().waitFor(),
  },
];

for (const width of [1280, 390] as const)
  test(`it looks right and is accessible at ${width} px, light and dark`, async () => {
    const dead = target.world.powerDevices.get('10.77.9.13');
    if (dead !== undefined) dead.dead = true;
    target.world.etcd.set(`${fenceKeys.devices}77777777-7777-4777-8777-777777777777`, '{"v":1}');
    await target.askFenceDevices();
    assert.is((await problemsOf(browser, target, width, screens)).join('\n'), '');
  });

test('deleted after a confirmation, and gone', async () => {
  const { page, end } = await opened();
  await button(page, 'Delete IPMI (most servers) 10.77.9.12').click();
  await button(page, 'Cancel').click();
  await devices(page).getByText('10.77.9.12').waitFor();
  await button(page, 'Delete IPMI (most servers) 10.77.9.12').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await devices(page).getByText('10.77.9.12').waitFor({ state: 'detached' });
  await end();
});

test.run();
