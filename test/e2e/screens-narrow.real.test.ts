/** Every screen and dialog at 390 px, light and dark: see support/screens.ts. */
import type { Browser } from 'playwright-core';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { launchBrowser } from './support/browser.ts';
import { problemsOfAllScreens } from './support/screens.ts';
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

test('look right and are accessible, light and dark', async () => {
  assert.is((await problemsOfAllScreens(browser, target, 390)).join('\n'), '');
});

test.run();
