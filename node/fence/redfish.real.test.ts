import { request } from 'node:https';
import * as assert from 'uvu/assert';
import { type Redfish, type RedfishFaults, startRedfish } from '../../test/fakes/redfish.ts';
import { makeTestCa, type TestCertificate } from '../../test/support/certificates.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { systemClock } from '../clock/clock.ts';
import { run } from '../command/run.ts';
import { type FenceDevice, fenceDeviceSchema } from '../contract/fence.ts';
import { makeLog } from '../log/log.ts';
import { makeAgents } from './agent.ts';
import { makePowerFence } from './power.ts';
import { powerTimings } from './power-decide.ts';

/** Debian's fence_redfish against a Redfish service on loopback, over TLS. */
const test = suite('fencing by Redfish', { deadlineMs: 120_000 });
const agents = makeAgents({ run });
const limits = { timeoutMs: 20_000 };
const secrets = { password: `op3n "sesame" 'x' = \\ ` };
let certificate: TestCertificate;
const open: Redfish[] = [];

test.before(async () => {
  certificate = await (await makeTestCa()).issue({ role: 'bmc', addresses: ['127.0.0.1'] });
});
test.afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

async function start(faults: RedfishFaults = {}): Promise<Redfish> {
  const redfish = await startRedfish({ ...certificate, username: 'root', ...secrets, faults });
  open.push(redfish);
  return redfish;
}
const optionsOf = ({ port }: Redfish) => ({
  ip: '127.0.0.1',
  ipport: `${port}`,
  username: 'root',
  ssl_insecure: '1',
  power_timeout: '5',
});
const callOf = (redfish: Redfish) => ({ agent: 'fence_redfish', options: optionsOf(redfish), secrets });
const lines: string[] = [];
const fence = makePowerFence({
  run,
  clock: systemClock,
  log: makeLog('test', (line) => lines.push(line)),
  openSecrets: () => secrets,
  timings: { ...powerTimings, offMs: 10_000, statusMs: 5_000, orderMs: 30_000 },
});
const deviceOf = (redfish: Redfish, order = 0): FenceDevice =>
  fenceDeviceSchema.parse({
    id: `aaaaaaaa-aaaa-4aaa-8aaa-00000000000${order}`,
    host: '11111111-1111-4111-8111-111111111111',
    agent: 'fence_redfish',
    options: optionsOf(redfish),
    secrets: { names: [], copies: {} },
    order,
    generation: 1,
  });
const forever = new AbortController().signal;

test('status, off, on; a password with spaces at its end, quotes and backslashes arrives as it is', async () => {
  const redfish = await start();
  assert.is(await agents.status(callOf(redfish), limits), 'on');
  await agents.off(callOf(redfish), limits);
  assert.is(redfish.powerState(), 'Off');
  assert.is(await agents.status(callOf(redfish), limits), 'off');
  await agents.on(callOf(redfish), limits);
  assert.is(redfish.powerState(), 'On');
});

test('off and read back is the proof', async () => {
  const redfish = await start();
  const { says } = await fence.off([deviceOf(redfish)], forever);
  assert.is(says, 'fence_redfish at 127.0.0.1 says that it is off');
  assert.is(redfish.powerState(), 'Off');
});

test('two power supplies of one order: both are off', async () => {
  const [a, b] = [await start(), await start()];
  await fence.off([deviceOf(a), { ...deviceOf(b), id: deviceOf(b, 1).id }], forever);
  assert.equal([a.powerState(), b.powerState()], ['Off', 'Off']);
});

test('what is no proof: a liar, a refusal, garbage, no power state, silence; the next order has its turn', async () => {
  const faults: RedfishFaults[] = [{ lying: true }, { refuse: 500 }, { garbage: true }, { stateless: true }];
  for (const fault of faults) {
    const error = await refused(fence.off([deviceOf(await start(fault))], forever));
    assert.match(error.code, /^fence\.(lying|no-proof)$/, JSON.stringify(fault));
  }
  const [silent, good] = [await start({ dead: true }), await start()];
  await fence.off([deviceOf(silent), deviceOf(good, 1)], forever);
  assert.is(silent.powerState(), 'On');
  assert.is(good.powerState(), 'Off');
});

test('a slow one works in the end', async () => {
  const redfish = await start({ slowMs: 700 });
  await fence.off([deviceOf(redfish)], forever);
  assert.is(redfish.powerState(), 'Off');
});

test('a wrong password and a certificate that nobody vouches for are failures, told without the password', async () => {
  const redfish = await start();
  const wrong = { ...callOf(redfish), secrets: { password: 'swordfish' } };
  assert.match((await refused(agents.status(wrong, limits))).code, /^fence\./);
  const { ssl_insecure: _, ...strict } = optionsOf(redfish);
  const error = await refused(
    agents.status({ ...callOf(redfish), options: { ...strict, ssl_secure: '1' } }, limits),
  );
  assert.match(error.message, /certificate/i);
  assert.is(redfish.powerState(), 'On');
  assert.not.match(lines.join('\n'), /op3n|swordfish/);
});

test('the service itself speaks the standard: sessions, methods, unknown paths', async () => {
  const { port } = await start();
  const ask = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    new Promise<{ status: number; token: string; text: string }>((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port, method, path, headers, rejectUnauthorized: false },
        (answer) => {
          let text = '';
          answer.on('data', (chunk) => {
            text += String(chunk);
          });
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, token: String(answer.headers['x-auth-token']), text }),
          );
        },
      );
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  assert.is((await ask('GET', '/redfish/v1/')).status, 200);
  assert.is((await ask('GET', '/redfish/v1/Systems/1')).status, 401);
  const sessions = '/redfish/v1/SessionService/Sessions';
  assert.is((await ask('POST', sessions, { UserName: 'root', Password: 'no' })).status, 401);
  const { status, token } = await ask('POST', sessions, { UserName: 'root', Password: secrets.password });
  assert.is(status, 201);
  const mine = { 'x-auth-token': token };
  assert.match((await ask('GET', '/redfish/v1/Systems/1', undefined, mine)).text, /"PowerState":"On"/);
  assert.is((await ask('DELETE', '/redfish/v1/Systems', undefined, mine)).status, 405);
  assert.is((await ask('GET', '/redfish/v1/Chassis', undefined, mine)).status, 404);
  const reset = '/redfish/v1/Systems/1/Actions/ComputerSystem.Reset';
  assert.is((await ask('POST', reset, { ResetType: 'Explode' }, mine)).status, 400);
});

test.run();
