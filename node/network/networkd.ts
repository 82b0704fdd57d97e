import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { Run } from '../command/run.ts';
import { readIfThere, removeFileDurably, writeFileAtomic } from '../files/atomic.ts';
import type { IpLink } from '../host/model.ts';
import { isOurs } from './files.ts';
import type { NetworkEnv } from './network.ts';

/** systemd-networkd as the world behind `Network`: its files, its reload, and what `ip` says of the devices. */
export function networkdWorld(of: {
  run: Run;
  links(): Promise<IpLink[]>;
  statePath: string;
  directory: string;
}): Pick<
  NetworkEnv,
  | 'readState'
  | 'writeState'
  | 'listFiles'
  | 'writeFile'
  | 'removeFile'
  | 'reload'
  | 'deleteDevice'
  | 'addressesOf'
  | 'bootId'
> {
  const { run, links, statePath, directory } = of;
  const deviceOf = async (name: string) => (await links()).find(({ ifname }) => ifname === name);
  return {
    readState: () => readIfThere(statePath),
    writeState: async (text) => {
      if (text === undefined) {
        if ((await readIfThere(statePath)) !== undefined) await removeFileDurably(statePath);
      } else await writeFileAtomic(statePath, text);
    },
    listFiles: async () => {
      const names = await readdir(directory).catch(() => [] as string[]);
      const ours = names.filter(isOurs);
      const texts = await Promise.all(ours.map((name) => readFile(`${directory}/${name}`, 'utf8')));
      return Object.fromEntries(ours.map((name, i) => [name, texts[i] ?? '']));
    },
    writeFile: async (name, content) => {
      // networkd reads them as its own user, so they are open to all; there is nothing secret in them.
      await mkdir(directory, { recursive: true, mode: 0o755 });
      // The agent's umask takes the rights away again, so they are set by themselves.
      await chmod(directory, 0o755);
      await writeFile(`${directory}/${name}`, content, { mode: 0o644 });
      await chmod(`${directory}/${name}`, 0o644);
    },
    removeFile: (name) => rm(`${directory}/${name}`, { force: true }),
    reload: async () => {
      await run(['networkctl', 'reload'], { timeoutMs: 20_000 });
    },
    deleteDevice: async (name) => {
      if ((await deviceOf(name)) === undefined) return;
      await run(['ip', 'link', 'delete', 'dev', name], { timeoutMs: 10_000 });
    },
    addressesOf: async (name) =>
      (await deviceOf(name))?.addr_info.flatMap(({ local, prefixlen }) =>
        local === undefined ? [] : [`${local}/${prefixlen}`],
      ),
    bootId: async () => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
  };
}
