import { usableModelsOf } from '../host/cpu-models.ts';
import { libvirtClient } from '../libvirt/client.ts';
import { openTransport } from '../libvirt/handshake.ts';
import type { Log } from '../log/log.ts';

export const libvirtAt = { socketPath: '/run/libvirt/libvirt-sock', uri: 'qemu:///system' } as const;

const keepMs = 10 * 60_000;

/**
 * The CPU models of guests here. libvirt starts a QEMU to find that out, so an answer is kept for a while; without
 * libvirt there are none, which only means that guests cannot be placed here now.
 */
export function makeUsableModels(env: {
  log: Log;
  accelerator(): Promise<'kvm' | 'tcg'>;
  monotonicMs(): number;
}): () => Promise<string[]> {
  let known: { models: string[]; until: number } | undefined;
  return async () => {
    if (known !== undefined && env.monotonicMs() < known.until) return known.models;
    try {
      const virtType = (await env.accelerator()) === 'kvm' ? 'kvm' : 'qemu';
      const transport = await openTransport(libvirtAt);
      try {
        const answer = await libvirtClient(transport).domainCapabilities({ virtType, machine: 'q35' });
        const models = usableModelsOf(answer);
        known = { models, until: env.monotonicMs() + keepMs };
        return models;
      } finally {
        transport.close();
      }
    } catch (error) {
      env.log.error('CPU models of guests are not known', error);
      return [];
    }
  };
}
