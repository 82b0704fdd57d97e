/** A browser of our own: Debian's Chromium, a fresh profile, nothing that phones home. */
import { type Browser, chromium, type Page } from 'playwright-core';

export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // Letters as wide as on a screen of today, not snapped to whole pixels.
      '--font-render-hinting=none',
    ],
  });
}

export type Look = { theme: 'light' | 'dark'; width: 1280 | 390 };
export const looks: readonly Look[] = [
  { theme: 'light', width: 1280 },
  { theme: 'dark', width: 1280 },
  { theme: 'light', width: 390 },
  { theme: 'dark', width: 390 },
];

/** A page of its own (cookies, storage) in the given look. Page errors are collected: a test asserts that there were none. */
export async function openPage(
  browser: Browser,
  look: Look = { theme: 'light', width: 1280 },
): Promise<{ page: Page; errors: string[]; close: () => Promise<void> }> {
  const context = await browser.newContext({
    viewport: { width: look.width, height: look.width === 390 ? 844 : 860 },
    colorScheme: look.theme,
    ignoreHTTPSErrors: true,
    reducedMotion: 'reduce',
    deviceScaleFactor: look.width === 390 ? 2 : 1,
  });
  const page = await context.newPage();
  // As long as a machine may take that is busy with other things; who waits in vain is told what for.
  page.setDefaultTimeout(30_000);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    // A request or a stream that was refused is told in red by the browser itself; the page handles it.
    const ofTheBrowser = /^(Failed to load resource|WebSocket connection to )/.test(message.text());
    if (message.type() === 'error' && !ofTheBrowser) errors.push(message.text());
  });
  return { page, errors, close: () => context.close() };
}
