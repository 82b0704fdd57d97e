import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { type NetworkPut, networkPutSchema } from '../contract/network.ts';
import { silentLog } from '../log/log.ts';
import { makeNetwork } from './network.ts';

/** The host's networks against a world that keeps what is on disk over restarts of the agent and of the host. */
const test = suite('network');

function makeWorld() {
  const world = {
    ms: 1_000,
    bootId: 'boot-1',
    state: undefined as string | undefined,
    files: {} as Record<string, string>,
    reloads: 0,
    deleted: [] as string[],
    notices: [] as string[],
    errors: { reload: 0, write: 0 },
    /** devices that never get an address */
    dead: new Set<string>(),
  };
  const fails = (what: keyof typeof world.errors) => {
    if (world.errors[what] > 0) {
      world.errors[what]--;
      throw new Error(`${what} failed`);
    }
  };
  const start = async () => {
    const network = makeNetwork({
      readState: async () => world.state,
      writeState: async (text) => {
        world.state = text;
      },
      listFiles: async () => ({ ...world.files }),
      writeFile: async (name, content) => {
        fails('write');
        world.files[name] = content;
      },
      removeFile: async (name) => {
        delete world.files[name];
      },
      reload: async () => {
        fails('reload');
        world.reloads++;
      },
      deleteDevice: async (name) => void world.deleted.push(name),
      nics: async () =>
        ['eno1', 'eno2'].map((name) => ({ name, mac: `52:${name}`, linkUp: true, mtu: 1500, addresses: [] })),
      addressesOf: async (device) => (world.dead.has(device) ? [] : ['10.0.0.5/24', '10.77.1.11/24']),
      bootId: async () => world.bootId,
      monotonicMs: () => world.ms,
      sleep: async (ms) => {
        world.ms += ms;
      },
      notice: (_, code) => void world.notices.push(code),
      log: silentLog,
    });
    await network.start();
    return network;
  };
  return {
    world,
    start,
    reboot: () => {
      world.bootId = 'boot-2';
      world.ms = 0;
      world.files = {};
    },
  };
}

const wanted = (generation: number, over: { nic?: string; confirmWithinMs?: number } = {}): NetworkPut =>
  networkPutSchema.parse({
    generation,
    confirmWithinMs: over.confirmWithinMs ?? 60_000,
    networks: [{ name: 'mgmt', nic: over.nic ?? 'eno1', bridge: true, addressing: { kind: 'dhcp' } }],
  });

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'no error';
}
const names = (world: { files: Record<string, string> }) => Object.keys(world.files).sort();
const bridged = ['50-trefoil-br-mgmt.netdev', '50-trefoil-br-mgmt.network', '50-trefoil-eno1.network'];

test('a host that was told nothing touches nothing', async () => {
  const { world, start } = makeWorld();
  const network = await start();
  assert.is((await network.status()).state, 'default');
  assert.is(world.reloads, 0);
  assert.throws(() => network.bridgeOf('mgmt'));
});

test('a change is tried, confirmed, and then stays, over a restart and a boot', async () => {
  const { world, start, reboot } = makeWorld();
  const network = await start();
  assert.is((await network.put(wanted(1))).state, 'waiting-for-confirmation');
  assert.equal(names(world), bridged);
  assert.is((await network.confirm(1)).state, 'confirmed');
  world.ms += 100_000;
  await network.tick();
  assert.is((await network.status()).state, 'confirmed');
  assert.is(network.bridgeOf('mgmt'), 'br-mgmt');
  const again = await start();
  assert.is((await again.status()).generation, 1);
  assert.is(world.reloads, 1, 'a restart of the agent disturbs nothing');
  reboot();
  await start();
  assert.equal(names(world), bridged);
  assert.is(world.reloads, 2);
});

test('a change that nobody confirms is taken back, devices and all, and told', async () => {
  const { world, start } = makeWorld();
  const network = await start();
  await network.put(wanted(1));
  world.ms += 59_000;
  await network.tick();
  assert.is((await network.status()).state, 'waiting-for-confirmation');
  world.ms += 1_000;
  await network.tick();
  assert.is((await network.status()).state, 'reverted');
  assert.equal(names(world), []);
  assert.equal(world.deleted, ['br-mgmt']);
  assert.equal(world.notices, ['network.reverted']);
  assert.is(await codeOf(network.confirm(1)), 'network.reverted');
  assert.is((await network.put(wanted(1))).state, 'waiting-for-confirmation', 'it may be tried again');
});

test('it goes back to what was confirmed before, not to nothing', async () => {
  const { world, start } = makeWorld();
  const network = await start();
  await network.put(wanted(1));
  await network.confirm(1);
  await network.put(wanted(2, { nic: 'eno2' }));
  assert.ok(names(world).includes('50-trefoil-eno2.network'));
  world.ms += 60_000;
  await network.tick();
  assert.equal(names(world), bridged);
  const status = await network.status();
  assert.equal([status.state, status.generation, status.networks[0]?.nic], ['reverted', 2, 'eno1']);
});

test('the deadline holds when the agent restarts meanwhile', async () => {
  const { world, start } = makeWorld();
  await (await start()).put(wanted(1));
  world.ms += 30_000;
  const second = await start();
  assert.is((await second.status()).state, 'waiting-for-confirmation');
  assert.equal(names(world), bridged);
  world.ms += 30_000;
  await second.tick();
  assert.is((await second.status()).state, 'reverted');
  assert.equal(names(world), []);
});

test('an agent that comes back after the deadline takes the change back at its start', async () => {
  const { world, start } = makeWorld();
  await (await start()).put(wanted(1));
  world.ms += 600_000;
  assert.is((await (await start()).status()).state, 'reverted');
  assert.equal(names(world), []);
});

test('a boot ends every trial: what is unconfirmed is not tried twice', async () => {
  const { world, start, reboot } = makeWorld();
  await (await start()).put(wanted(1, { confirmWithinMs: 600_000 }));
  reboot();
  assert.is((await (await start()).status()).state, 'reverted');
  assert.equal(names(world), []);
});

test('the same again is fine, older or contradicting is refused', async () => {
  const { world, start } = makeWorld();
  const network = await start();
  await network.put(wanted(5));
  await network.put(wanted(5));
  await network.confirm(5);
  await network.confirm(5);
  assert.is((await network.put(wanted(5))).state, 'confirmed');
  assert.is(world.reloads, 1);
  assert.is(await codeOf(network.put(wanted(4))), 'network.outdated');
  assert.is(await codeOf(network.put(wanted(5, { nic: 'eno2' }))), 'network.contradiction');
  assert.is(await codeOf(network.confirm(6)), 'network.nothing-to-confirm');
  assert.is(await codeOf(network.put(wanted(6, { nic: 'wlan0' }))), 'network.unfit');
  assert.is((await network.status()).state, 'confirmed');
});

test('two changes at once are done one after the other', async () => {
  const { world, start } = makeWorld();
  const network = await start();
  await Promise.all([network.put(wanted(1)), network.put(wanted(2, { nic: 'eno2' }))]);
  assert.is((await network.status()).generation, 2);
  assert.ok(names(world).includes('50-trefoil-eno2.network'));
  assert.not(names(world).includes('50-trefoil-eno1.network'));
});

test('when networkd does not take it the host goes back at once, and tries to until it can', async () => {
  const { world, start } = makeWorld();
  const network = await start();
  world.errors.reload = 3;
  assert.is(await codeOf(network.put(wanted(1))), 'network.not-applied');
  assert.is((await network.status()).state, 'reverted');
  await codeOf(network.tick().catch(() => {}) as Promise<unknown>);
  assert.is(world.reloads, 0);
  await network.tick();
  assert.is(world.reloads, 1);
  assert.equal(names(world), []);
});

test('a device that gets no address does not hold the answer up for ever', async () => {
  const { world, start } = makeWorld();
  world.dead.add('br-mgmt');
  const network = await start();
  const before = world.ms;
  assert.is((await network.put(wanted(1))).state, 'waiting-for-confirmation');
  assert.ok(world.ms - before < 11_000);
});

test('a host that leaves its cluster has no settings any more', async () => {
  const { world, start } = makeWorld();
  const network = await start();
  await network.put(wanted(3));
  await network.confirm(3);
  await network.reset();
  await network.reset();
  assert.equal([names(world), world.state], [[], undefined]);
  assert.is((await network.put(wanted(1))).generation, 1, 'another cluster counts from the start');
});

test('settings that cannot be read are told, and the host stays reachable by DHCP', async () => {
  const { world, start } = makeWorld();
  world.state = '{"format":';
  assert.is(await codeOf(start()), 'network.damaged');
  assert.equal(names(world), []);
});

test.run();
