import { randomUUID } from 'node:crypto';
import { PassThrough } from 'node:stream';
import * as assert from 'uvu/assert';
import { type Doors, openDoors } from '../../test/fakes/doors.ts';
import { sampleVm } from '../../test/fakes/vms.ts';
import { makeTestCa, type TestCa } from '../../test/support/certificates.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { hostIdSchema } from '../contract/ids.ts';
import { makePeer } from './peer.ts';

const test = suite('a host asks another');
const open: Doors[] = [];
let ca: TestCa;
test.before(async () => {
  ca = await makeTestCa();
});
test.afterEach(async () => {
  for (const doors of open.splice(0)) await doors.close();
});
const { spec } = sampleVm();
const body = { generation: 1, spec, accelerator: 'tcg' as const, fromName: 'host1' };

async function hosts(role = 'host') {
  const own = { ...(await ca.issue({ role, id: randomUUID() })), ca: ca.certificate };
  const callers: string[] = [];
  const doors = await openDoors(ca, {
    handlers: {
      expectVm: ({ caller }) => {
        callers.push(caller.kind === 'peer' ? `${caller.role}` : caller.kind);
        return { hostName: 'host2' };
      },
      forgetExpectedVm: () => {
        throw new AppError({ code: 'vm.arrived', family: 'conflict', message: 'It runs here.' });
      },
    },
    streams: { libvirtTunnel: async () => new PassThrough(), migrationTunnel: async () => new PassThrough() },
  });
  open.push(doors);
  const at = { hostId: doors.identity.id, address: '127.0.0.1', port: doors.port };
  return { own, at, callers };
}
async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'no error';
}
const params = { id: spec.id };

test('calls and tunnels, with the words of who refuses', async () => {
  const { own, at, callers } = await hosts();
  const peer = makePeer(() => own, at);
  assert.equal(await peer.client.call('expectVm', { params, body }), { hostName: 'host2' });
  assert.equal(callers, ['host']);
  assert.is(await codeOf(peer.client.call('forgetExpectedVm', { params })), 'vm.arrived');
  const { signal } = new AbortController();
  for (const to of ['libvirt', spec.id] as const) (await peer.tunnel(to, signal)).destroy();
});

test('these routes are for hosts, and only the host that is meant is spoken to', async () => {
  const engine = await hosts('engine');
  const asEngine = makePeer(() => engine.own, engine.at);
  assert.is(await codeOf(asEngine.client.call('expectVm', { params, body })), 'caller.wrong-role');
  const { own, at, callers } = await hosts();
  const other = makePeer(() => own, { ...at, hostId: hostIdSchema.parse(randomUUID()) });
  assert.is(await codeOf(other.client.call('expectVm', { params, body })), 'host.unreachable');
  const alone = makePeer(() => ({ ...own, ca: undefined }), at);
  assert.is(await codeOf(alone.client.call('expectVm', { params, body })), 'host.unjoined');
  assert.equal(callers, []);
});

test.run();
