import { etcdStatusSchema } from '../../node/contract/etcd.ts';
import { hostInfoSchema } from '../../node/contract/host.ts';
import { localPairingSchema } from '../../node/contract/pairing.ts';
import { volumeStatusSchema } from '../../node/contract/storage.ts';
import { vmStatusSchema } from '../../node/contract/vms.ts';
import type { CliEnv } from './env.ts';
import { table } from './table.ts';

/** What this very host says of itself; works while the engine is down, for root. */
export async function hostStatus(env: CliEnv, json: boolean): Promise<void> {
  const info = hostInfoSchema.parse(await env.localAgent('/v1/host'));
  if (info.membership.state === 'unjoined') {
    const pairing = localPairingSchema.parse(await env.localAgent('/local/v1/pairing'));
    if (json) env.out(JSON.stringify({ info, pairing }));
    else {
      env.out(`${info.name} belongs to no cluster.`);
      env.out(`Pairing code ${pairing.code}, ${pairing.triesLeft} tries left.`);
    }
    return;
  }
  const vms = vmStatusSchema.array().parse(await env.localAgent('/v1/vms'));
  const volumes = volumeStatusSchema.array().parse(await env.localAgent('/v1/gluster/volumes'));
  const etcd = etcdStatusSchema.parse(await env.localAgent('/v1/etcd'));
  if (json) {
    env.out(JSON.stringify({ info, vms, volumes, etcd }));
    return;
  }
  env.out(`${info.name}, version ${info.version}, of the cluster ${info.membership.clusterName}`);
  env.out(`etcd: ${etcd.healthy ? 'healthy' : etcd.reason}`);
  for (const volume of volumes) env.out(`volume ${volume.name}: ${volume.state}. ${volume.summary}`);
  for (const line of table(
    ['vm', 'state', 'why'],
    vms.map((vm) => [vm.name, vm.state, vm.reason]),
  ))
    env.out(line);
}
