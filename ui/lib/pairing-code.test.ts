import * as assert from 'uvu/assert';
import { pairingCodeSchema } from '../../node/contract/pairing.ts';
import { suite } from '../../test/support/suite.ts';
import { formatPairingCode, isWholePairingCode } from './pairing-code.ts';

const test = suite('pairing code');

test('sets the hyphen, in whatever way it was typed', () => {
  assert.is(formatPairingCode('7k3m'), '7K3M');
  assert.is(formatPairingCode('7k3mp'), '7K3M-P');
  assert.is(formatPairingCode(' 7k3m - p9xz '), '7K3M-P9XZ');
  assert.is(formatPairingCode('7K3M-P9XZ-more'), '7K3M-P9XZ');
});

test('reads lookalikes as what the host can have shown', () => {
  assert.is(formatPairingCode('oil0'), '0110');
});

test('a whole code is one that the engine takes', () => {
  assert.not.ok(isWholePairingCode('7K3M-P9X'));
  const code = formatPairingCode('7k3mp9xz');
  assert.ok(isWholePairingCode(code));
  assert.ok(pairingCodeSchema.safeParse(code).success);
});

test.run();
