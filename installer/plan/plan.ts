import { type DiskId, hostIdSchema, type ImageId, type VmId } from '../../node/contract/ids.ts';
import type { HostNetwork } from '../../node/contract/network.ts';
import { vmSpecSchema } from '../../node/contract/vms.ts';
import { isThis } from '../answers/check-hosts.ts';
import type { Answers } from '../contract/answers.ts';
import { addressOf } from '../net/ipv4.ts';
import type { HostReport, ImageSource } from '../preflight/model.ts';
import { storageAddresses } from './addresses.ts';
import { commonCpuModel } from './cpu.ts';
import { chooseDisks } from './disks.ts';
import { layOut } from './layout.ts';
import type { Plan, PlanHost } from './model.ts';
import { chooseNics, managementAddress } from './nics.ts';
import { stepsOf } from './steps.ts';

/** All that is random in a plan, so that the rest is a function of answers and reports. */
export type PlanIds = {
  clusterId: string;
  etcdToken: string;
  engineVm: VmId;
  engineMac: string;
  systemDisk: DiskId;
  dataDisk: DiskId;
  image: (name: string) => ImageId;
};

export const networkNames = { management: 'mgmt', storage: 'storage' } as const;

/**
 * Decides all of a formation. The answers and reports must have been found without errors (judge.ts); what could not be
 * decided from them is a bug here and throws.
 */
export function planFormation(
  answers: Answers,
  passwordHash: string,
  reports: readonly HostReport[],
  images: readonly ImageSource[],
  ids: PlanIds,
): Plan {
  const { networks, engine } = answers;
  const choices = answers.hosts.map((answer) => {
    const report = reports.find((each) => each.answer.name === answer.name);
    if (report === undefined) throw new Error(`no report of ${answer.name}`);
    const { nics } = chooseNics(answers, answer, report.info);
    const bricks = chooseDisks(answer, report.info.disks).choices.map(({ place }, index) => ({
      name: `disk${index + 1}`,
      place,
    }));
    return { answer, report, nics, bricks };
  });
  const layout = layOut(
    choices.map(({ answer, bricks }) => ({
      name: answer.name,
      arbiter: answer.role === 'arbiter',
      brickNames: bricks.map((brick) => brick.name),
    })),
  );
  const storage =
    networks.storage === undefined ? undefined : storageAddresses(answers.hosts, networks.storage.cidr);

  const hosts = choices.map(({ answer, report, nics, bricks }, index): PlanHost => {
    const { management, storage: storageNic } = nics;
    const { addressing } = answer.management;
    if (management === undefined) throw new Error(`no management card on ${answer.name}`);
    const cidr =
      addressing.kind === 'static' ? addressing.address : managementAddress(management, engine.address);
    if (cidr === undefined) throw new Error(`no management address on ${answer.name}`);
    const address = addressOf(cidr);
    const role = layout.roles[index] ?? 'compute';
    const fsync = report.report?.fsync?.p99Ms;
    return {
      id: hostIdSchema.parse(report.info.id),
      name: answer.name,
      first: isThis(answer),
      role,
      foundAt: report.foundAt,
      address,
      storageAddress: storage === undefined ? address : need(storage[index], 'a storage address'),
      networks: [
        network(networkNames.management, management.name, networks.management, true, addressing),
        ...(networks.storage === undefined
          ? []
          : [
              network(
                networkNames.storage,
                need(storageNic?.name, 'a storage card'),
                networks.storage,
                false,
                {
                  kind: 'static',
                  address: `${need(storage?.[index], 'a storage address')}/${networks.storage.cidr.split('/')[1]}`,
                  dns: [],
                },
              ),
            ]),
      ],
      etcdMember: layout.etcdMembers[index] ?? false,
      ...(fsync === undefined || fsync <= 0 ? {} : { fsyncP99Ms: fsync }),
      bricks: role === 'compute' ? [] : bricks,
    };
  });

  const cpuModel = need(commonCpuModel(reports.map(({ info }) => info.cpu)), 'a common CPU model');
  const body: Omit<Plan, 'steps'> = {
    format: 1,
    cluster: { id: ids.clusterId, name: answers.cluster.name },
    version: need(
      reports.find(({ answer }) => isThis(answer)),
      'a first host',
    ).info.version,
    cpuModel,
    admin: { name: answers.admin.name, passwordHash },
    hosts,
    etcdToken: ids.etcdToken,
    volumes: layout.volumes,
    timeServers: answers.timeServers,
    engine: {
      spec: engineSpec(answers, ids, cpuModel),
      address: engine.address,
      ...(engine.gateway === undefined ? {} : { gateway: engine.gateway }),
      dns: engine.dns,
      hostName: engine.hostName,
      names: [...new Set([engine.hostName, addressOf(engine.address), ...engine.names])],
      systemDisk: { id: ids.systemDisk, sizeMiB: engine.systemDiskMiB },
      dataDisk: { id: ids.dataDisk, sizeMiB: engine.dataDiskMiB },
    },
    images: images
      .filter(({ name }) => answers.images === 'all' || answers.images.includes(name))
      .map((image) => ({ id: ids.image(image.name), ...image })),
  };
  return { ...body, steps: stepsOf(body) };
}

function need<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the plan lacks ${what}`);
  return value;
}

function network(
  name: string,
  nic: string,
  options: { vlan?: number | undefined; mtu: number },
  bridge: boolean,
  addressing: HostNetwork['addressing'],
): HostNetwork {
  return {
    name,
    nic,
    ...(options.vlan === undefined ? {} : { vlan: options.vlan }),
    mtu: options.mtu,
    bridge,
    addressing,
  };
}

export const enginePaths = {
  volume: 'engine',
  system: 'engine/os.raw',
  data: 'engine/data.raw',
  seed: 'engine/seed.raw',
} as const;

function engineSpec(answers: Answers, ids: PlanIds, cpuModel: string): Plan['engine']['spec'] {
  const disk = { volume: enginePaths.volume, format: 'raw' } as const;
  return vmSpecSchema.parse({
    id: ids.engineVm,
    name: answers.engine.hostName,
    cpus: answers.engine.cpus,
    memoryMiB: answers.engine.memoryMiB,
    cpuModel,
    disks: [
      { ...disk, serial: 'trefoil-os', path: enginePaths.system, bootOrder: 1 },
      { ...disk, serial: 'trefoil-data', path: enginePaths.data },
      { ...disk, serial: 'trefoil-seed', path: enginePaths.seed, readOnly: true },
    ],
    nics: [{ mac: ids.engineMac, network: networkNames.management }],
    role: 'engine',
  });
}
