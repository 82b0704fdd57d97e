import type { MountPut } from '../contract/storage.ts';
import { makeTurns } from '../tasks/turns.ts';

/**
 * The mounts that this host was told to have. For one volume all goes in turn: a mount that was found missing is not
 * made anew after it has been taken away meanwhile.
 */
export type KeptMountsEnv = {
  told(volume: string): {
    get(): Promise<{ value: MountPut } | undefined>;
    accept(generation: number, body: MountPut): Promise<unknown>;
    forget(): Promise<void>;
  };
  ensure(volume: string, servers: readonly [string, ...string[]]): Promise<void>;
  remove(volume: string): Promise<void>;
};
export type KeptMounts = {
  put(volume: string, body: MountPut): Promise<void>;
  /** mounts it if it was told to and it is not there */
  again(volume: string): Promise<void>;
  remove(volume: string): Promise<void>;
};

export function makeKeptMounts(env: KeptMountsEnv): KeptMounts {
  const inTurn = makeTurns();
  const mount = async (volume: string) => {
    const told = await env.told(volume).get();
    const [first, ...others] = told?.value.servers ?? [];
    if (first !== undefined) await env.ensure(volume, [first, ...others]);
  };
  return {
    put: (volume, body) =>
      inTurn(volume, async () => {
        await env.told(volume).accept(body.generation, body);
        await mount(volume);
      }),
    again: (volume) => inTurn(volume, () => mount(volume)),
    remove: (volume) =>
      inTurn(volume, async () => {
        await env.told(volume).forget();
        await env.remove(volume);
      }),
  };
}
