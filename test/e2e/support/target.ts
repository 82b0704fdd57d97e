/**
 * What browser tests look at: the real engine (embedded database, real TLS, the built page) over simulated hosts, in this
 * process; and the few things that tests do to it from outside.
 */
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { Page } from 'playwright-core';
import { serveApi } from '../../../engine/api/server.ts';
import { staticFiles } from '../../../engine/api/static.ts';
import { loadCluster } from '../../../engine/cluster/store.ts';
import { makeEngineClient, makeFetchSend } from '../../../engine/contract/client.ts';
import { migrate } from '../../../engine/db/migrate.ts';
import { startEngine } from '../../../engine/engine.ts';
import { makeOpenLink } from '../../../engine/hosts/link.ts';
import { silentLog } from '../../../engine/log/log.ts';
import { importSeed } from '../../../engine/seed/seed.ts';
import { serveScreen } from '../../dev/screen.ts';
import { fillWithVms } from '../../dev/vms.ts';
import { type DevWorld, makeDevWorld } from '../../dev/world.ts';
import { openEmbedded } from '../../support/database.ts';
import { memoryStore } from '../../support/memory-store.ts';
import { builtUi } from './built-ui.ts';

export type Screen = { vm: string; keys: number[]; drop(): void };
export type Target = {
  url: string;
  user: string;
  password: string;
  world: DevWorld['world'];
  /** as if the hour were over after which each fence device is asked */
  askFenceDevices(): Promise<void>;
  /** consoles that were opened, oldest first */
  screens: Screen[];
  stopEngine(): Promise<void>;
  startEngine(): Promise<void>;
  /** Makes this page's browser a logged-in one, without the login page. */
  logIn(page: Page): Promise<void>;
  vmId(name: string): Promise<string>;
  hostId(name: string): Promise<string>;
  close(): Promise<void>;
};

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** `moreVms`: besides the believable ones. */
export async function startTarget(options: { moreVms?: number } = {}): Promise<Target> {
  const root = await builtUi();
  const port = await freePort();
  const directory = `.cache/e2e-${randomUUID()}`;
  const screens: Screen[] = [];
  const onScreen = (vm: string, socket: Duplex) => {
    const keys: number[] = [];
    screens.push({ vm, keys, drop: () => socket.destroy() });
    serveScreen(vm, socket, (keysym) => keys.push(keysym));
  };
  const { world, plan, password, askFenceDevices, close } = await makeDevWorld(directory, port, onScreen);
  const url = `https://127.0.0.1:${port}`;

  const start = async () => {
    const database = await openEmbedded(plan.databaseDirectory);
    await migrate(database.db, silentLog);
    await importSeed(database.db, plan.seed, new Date(), silentLog);
    const cluster = await loadCluster(database.db);
    if (cluster === undefined) throw new Error('the seed was not imported');
    const engine = await startEngine({
      database,
      cluster,
      caCertificate: plan.identity.ca,
      openLink: makeOpenLink({
        ...plan.identity,
        portOf: ({ id }) => ({ address: '127.0.0.1', port: plan.ports[id] ?? 0 }),
      }),
      store: memoryStore(world.etcd),
      files: staticFiles(root),
      log: silentLog,
      version: '0.1.0',
    });
    const server = await serveApi({
      address: '127.0.0.1',
      port,
      tls: { certificate: plan.identity.certificate, key: plan.identity.key },
      app: () => engine.app,
      onUpgrade: engine.onUpgrade,
    });
    return async () => {
      await engine.stop();
      await server.stop();
      await database.close();
    };
  };

  let stop: (() => Promise<void>) | undefined = await start();
  let token: string | undefined;
  // The engine's certificate is by an authority that was made a moment ago.
  setDefaultCACertificates([...getCACertificates(), plan.identity.ca]);
  const client = makeEngineClient(makeFetchSend({ baseUrl: url, token: () => token }));
  await fillWithVms(world, url, password, options.moreVms ?? 0);
  token = (await client.call('createSession', { body: { name: 'admin', password } })).token;
  const idIn = (items: readonly { name: string; id: string }[], name: string): string => {
    const found = items.find((item) => item.name === name);
    if (found === undefined) throw new Error(`there is no ${name}`);
    return found.id;
  };

  return {
    url,
    user: 'admin',
    password,
    world,
    askFenceDevices,
    screens,
    async stopEngine() {
      await stop?.();
      stop = undefined;
    },
    async startEngine() {
      stop ??= await start();
    },
    async logIn(page) {
      await page.goto(`${url}/theme.js`);
      const status = await page.evaluate(
        async (login) =>
          (
            await fetch('/api/v1/sessions', {
              method: 'POST',
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify(login),
            })
          ).status,
        { name: 'admin', password, cookie: true },
      );
      if (status !== 201) throw new Error(`the login was answered with ${status}`);
    },
    vmId: async (name) => idIn((await client.call('listVms', { query: { search: name } })).items, name),
    hostId: async (name) => idIn((await client.call('listHosts')).items, name),
    async close() {
      await stop?.();
      for (const screen of screens) screen.drop();
      await close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
