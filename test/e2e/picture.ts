/**
 * `node test/e2e/picture.ts` makes ui/picture.png, the picture in the root README: the home page, 1280 pixels wide. It is taken
 * at twice the size and made smaller by the browser, so that letters look as on a good screen.
 */
import { writeFile } from 'node:fs/promises';
import { launchBrowser } from './support/browser.ts';
import { encodePng } from './support/png.ts';
import { startTarget } from './support/target.ts';

const size = { width: 1280, height: 800 };
const target = await startTarget();
const browser = await launchBrowser();
try {
  const page = await browser.newPage({
    viewport: size,
    colorScheme: 'light',
    reducedMotion: 'reduce',
    deviceScaleFactor: 2,
    ignoreHTTPSErrors: true,
  });
  await target.logIn(page);
  await page.goto(target.url);
  await page.getByText('Whichever of the 3 hosts').waitFor();
  // A move that takes its time: the picture shows it under way.
  target.world.pace = 5;
  await page.goto(`${target.url}/vms/${await target.vmId('mail')}`);
  await page.getByRole('button', { name: 'Move' }).click();
  await page.getByText('Fits best').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Move' }).click();
  await page.getByRole('progressbar', { name: 'Move mail' }).waitFor();
  await page.getByRole('link', { name: 'Home' }).first().click();
  await page.getByText('Whichever of the 3 hosts').waitFor();
  await page.getByRole('progressbar', { name: 'Move mail' }).waitFor();
  await page.evaluate(() => document.fonts.ready);
  const large = (await page.screenshot()).toString('base64');
  const canvas = await browser.newPage();
  const small = await canvas.evaluate(
    async ({ large, size }) => {
      const image = new Image();
      image.src = `data:image/png;base64,${large}`;
      await image.decode();
      const element = document.createElement('canvas');
      element.width = size.width;
      element.height = size.height;
      const context = element.getContext('2d');
      if (context === null) throw new Error('the browser cannot draw');
      context.imageSmoothingQuality = 'high';
      context.drawImage(image, 0, 0, size.width, size.height);
      const { data } = context.getImageData(0, 0, size.width, size.height);
      let text = '';
      for (let at = 0; at < data.length; at += 32_768)
        text += String.fromCharCode(...data.subarray(at, at + 32_768));
      return btoa(text);
    },
    { large, size },
  );
  await writeFile('ui/picture.png', encodePng(Buffer.from(small, 'base64'), size.width, size.height));
} finally {
  await browser.close();
  await target.close();
}
