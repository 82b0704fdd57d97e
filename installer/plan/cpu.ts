/** CPU models as libvirt names them, old to new; a VM made for one runs on every later one of the same maker. */
const intel = [
  'Conroe',
  'Penryn',
  'Nehalem',
  'Westmere',
  'SandyBridge',
  'IvyBridge',
  'Haswell-noTSX',
  'Haswell',
  'Broadwell-noTSX',
  'Broadwell',
  'Skylake-Client-noTSX-IBRS',
  'Skylake-Client',
  'Skylake-Server-noTSX-IBRS',
  'Skylake-Server',
  'Cascadelake-Server-noTSX',
  'Cascadelake-Server',
  'Icelake-Server-noTSX',
  'Icelake-Server',
  'SapphireRapids',
  'GraniteRapids',
];
const amd = ['Opteron_G1', 'Opteron_G2', 'Opteron_G3', 'EPYC', 'EPYC-Rome', 'EPYC-Milan', 'EPYC-Genoa'];
const ranked = ['qemu64', 'kvm64', ...amd, ...intel];

export type Cpu = {
  vendor: string;
  model: string;
  features: readonly string[];
  usableModels: readonly string[];
};

const sameSet = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && new Set([...one, ...other]).size === new Set(one).size;

/** The CPU that VMs shall see so that each host can take them: `host` where all are alike, else the newest common model. */
export function commonCpuModel(cpus: readonly Cpu[]): string | undefined {
  const [first, ...others] = cpus;
  if (first === undefined) return undefined;
  if (others.every((cpu) => cpu.model === first.model && sameSet(cpu.features, first.features)))
    return 'host';
  return ranked.findLast((model) => cpus.every((cpu) => cpu.usableModels.includes(model)));
}
