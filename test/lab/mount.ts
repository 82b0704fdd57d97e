import { mkdir, readFile } from 'node:fs/promises';
import { run } from '../../node/command/run.ts';

/** Mount points below a folder, deepest first, from /proc/self/mountinfo (octal escapes undone). */
export function mountsBelow(mountinfo: string, folder: string): string[] {
  return mountinfo
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
    .filter((path) => path === folder || path.startsWith(`${folder}/`))
    .reverse();
}

export const listMounts = async (folder: string): Promise<string[]> =>
  mountsBelow(await readFile('/proc/self/mountinfo', 'utf8'), folder);

export async function mountOverlay(options: {
  lower: readonly string[];
  upper: string;
  work: string;
  at: string;
}): Promise<void> {
  for (const path of [options.upper, options.work, options.at]) await mkdir(path, { recursive: true });
  const setting = `lowerdir=${options.lower.join(':')},upperdir=${options.upper},workdir=${options.work}`;
  await run(['mount', '-t', 'overlay', '-o', setting, 'trefoil-lab', options.at]);
}

/** Something outside may still stand in it (a shell, an editor): then it goes lazily. */
export async function unmountBelow(folder: string): Promise<void> {
  for (const path of await listMounts(folder)) {
    const polite = await run(['umount', path], { okExitCodes: [1, 32] });
    if (polite.exitCode !== 0) await run(['umount', '--lazy', path], { okExitCodes: [1, 32] });
  }
}
