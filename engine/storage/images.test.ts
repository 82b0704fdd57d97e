import * as assert from 'uvu/assert';
import { emptyDatabase, testDatabase } from '../../test/support/database.ts';
import { endOf, formedHosts, type TestEngine, testEngine } from '../../test/support/engine.ts';
import { eventually } from '../../test/support/eventually.ts';
import { type Arranged, jobRounds, type Scenario } from '../../test/support/job-rounds.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import type { Database } from '../db/database.ts';
import { Images } from './images.ts';

const test = suite('images', { deadlineMs: 40_000 });
let database: Database;
let engine: TestEngine;

test.before(async () => {
  database = await testDatabase();
  await emptyDatabase(database);
  engine = await testEngine(database, await formedHosts());
});
test.after(async () => {
  await engine.stop();
  await database.close();
});

const upload = (present: TestEngine, name: string, bytes = 3 * 1024 * 1024) =>
  present.client.call('uploadImage', {
    query: { name, format: 'raw' },
    upload: new Blob([new Uint8Array(bytes)]),
  });

test('what formation put on a volume is found by itself', async () => {
  await eventually('the image', async () =>
    (await engine.client.call('listImages')).items.some(({ name }) => name === 'Practice image'),
  );
});

test('an uploaded image is listed with its size, and a disk can be made from it', async () => {
  const image = await upload(engine, 'Debian 13');
  assert.is(image.sizeMiB, 3);
  const { items } = await engine.client.call('listImages', { query: { search: 'debian' } });
  assert.equal(
    items.map(({ id }) => id),
    [image.id],
  );
  const { jobId } = await engine.client.call('createVm', {
    body: { name: 'from-upload', imageId: image.id, diskMiB: 16, start: false },
  });
  assert.is((await endOf(engine.client, jobId)).state, 'done');
});

test('an upload without bytes, without a name, or for a volume that is not for VMs is refused', async () => {
  assert.is((await refused(upload(engine, 'empty', 0))).code, 'image.empty');
  assert.is((await refused(upload(engine, ''))).code, 'request.invalid');
  const wrong = engine.client.call('uploadImage', {
    query: { name: 'x', format: 'raw', volume: 'engine' },
    upload: new Blob(['x']),
  });
  assert.is((await refused(wrong)).code, 'volume.not-for-vms');
});

test('a list that was on its way while an image was deleted does not bring it back', async () => {
  const { id } = await upload(engine, 'short-lived');
  const [online] = engine.engine.hosts.online();
  assert.ok(online);
  const answers: PromiseWithResolvers<void>[] = [];
  const told: string[] = [];
  // The engine's own host, but its answer waits until this test lets it go.
  const call = async (...args: Parameters<typeof online.link.client.call>) => {
    const answer = await online.link.client.call(...args);
    const gate = Promise.withResolvers<void>();
    answers.push(gate);
    await gate.promise;
    return answer;
  };
  const slow = { ...online, link: { ...online.link, client: { ...online.link.client, call } } };
  const images = new Images({
    db: database.db,
    hosts: { online: () => [slow as typeof online] },
    now: () => new Date(),
    tell: (changed) => told.push(changed),
  });
  await images.load();
  const looked = images.refresh(['data'], AbortSignal.timeout(10_000));
  await eventually('the list is on its way', async () => answers.length === 1);
  await images.forget(id);
  answers[0]?.resolve();
  await looked;
  assert.not.ok(images.all().some((image) => image.id === id));
  assert.equal(told, [id]);
});

const scenario: Scenario = {
  kind: 'image.delete',
  steps: ['delete'],
  async arrange(present, round): Promise<Arranged> {
    const image = await upload(present, `image${round}`);
    const volume = present.world.volumes.get('data');
    return {
      submit: async (now) => (await now.client.call('deleteImage', { params: { id: image.id } })).jobId,
      done: async (after) => {
        const { items } = await after.client.call('listImages');
        assert.not.ok(items.some(({ id }) => id === image.id));
        assert.not.ok(volume?.files.has(`images/${image.id}.raw`));
      },
      // A file that is gone cannot be brought back: it is all there, or all gone.
      failedAt: () => async (after) => {
        const { items } = await after.client.call('listImages');
        assert.is(
          items.some(({ id }) => id === image.id),
          volume?.files.has(`images/${image.id}.raw`),
        );
      },
    };
  },
};

jobRounds(test, [scenario]);
test.run();
