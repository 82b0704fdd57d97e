/** Every screen and dialog at 390 px, light and dark: see support/screens.ts. */
import type { Browser } from 'playwright-core';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { launchBrowser } from './support/browser.ts';
import {
  allDialogs,
  allScreens,
  loseHostOf,
  plannedWork,
  problemsOf,
  troubledScreens,
} from './support/screens.ts';
import { startTarget, type Target } from './support/target.ts';

const test = suite('screens in the hand', { deadlineMs: 240_000 });
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
  assert.is((await problemsOf(browser, target, 390, allScreens)).join('\n'), '');
});

test('dialogs and menus too', async () => {
  assert.is((await problemsOf(browser, target, 390, allDialogs)).join('\n'), '');
});

test('and during planned work', async () => {
  assert.is((await problemsOf(browser, target, 390, plannedWork)).join('\n'), '');
});

test('and while a host is lost', async () => {
  const lost = loseHostOf(target, 'mail');
  assert.is((await problemsOf(browser, target, 390, troubledScreens, lost)).join('\n'), '');
});

test.run();
