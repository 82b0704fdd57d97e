import { bool, int, list, optionalText, struct, text, uhyper, uint, uuid } from '../codec.ts';
import { typedParams } from '../typed-params.ts';
import { domainRef, limit, procedure } from './shapes.ts';

const domain = struct({ domain: domainRef });
const domainFlags = struct({ domain: domainRef, flags: uint });
const xmlFlags = struct({ xml: text, flags: uint });
const domainXmlFlags = struct({ domain: domainRef, xml: text, flags: uint });
const xml = struct({ xml: text });

/** A domain's life, its state, its devices, and what is measured about it. */
export const domainProcedures = {
  lookupByUuid: procedure('DOMAIN_LOOKUP_BY_UUID', 24, { args: struct({ uuid }), ret: domain }),
  lookupByName: procedure('DOMAIN_LOOKUP_BY_NAME', 23, { args: struct({ name: text }), ret: domain }),
  defineXml: procedure('DOMAIN_DEFINE_XML_FLAGS', 350, { args: xmlFlags, ret: domain }),
  createXml: procedure('DOMAIN_CREATE_XML', 10, { args: xmlFlags, ret: domain }),
  create: procedure('DOMAIN_CREATE_WITH_FLAGS', 196, { args: domainFlags, ret: domain }),
  shutdown: procedure('DOMAIN_SHUTDOWN_FLAGS', 258, { args: domainFlags }),
  reboot: procedure('DOMAIN_REBOOT', 27, { args: domainFlags }),
  reset: procedure('DOMAIN_RESET', 245, { args: domainFlags }),
  destroy: procedure('DOMAIN_DESTROY_FLAGS', 234, { args: domainFlags }),
  suspend: procedure('DOMAIN_SUSPEND', 34, { args: domain }),
  resume: procedure('DOMAIN_RESUME', 28, { args: domain }),
  undefine: procedure('DOMAIN_UNDEFINE_FLAGS', 231, { args: domainFlags }),
  managedSave: procedure('DOMAIN_MANAGED_SAVE', 182, { args: domainFlags }),
  managedSaveRemove: procedure('DOMAIN_MANAGED_SAVE_REMOVE', 184, { args: domainFlags }),
  pmSuspend: procedure('DOMAIN_PM_SUSPEND_FOR_DURATION', 261, {
    args: struct({ domain: domainRef, target: uint, duration: uhyper, flags: uint }),
  }),
  pmWakeup: procedure('DOMAIN_PM_WAKEUP', 267, { args: domainFlags }),
  getState: procedure('DOMAIN_GET_STATE', 212, {
    args: domainFlags,
    ret: struct({ state: int, reason: int }),
  }),
  getControlInfo: procedure('DOMAIN_GET_CONTROL_INFO', 229, {
    args: domainFlags,
    ret: struct({ state: uint, details: uint, stateTime: uhyper }),
  }),
  getXml: procedure('DOMAIN_GET_XML_DESC', 14, { args: domainFlags, ret: xml }),
  setMetadata: procedure('DOMAIN_SET_METADATA', 264, {
    args: struct({
      domain: domainRef,
      type: int,
      metadata: optionalText,
      key: optionalText,
      uri: optionalText,
      flags: uint,
    }),
  }),
  getMetadata: procedure('DOMAIN_GET_METADATA', 265, {
    args: struct({ domain: domainRef, type: int, uri: optionalText, flags: uint }),
    ret: struct({ metadata: text }),
  }),

  attachDevice: procedure('DOMAIN_ATTACH_DEVICE_FLAGS', 160, { args: domainXmlFlags }),
  detachDevice: procedure('DOMAIN_DETACH_DEVICE_FLAGS', 161, { args: domainXmlFlags }),
  updateDevice: procedure('DOMAIN_UPDATE_DEVICE_FLAGS', 174, { args: domainXmlFlags }),
  detachDeviceAlias: procedure('DOMAIN_DETACH_DEVICE_ALIAS', 392, {
    args: struct({ domain: domainRef, alias: text, flags: uint }),
  }),
  setVcpus: procedure('DOMAIN_SET_VCPUS_FLAGS', 199, {
    args: struct({ domain: domainRef, count: uint, flags: uint }),
  }),
  setMemory: procedure('DOMAIN_SET_MEMORY_FLAGS', 204, {
    args: struct({ domain: domainRef, memoryKiB: uhyper, flags: uint }),
  }),
  setMemoryStatsPeriod: procedure('DOMAIN_SET_MEMORY_STATS_PERIOD', 308, {
    args: struct({ domain: domainRef, seconds: int, flags: uint }),
  }),
  setInterfaceParameters: procedure('DOMAIN_SET_INTERFACE_PARAMETERS', 256, {
    args: struct({
      domain: domainRef,
      device: text,
      params: typedParams(limit.interfaceParams),
      flags: uint,
    }),
  }),
  sendKey: procedure('DOMAIN_SEND_KEY', 226, {
    args: struct({
      domain: domainRef,
      codeset: uint,
      holdMs: uint,
      keys: list(uint, limit.keys),
      flags: uint,
    }),
  }),
  graphicsReload: procedure('DOMAIN_GRAPHICS_RELOAD', 448, {
    args: struct({ domain: domainRef, type: uint, flags: uint }),
  }),

  getAllStats: procedure('CONNECT_GET_ALL_DOMAIN_STATS', 344, {
    args: struct({ domains: list(domainRef, limit.domains), stats: uint, flags: uint }),
    ret: struct({
      records: list(struct({ domain: domainRef, params: typedParams(limit.allDomainStats) }), limit.domains),
    }),
  }),
  memoryStats: procedure('DOMAIN_MEMORY_STATS', 159, {
    args: struct({ domain: domainRef, max: uint, flags: uint }),
    ret: struct({ stats: list(struct({ tag: int, value: uhyper }), limit.memoryStats) }),
  }),

  screenshot: procedure('DOMAIN_SCREENSHOT', 211, {
    args: struct({ domain: domainRef, screen: uint, flags: uint }),
    ret: struct({ mime: optionalText }),
    stream: true,
  }),
  openConsole: procedure('DOMAIN_OPEN_CONSOLE', 201, {
    args: struct({ domain: domainRef, device: optionalText, flags: uint }),
    stream: true,
  }),
  openChannel: procedure('DOMAIN_OPEN_CHANNEL', 296, {
    args: struct({ domain: domainRef, name: optionalText, flags: uint }),
    stream: true,
  }),
  isPersistent: procedure('DOMAIN_IS_PERSISTENT', 151, { args: domain, ret: struct({ persistent: bool }) }),
};
