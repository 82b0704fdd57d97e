import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import type { MountPut } from '../contract/storage.ts';
import { makeKeptMounts } from './kept-mounts.ts';

const test = suite('mounts that a host was told to have');
const body: MountPut = { generation: 1, servers: ['10.0.0.1'] };

function room() {
  const told = new Map<string, MountPut>();
  const mounted = new Set<string>();
  let gate = Promise.resolve();
  const kept = makeKeptMounts({
    told: (volume) => ({
      get: async () => {
        const value = told.get(volume);
        return value && { value };
      },
      accept: async (_, value) => told.set(volume, value),
      forget: async () => void told.delete(volume),
    }),
    ensure: async (volume) => {
      await gate;
      mounted.add(volume);
    },
    remove: async (volume) => void mounted.delete(volume),
  });
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    return resolve;
  };
  return { kept, mounted, hold };
}

test('one that is taken away while it is being mounted anew is gone in the end', async () => {
  const { kept, mounted, hold } = room();
  await kept.put('data', body);
  mounted.delete('data');
  const go = hold();
  const again = kept.again('data');
  const removed = kept.remove('data');
  go();
  await Promise.all([again, removed]);
  assert.equal([...mounted], []);
  await kept.again('data');
  assert.equal([...mounted], []);
});

test('one volume does not wait for another', async () => {
  const { kept, mounted, hold } = room();
  const go = hold();
  const slow = kept.put('data', body);
  await kept.remove('engine');
  go();
  await slow;
  assert.equal([...mounted], ['data']);
});

test.run();
