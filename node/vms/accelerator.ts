import { execa } from 'execa';
import { z } from 'zod';
import { readIfThere, writeFileAtomic } from '../files/atomic.ts';
import type { Log } from '../log/log.ts';

export type Accelerator = 'kvm' | 'tcg';

export type AcceleratorEnv = {
  log: Log;
  /** where the answer is kept; it holds for one boot of one kernel */
  cachePath: string;
  bootId(): Promise<string>;
  /** whether the device can be opened at all */
  hasDevice(): Promise<boolean>;
  /** boots a small guest with KVM and says whether it came up within the limit */
  tryBoot(): Promise<boolean>;
};

const cacheSchema = z.object({ bootId: z.string(), accelerator: z.enum(['kvm', 'tcg']) });

/**
 * KVM or emulation. A /dev/kvm that opens proves nothing: some machines offer one on which stock guests hang, so a
 * small guest is booted once a boot. Asked by several at once, it is tried once.
 */
export function makeAccelerator(env: AcceleratorEnv): () => Promise<Accelerator> {
  let answer: Promise<Accelerator> | undefined;
  const detect = async (): Promise<Accelerator> => {
    const bootId = await env.bootId();
    const cached = cacheSchema.safeParse(parse(await readIfThere(env.cachePath)));
    if (cached.success && cached.data.bootId === bootId) return cached.data.accelerator;
    const accelerator = (await env.hasDevice()) && (await env.tryBoot()) ? 'kvm' : 'tcg';
    env.log.info(`guests run with ${accelerator}`, { bootId });
    await writeFileAtomic(env.cachePath, JSON.stringify({ bootId, accelerator }));
    return accelerator;
  };
  return () => {
    answer ??= detect().catch((error: unknown) => {
      answer = undefined;
      throw error;
    });
    return answer;
  };
}

function parse(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The small guest counts on its serial port as soon as it is up (image/guest); one line of that is enough. */
export async function bootsWithKvm(guestImage: string, limitMs = 10_000): Promise<boolean> {
  const child = execa(
    'qemu-system-x86_64',
    [
      ...['-accel', 'kvm', '-m', '192', '-display', 'none', '-nodefaults', '-no-user-config', '-no-reboot'],
      ...['-drive', `file=${guestImage},format=qcow2,if=virtio,snapshot=on`],
      ...['-serial', 'stdio', '-monitor', 'none'],
    ],
    {
      reject: false,
      timeout: limitMs,
      forceKillAfterDelay: 500,
      stdin: 'ignore',
      stderr: 'ignore',
      buffer: false,
    },
  );
  let seen = '';
  for await (const chunk of child.iterable({ from: 'stdout', binary: true })) {
    seen = (seen + Buffer.from(chunk).toString('latin1')).slice(-4096);
    if (!/\btick \d+/.test(seen)) continue;
    child.kill('SIGKILL');
    return true;
  }
  return false;
}
