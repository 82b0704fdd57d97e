import { existsSync } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { HostPlan, LabPlan } from './plan.ts';

/**
 * What hosts found out about KVM, kept for later labs: it holds for one boot of one kernel, which all hosts share. Where
 * guests hang, each host would find it out anew with ten seconds of a busy processor. Hosts without the guest that they
 * try it with take KVM for not usable: what they say is not kept.
 */
const kept = '/run/trefoil-lab/kvm.json';
const guest = 'usr/lib/trefoil/images/trefoil-guest.qcow2';
const onHost = (upper: string): string => join(upper, 'var/lib/trefoil/kvm.json');

export async function keepKvm(plan: LabPlan, upperOf: (host: HostPlan) => string): Promise<void> {
  if (!existsSync(join(plan.productFolder, guest))) return;
  await mkdir(dirname(kept), { recursive: true });
  for (const host of plan.hosts) await copyFile(onHost(upperOf(host)), kept).catch(isMissing);
}

export async function giveKvm(upper: string): Promise<void> {
  await mkdir(dirname(onHost(upper)), { recursive: true, mode: 0o711 });
  await copyFile(kept, onHost(upper)).catch(isMissing);
}

function isMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}
