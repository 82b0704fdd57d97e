import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as assert from 'uvu/assert';

/** Compares with a file that is reviewed like code. `UPDATE=1` writes it; one that is missing is written and fails. */
export function matchesGolden(path: string, text: string): void {
  const there = existsSync(path);
  if (process.env['UPDATE'] === '1' || !there) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  if (!there && process.env['UPDATE'] !== '1')
    throw new Error(`${path} was missing; it is written now: read it`);
  assert.fixture(readFileSync(path, 'utf8'), text, path);
}
