import * as assert from 'uvu/assert';
import { AppError } from '../../node/contract/error.ts';
import { suite } from '../../test/support/suite.ts';
import { sampleSeed, seedDisk } from './seed.fixture.ts';
import { parseSeed } from './seed.ts';

const test = suite('the seed disk');

const refusal = (disk: Uint8Array): AppError => {
  try {
    parseSeed(disk);
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error('the seed was accepted');
};

test('is JSON padded with zeros', () => {
  const seed = sampleSeed();
  assert.is(parseSeed(seedDisk(seed)).cluster.name, seed.cluster.name);
});

test('may fill the disk to its last byte', () => {
  const text = Buffer.from(JSON.stringify(sampleSeed()));
  assert.is(parseSeed(text).generation, 1);
});

test('that is empty says so', () => {
  assert.is(refusal(Buffer.alloc(4096)).code, 'seed.missing');
});

test('that holds garbage is refused without repeating it', () => {
  const error = refusal(Buffer.from('{"tls":{"key":"-----SECRET'));
  assert.is(error.code, 'seed.invalid');
  assert.not.match(`${error.message} ${String(error.cause)}`, 'SECRET');
});

test('that misses something says what', () => {
  const { admin: _, ...rest } = sampleSeed();
  const error = refusal(Buffer.from(JSON.stringify(rest)));
  assert.is(error.code, 'seed.invalid');
  assert.match(error.message, /admin/);
});

test.run();
