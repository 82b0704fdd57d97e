import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { clientOf, type Doors, openDoors } from '../../test/fakes/doors.ts';
import { makeTestCa } from '../../test/support/certificates.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { fenceDeviceIdSchema, sealedSecretsSchema } from '../contract/fence.ts';
import { hostIdSchema } from '../contract/ids.ts';
import type { FenceCall } from '../fence/agent.ts';
import { readMetadata } from '../fence/metadata.ts';
import { openSealed } from '../fence/secrets.ts';
import { makeLog } from '../log/log.ts';
import { fenceRoutes } from './routes-fence.ts';

const test = suite('the routes of fence devices', { deadlineMs: 20_000 });
const open: Doors[] = [];
let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trefoil-fence-'));
  for (const name of ['fence_apc', 'fence_broken', 'fence_dummy', 'fsck', 'fence_apc.old'])
    await writeFile(join(folder, name), '');
});
test.after(async () => rm(folder, { recursive: true, force: true }));
test.afterEach(async () => {
  for (const doors of open.splice(0)) await doors.close();
});

const xml = readFileSync(join(import.meta.dirname, '../fence/captured/fence_apc.xml'), 'utf8');

async function world() {
  const ca = await makeTestCa();
  const hostId = hostIdSchema.parse(randomUUID());
  const host = await ca.issue({ id: hostId, role: 'host' });
  const lines: string[] = [];
  const calls: FenceCall[] = [];
  let described = 0;
  const handlers = fenceRoutes({
    directory: folder,
    monotonicMs: () => 0,
    log: makeLog('test', (line) => lines.push(line)),
    identity: {
      id: hostId,
      tls: () => ({ key: host.key, certificate: host.certificate, ca: ca.certificate }),
    },
    agents: {
      describe: async (name) => {
        described++;
        if (name !== 'fence_apc')
          throw new AppError({ code: 'fence.failed', family: 'unavailable', message: 'It has no Python.' });
        return readMetadata(name, xml);
      },
      status: async (call) => {
        calls.push(call);
        return 'on';
      },
    },
  });
  const doors = await openDoors(ca, { handlers });
  open.push(doors);
  const engine = clientOf(doors, await ca.issue({ role: 'engine' }));
  const post = (path: string, body: unknown) => engine('POST', path, JSON.stringify(body));
  const own = { host: hostId, privateKeyPem: host.key };
  return { ca, host, own, engine, post, calls, lines, described: () => described };
}

const options = { ip: '10.0.0.5', plug: '3', username: 'apc' };

test('lists the agents that can switch off a machine and describe themselves, and asks them once', async () => {
  const { engine, described, lines } = await world();
  const answers = await Promise.all([engine('GET', '/v1/fence/agents'), engine('GET', '/v1/fence/agents')]);
  for (const { text } of answers)
    assert.equal(
      (JSON.parse(text) as { name: string }[]).map(({ name }) => name),
      ['fence_apc'],
    );
  assert.is(described(), 2);
  assert.match(lines.join('\n'), /fence_broken/);
});

test('a test of a device asks for its status, with what was given and nothing else', async () => {
  const { post, calls } = await world();
  const answer = await post('/v1/fence/test', { agent: 'fence_apc', options, secrets: { password: 'x' } });
  assert.equal(JSON.parse(answer.text), { state: 'on', says: 'status now says: on', tookMs: 0 });
  assert.equal(calls, [{ agent: 'fence_apc', options, secrets: { password: 'x' } }]);
});

test('what the agent does not ask for is refused before anything is run', async () => {
  const { post, calls } = await world();
  const bad = [
    { agent: 'fence_apc', options: { ...options, ssh_options: '-o x' } },
    { agent: 'fence_apc', options: { ip: '10.0.0.5' } },
    { agent: '../../bin/sh', options },
    { agent: 'fence_apc', options: { ...options, ip: 'a\nb' } },
    { agent: 'fence_apc', options: { ...options, password: 'in the open' } },
  ];
  for (const body of bad) assert.is((await post('/v1/fence/test', body)).status, 400, JSON.stringify(body));
  assert.is(calls.length, 0);
});

test('sealed secrets come back for each host, open only there, and serve for a test without typing them again', async () => {
  const { ca, host, own, post, calls } = await world();
  const id = fenceDeviceIdSchema.parse(randomUUID());
  const other = { id: randomUUID() };
  const otherHost = await ca.issue({ ...other, role: 'host' });
  const certificates = [host.certificate, otherHost.certificate];
  const first = await post('/v1/fence/seal', { id, secrets: { password: 'opensesame' }, certificates });
  assert.not.match(first.text, /opensesame/);
  const sealed = sealedSecretsSchema.parse(JSON.parse(first.text));
  assert.equal(openSealed(own, id, sealed), { password: 'opensesame' });

  // a third host joins: what is stored is sealed again without anyone typing it
  const third = randomUUID();
  const thirdHost = await ca.issue({ id: third, role: 'host' });
  const again = await post('/v1/fence/seal', { id, stored: sealed, certificates: [thirdHost.certificate] });
  assert.equal(
    openSealed(
      { host: third, privateKeyPem: thirdHost.key },
      id,
      sealedSecretsSchema.parse(JSON.parse(again.text)),
    ),
    { password: 'opensesame' },
  );

  await post('/v1/fence/test', { agent: 'fence_apc', options, stored: { id, secrets: sealed } });
  assert.equal(calls.at(-1)?.secrets, { password: 'opensesame' });
});

test('sealing can check that an agent would take it, and an empty text takes a secret away', async () => {
  const { host, own, engine, post } = await world();
  const id = fenceDeviceIdSchema.parse(randomUUID());
  const recipient = JSON.parse((await engine('GET', '/v1/fence/recipient')).text);
  assert.equal(recipient, { certificate: host.certificate });
  const seal = (body: object) =>
    post('/v1/fence/seal', { id, certificates: [recipient.certificate], ...body });
  const check = { agent: 'fence_apc', options };
  const wrong = await seal({ check, secrets: { password: 'x', community: 'y' } });
  assert.equal(
    [wrong.code, wrong.text.includes('has no option \\"community\\"')],
    ['fence.option-refused', true],
  );
  const right = await seal({ check, secrets: { password: 'x' } });
  const stored = sealedSecretsSchema.parse(JSON.parse(right.text));
  const without = await seal({ check, stored, secrets: { password: '' } });
  assert.equal(JSON.parse(without.text).names, []);
  assert.equal(openSealed(own, id, stored), { password: 'x' });
});

test('a stranger gets no copy', async () => {
  const { post } = await world();
  const stranger = await (await makeTestCa('another')).issue({ role: 'host' });
  const body = { id: randomUUID(), secrets: { password: 'x' }, certificates: [stranger.certificate] };
  assert.is((await post('/v1/fence/seal', body)).code, 'fence.not-a-host');
});

test.run();
