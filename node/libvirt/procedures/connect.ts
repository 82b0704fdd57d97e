import { bool, int, list, optionalText, struct, text, uhyper, uint } from '../codec.ts';
import type { Codec } from '../xdr.ts';
import { domainRef, limit, optionalDomainRef, procedure } from './shapes.ts';

/** `char model[32]`: XDR gives each character 4 bytes. */
const cpuModelName: Codec<string> = {
  write(to, value) {
    const characters = Buffer.alloc(32);
    characters.write(value, 0, 31, 'latin1');
    for (const character of characters) to.int(character);
  },
  read(from) {
    const characters = Buffer.from(Array.from({ length: 32 }, () => from.int() & 0xff));
    const end = characters.indexOf(0);
    return characters.toString('latin1', 0, end < 0 ? 32 : end);
  },
};

const cpuStat = struct({ field: text, value: uhyper });
const hypervisor = {
  emulator: optionalText,
  arch: optionalText,
  machine: optionalText,
  virtType: optionalText,
};

/** The connection itself, and the host under it. */
export const connectProcedures = {
  open: procedure('CONNECT_OPEN', 1, { args: struct({ uri: optionalText, flags: uint }) }),
  close: procedure('CONNECT_CLOSE', 2),
  authList: procedure('AUTH_LIST', 66, { ret: struct({ types: list(int, limit.authTypes) }) }),
  authPolkit: procedure('AUTH_POLKIT', 70, { ret: struct({ complete: int }) }),
  supportsFeature: procedure('CONNECT_SUPPORTS_FEATURE', 60, {
    args: struct({ feature: int }),
    ret: struct({ supported: bool }),
  }),
  getVersion: procedure('CONNECT_GET_VERSION', 4, { ret: struct({ version: uhyper }) }),
  getLibVersion: procedure('CONNECT_GET_LIB_VERSION', 157, { ret: struct({ version: uhyper }) }),
  getHostname: procedure('CONNECT_GET_HOSTNAME', 59, { ret: struct({ hostname: text }) }),
  getUri: procedure('CONNECT_GET_URI', 110, { ret: struct({ uri: text }) }),
  getCapabilities: procedure('CONNECT_GET_CAPABILITIES', 7, { ret: struct({ xml: text }) }),
  getDomainCapabilities: procedure('CONNECT_GET_DOMAIN_CAPABILITIES', 342, {
    args: struct({ ...hypervisor, flags: uint }),
    ret: struct({ xml: text }),
  }),
  nodeGetInfo: procedure('NODE_GET_INFO', 6, {
    ret: struct({
      model: cpuModelName,
      memoryKiB: uhyper,
      cpus: int,
      mhz: int,
      nodes: int,
      sockets: int,
      cores: int,
      threads: int,
    }),
  }),
  nodeGetCpuStats: procedure('NODE_GET_CPU_STATS', 227, {
    args: struct({ cpu: int, count: int, flags: uint }),
    ret: struct({ stats: list(cpuStat, limit.nodeStats), count: int }),
  }),
  nodeGetMemoryStats: procedure('NODE_GET_MEMORY_STATS', 228, {
    args: struct({ count: int, cell: int, flags: uint }),
    ret: struct({ stats: list(cpuStat, limit.nodeStats), count: int }),
  }),
  nodeGetFreePages: procedure('NODE_GET_FREE_PAGES', 340, {
    args: struct({ pageKiB: list(uint, limit.cells), startCell: int, cellCount: uint, flags: uint }),
    ret: struct({ counts: list(uhyper, limit.cells) }),
  }),
  getCpuModelNames: procedure('CONNECT_GET_CPU_MODEL_NAMES', 312, {
    args: struct({ arch: text, needResults: bool, flags: uint }),
    ret: struct({ models: list(text, limit.cpuModels), count: int }),
  }),
  compareHypervisorCpu: procedure('CONNECT_COMPARE_HYPERVISOR_CPU', 393, {
    args: struct({ ...hypervisor, xmlCpu: text, flags: uint }),
    ret: struct({ result: int }),
  }),
  baselineHypervisorCpu: procedure('CONNECT_BASELINE_HYPERVISOR_CPU', 394, {
    args: struct({ ...hypervisor, xmlCpus: list(text, limit.cpuBaseline), flags: uint }),
    ret: struct({ cpu: text }),
  }),
  listAllNodeDevices: procedure('CONNECT_LIST_ALL_NODE_DEVICES', 285, {
    args: struct({ needResults: bool, flags: uint }),
    ret: struct({ devices: list(struct({ name: text }), limit.nodeDevices), count: uint }),
  }),
  nodeDeviceGetXml: procedure('NODE_DEVICE_GET_XML_DESC', 114, {
    args: struct({ name: text, flags: uint }),
    ret: struct({ xml: text }),
  }),
  nodeDeviceDetach: procedure('NODE_DEVICE_DETACH_FLAGS', 301, {
    args: struct({ name: text, driver: optionalText, flags: uint }),
  }),
  nodeDeviceReAttach: procedure('NODE_DEVICE_RE_ATTACH', 119, { args: struct({ name: text }) }),
  nodeDeviceReset: procedure('NODE_DEVICE_RESET', 120, { args: struct({ name: text }) }),

  registerDomainEvent: procedure('CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY', 316, {
    args: struct({ eventId: int, domain: optionalDomainRef }),
    ret: struct({ callbackId: int }),
  }),
  deregisterDomainEvent: procedure('CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY', 317, {
    args: struct({ callbackId: int }),
  }),
  registerCloseCallback: procedure('CONNECT_REGISTER_CLOSE_CALLBACK', 360),
  unregisterCloseCallback: procedure('CONNECT_UNREGISTER_CLOSE_CALLBACK', 361),

  listAllDomains: procedure('CONNECT_LIST_ALL_DOMAINS', 273, {
    args: struct({ needResults: bool, flags: uint }),
    ret: struct({ domains: list(domainRef, limit.domains), count: uint }),
  }),
};
