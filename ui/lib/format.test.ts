import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import {
  formatAgo,
  formatBytes,
  formatDuration,
  formatMiB,
  formatMiBOf,
  formatPercent,
  listWords,
  plural,
  share,
} from './format.ts';

const test = suite('format');

test('sizes take the unit that keeps them short', () => {
  assert.is(formatMiB(512), '512 MiB');
  assert.is(formatMiB(1024), '1 GiB');
  assert.is(formatMiB(1536), '1.5 GiB');
  assert.is(formatMiB(150 * 1024 + 512), '151 GiB');
  assert.is(formatMiB(3 * 1024 * 1024), '3 TiB');
  assert.is(formatMiB(Number.NaN), '–');
  assert.is(formatBytes(900), '900 B');
  assert.is(formatBytes(5 * 1024 * 1024), '5 MiB');
});

test('a part of a whole says the unit once when both have it', () => {
  assert.is(formatMiBOf(42 * 1024, 96 * 1024), '42 of 96 GiB');
  assert.is(formatMiBOf(512, 4096), '512 MiB of 4 GiB');
});

test('durations have at most two parts', () => {
  assert.is(formatDuration(0.2), 'under 1 s');
  assert.is(formatDuration(4.4), '4 s');
  assert.is(formatDuration(90), '1 min 30 s');
  assert.is(formatDuration(1800), '30 min');
  assert.is(formatDuration(3 * 3600 + 240), '3 h 4 min');
  assert.is(formatDuration(12 * 86_400 + 3600), '12 d');
});

test('the past is told as people tell it', () => {
  const now = new Date(2026, 10, 22, 15, 0, 0);
  assert.is(formatAgo(new Date(2026, 10, 22, 14, 59, 55), now), 'just now');
  assert.is(formatAgo(new Date(2026, 10, 22, 14, 57), now), '3 min ago');
  assert.is(formatAgo(new Date(2026, 10, 22, 9, 0), now), '6 h ago');
  assert.is(formatAgo(new Date(2026, 10, 21, 14, 2), now), 'yesterday 14:02');
  assert.is(formatAgo(new Date(2026, 8, 3, 8, 5), now), '3 Sept 08:05'.replace('Sept', monthShort(8)));
});

test('percent, share, plural, lists', () => {
  assert.is(formatPercent(0.4), '<1\u00a0%');
  assert.is(formatPercent(0), '0\u00a0%');
  assert.is(share(1, 0), 0);
  assert.is(share(3, 2), 100);
  assert.is(plural(1, 'host'), '1 host');
  assert.is(plural(3, 'host'), '3 hosts');
  assert.is(listWords(['a', 'b', 'c']), 'a, b and c');
});

const monthShort = (month: number) => new Date(2026, month, 1).toLocaleString('en', { month: 'short' });

test.run();
