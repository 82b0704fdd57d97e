/** The engine that browser tests look at, and the few things that they do to it from outside. */
import { builtUi } from './built-ui.ts';
import { startMock } from './mock.ts';
import { makeWorld, type World } from './world.ts';

export type Target = {
  url: string;
  user: string;
  password: string;
  world: World;
  mock: Awaited<ReturnType<typeof startMock>>;
  close(): Promise<void>;
};

export async function startTarget(world = makeWorld(), options: { port?: number } = {}): Promise<Target> {
  const mock = await startMock(world, { root: await builtUi(), ...options });
  return { url: mock.url, user: 'admin', password: 'trefoil', world, mock, close: mock.close };
}
