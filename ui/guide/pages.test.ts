import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { type GuidePage, guidePages, href, parseRoute } from '../lib/route.ts';
import { guide, guideSections } from './pages.ts';

const test = suite('guide');
const nameOf = (page: GuidePage) =>
  page.replaceAll(/(^|-)[a-z]/g, (part) => part.replace('-', '').toUpperCase());
const textOf = (page: GuidePage) =>
  readFileSync(new URL(`./${nameOf(page)}.svelte`, import.meta.url), 'utf8');

test('the headings of each page are the sections that the palette finds', () => {
  for (const page of guidePages) {
    const headings = [...textOf(page).matchAll(/<h2 id="([^"]+)">([^<]+)<\/h2>/g)];
    assert.equal(
      headings.map(([, id, title]) => ({ id, title })),
      guide[page].sections.map(({ id, title }) => ({ id, title })),
      page,
    );
    assert.is(headings.length, textOf(page).match(/<h2/g)?.length, page);
  }
});

test('every link of the guide leads somewhere', () => {
  const known = new Set([
    ...guideSections.map((section) => section.href),
    ...guidePages.map((page) => href({ screen: 'guide', page })),
  ]);
  for (const page of guidePages)
    for (const [, to = ''] of textOf(page).matchAll(/href="(\/[^"]*)"/g)) {
      if (to.startsWith('/api/')) continue;
      else if (to.startsWith('/guide')) assert.ok(known.has(to), `${page}: ${to}`);
      else assert.is.not(parseRoute(to.split('?')[0] ?? '').screen, 'not-found', `${page}: ${to}`);
    }
});

test.run();
