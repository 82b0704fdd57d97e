import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FsyncLatency } from '../contract/disks.ts';

/**
 * How long a small durable write takes in a directory: what etcd's log and every journal pay. Writes over space that
 * is already there, as etcd does. Always the same file, removed at the end: what a crash leaves, the next run takes over.
 */
const fileName = '.trefoil-fsync-probe';
const block = Buffer.alloc(4096, 0x5a);

export function percentile(sorted: readonly number[], fraction: number): number {
  const index = Math.min(sorted.length - 1, Math.ceil(sorted.length * fraction) - 1);
  return sorted[Math.max(0, index)] ?? 0;
}

export async function measureFsync(
  directory: string,
  options: { samples?: number; limitMs?: number; now?: () => number } = {},
): Promise<FsyncLatency> {
  const { samples = 200, limitMs = 10_000, now = () => performance.now() } = options;
  const path = join(directory, fileName);
  const file = await open(path, 'w', 0o600);
  const times: number[] = [];
  try {
    for (let index = 0; index < samples; index += 1)
      await file.write(block, 0, block.length, index * block.length);
    await file.sync();
    const end = now() + limitMs;
    // a disk so slow that the time runs out is measured with fewer samples
    for (let index = 0; index < samples && now() < end; index += 1) {
      const started = now();
      await file.write(block, 0, block.length, index * block.length);
      await file.datasync();
      times.push(now() - started);
    }
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
  times.sort((a, b) => a - b);
  const rounded = (value: number) => Math.round(value * 100) / 100;
  return {
    p50Ms: rounded(percentile(times, 0.5)),
    p99Ms: rounded(percentile(times, 0.99)),
    samples: times.length,
  };
}
