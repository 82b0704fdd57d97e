import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { z } from 'zod';
import { run } from '../../node/command/run.ts';
import { eventually } from '../support/eventually.ts';

const listSchema = z.object({
  loopdevices: z.array(z.object({ name: z.string(), 'back-file': z.string().nullable() })),
});

/** The machine has few loop devices in all: each host gets one, and keeps it until the lab stops. */
export async function loopDevices(): Promise<{ name: string; file: string }[]> {
  const { stdout } = await run(['losetup', '--list', '--json', '--output', 'NAME,BACK-FILE']);
  if (stdout.trim() === '') return [];
  return listSchema
    .parse(JSON.parse(stdout))
    .loopdevices.map((device) => ({ name: device.name, file: device['back-file'] ?? '' }));
}

/** A sparse file behind a loop device; the file is kept when it is there. */
export async function attachDisk(file: string, gibibytes: number): Promise<string> {
  if (!existsSync(file)) {
    const handle = await open(file, 'w');
    await handle.truncate(gibibytes * 2 ** 30);
    await handle.close();
  }
  const { stdout } = await run(['losetup', '--find', '--show', '--direct-io=on', file]).catch(
    (error: unknown) => {
      throw new Error('no loop device is free: another lab may hold them (losetup --list tells)', {
        cause: error,
      });
    },
  );
  return stdout.trim();
}

/** Detaches every loop device whose file is below the folder; the kernel lets go when the last mount is gone. */
export async function detachDisks(folder: string): Promise<void> {
  const ours = async () => (await loopDevices()).filter((device) => device.file.startsWith(`${folder}/`));
  for (const device of await ours()) await run(['losetup', '--detach', device.name], { okExitCodes: [1] });
  await eventually(`loop devices of ${folder} to be free`, async () => (await ours()).length === 0, {
    deadlineMs: 20_000,
    everyMs: 100,
  });
}
