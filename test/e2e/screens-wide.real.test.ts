/** Every screen and dialog at 1280 px, light and dark: see support/screens.ts. */
import type { Browser } from 'playwright-core';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { accessibilityProblems } from './support/axe.ts';
import { launchBrowser, looks, openPage } from './support/browser.ts';
import {
  allDialogs,
  allScreens,
  loseHostOf,
  pictures,
  plannedWork,
  problemsOf,
  troubledScreens,
} from './support/screens.ts';
import { startTarget, type Target } from './support/target.ts';

const test = suite('screens on a desk', { deadlineMs: 240_000 });
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

test('screens look right and are accessible, light and dark', async () => {
  assert.is((await problemsOf(browser, target, 1280, allScreens)).join('\n'), '');
});

test('dialogs and menus too', async () => {
  assert.is((await problemsOf(browser, target, 1280, allDialogs)).join('\n'), '');
});

test('the login page, and a wrong password', async () => {
  for (const look of looks) {
    const { page, close } = await openPage(browser, look);
    await page.goto(target.url);
    await page.getByLabel('Name').fill('admin');
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').waitFor();
    assert.is((await accessibilityProblems(page)).join('\n'), '');
    await page.screenshot({ path: `${pictures}/login-${look.theme}-${look.width}.png` });
    await close();
  }
});

test('and during planned work', async () => {
  assert.is((await problemsOf(browser, target, 1280, plannedWork)).join('\n'), '');
});

test('and while a host is lost', async () => {
  const lost = loseHostOf(target, 'mail');
  assert.is((await problemsOf(browser, target, 1280, troubledScreens, lost)).join('\n'), '');
});

test.run();
