import { etcdStatusSchema } from '../../node/contract/etcd.ts';
import { haAnswerSchema } from '../../node/contract/ha-status.ts';
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

const contactWords = {
  sure: 'This host has contact with the cluster’s store',
  doubtful: 'This host is not sure of its contact with the cluster’s store, and starts nothing',
  lost: 'This host has lost the cluster’s store, and ends its HA VMs',
  none: 'The HA agent of this host has just begun',
} as const;

/** What HA knows on this very host: of its own agent, so it works without the engine, for root. */
export async function haOfThisHost(env: CliEnv, json: boolean): Promise<void> {
  const { summary: ha } = haAnswerSchema.parse(await env.localHaAgent('/status'));
  if (json) {
    env.out(JSON.stringify(ha));
    return;
  }
  const age = ha.contactAgeMs === null ? '' : `, heard ${(ha.contactAgeMs / 1000).toFixed(1)} s ago`;
  env.out(`Seen by ${ha.host}. ${contactWords[ha.contact]}${age}.`);
  env.out(ha.leader === null ? 'No host leads HA.' : `${ha.leader} leads HA.`);
  const sections = [
    table(
      ['host', 'state', 'why'],
      ha.hosts.map((host) => [host.name, host.state, host.why]),
    ),
    table(
      ['vm', 'wanted', 'state', 'host', 'epoch', 'why'],
      ha.vms.map((vm) => [vm.name, vm.wanted, vm.state, vm.host ?? '-', `${vm.epoch ?? '-'}`, vm.why]),
    ),
    ha.timeline.map(({ at, severity, by, text }) => `${at}  ${severity.padEnd(7)}  ${by}: ${text}`),
    ha.unreadable.map(({ key, reason }) => `unreadable: ${key}. ${reason}`),
  ];
  for (const lines of sections)
    if (lines.length > 0) {
      env.out('');
      for (const line of lines) env.out(line);
    }
}
