import { z } from 'zod';
import { type Run, unreadable } from '../command/run.ts';
import type { DiskFormat } from '../contract/vms.ts';

/** `qemu-img info --output=json`, the parts that matter; a file that names other files is refused by who reads them. */
const infoSchema = z.object({
  format: z.string(),
  'virtual-size': z.number().int().nonnegative(),
  'actual-size': z.number().int().nonnegative(),
  'backing-filename': z.string().optional(),
  'format-specific': z
    .object({ data: z.looseObject({ 'data-file': z.string().optional() }).optional() })
    .optional(),
});

export type DiskInfo = {
  virtualBytes: number;
  usedBytes: number;
  /** other files that this one leads to: a hostile image would have us read the host's own */
  refersTo: string[];
};

/** Looks at a disk file as the given format. Never lets qemu-img guess: a guest could write a header of its choice. */
export async function diskInfo(
  env: { run: Run },
  path: string,
  format: DiskFormat,
  how: { before?: readonly string[] } = {},
): Promise<DiskInfo> {
  // -U: also while a VM has it open, for looking only
  const argv = ['qemu-img', 'info', '-U', '-f', format, '--output=json', path];
  const [tool, ...args] = [...(how.before ?? []), ...argv];
  const { stdout } = await env.run([tool ?? 'qemu-img', ...args], { timeoutMs: 30_000 });
  const parsed = infoSchema.safeParse(parseJson(stdout));
  if (!parsed.success) throw unreadable('qemu-img', 'the description of a disk', parsed.error);
  const info = parsed.data;
  return {
    virtualBytes: info['virtual-size'],
    usedBytes: info['actual-size'],
    refersTo: [info['backing-filename'], info['format-specific']?.data?.['data-file']].filter(
      (name) => name !== undefined,
    ),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw unreadable('qemu-img', 'no JSON', error);
  }
}

export async function createDisk(
  env: { run: Run },
  path: string,
  format: DiskFormat,
  sizeMiB: number,
): Promise<void> {
  // Metadata is laid out ahead where that is cheap: the first writes of a guest do not wait for it.
  const options = format === 'qcow2' ? ['-o', 'preallocation=metadata,lazy_refcounts=on'] : [];
  await env.run(['qemu-img', 'create', '-q', '-f', format, ...options, path, `${sizeMiB}M`], {
    timeoutMs: 120_000,
  });
}

export async function growDisk(
  env: { run: Run },
  path: string,
  format: DiskFormat,
  sizeMiB: number,
): Promise<void> {
  await env.run(['qemu-img', 'resize', '-q', '-f', format, path, `${sizeMiB}M`], { timeoutMs: 120_000 });
}

/** Copies a disk, both formats told; empty parts stay holes. */
export async function copyDisk(
  env: { run: Run },
  from: { path: string; format: DiskFormat },
  to: { path: string; format: DiskFormat },
  signal: AbortSignal,
): Promise<void> {
  await env.run(['qemu-img', 'convert', '-q', '-U', '-f', from.format, '-O', to.format, from.path, to.path], {
    timeoutMs: 12 * 3_600_000,
    signal,
  });
}
