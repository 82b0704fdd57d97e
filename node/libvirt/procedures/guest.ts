import { bytes, hyper, int, list, optionalText, struct, text, uhyper, uint, uuid } from '../codec.ts';
import { typedParams } from '../typed-params.ts';
import { domainRef, limit, procedure, program, secretRef } from './shapes.ts';

const domainFlags = struct({ domain: domainRef, flags: uint });
const mountPoints = struct({
  domain: domainRef,
  mountPoints: list(text, limit.mountPoints),
  flags: uint,
});
const fileSystems = struct({ count: int });

/** What is asked of the agent inside the guest, and secrets. */
export const guestProcedures = {
  /** one command of the guest agent as JSON; `seconds` -2 waits for ever, -1 for the default, 0 not at all */
  agentCommand: procedure('QEMU_DOMAIN_AGENT_COMMAND', 3, {
    program: program.qemu,
    args: struct({ domain: domainRef, command: text, seconds: int, flags: uint }),
    ret: struct({ result: optionalText }),
  }),
  setAgentTimeout: procedure('DOMAIN_AGENT_SET_RESPONSE_TIMEOUT', 420, {
    args: struct({ domain: domainRef, seconds: int, flags: uint }),
    ret: struct({ result: int }),
  }),
  interfaceAddresses: procedure('DOMAIN_INTERFACE_ADDRESSES', 353, {
    args: struct({ domain: domainRef, source: uint, flags: uint }),
    ret: struct({
      interfaces: list(
        struct({
          name: text,
          mac: optionalText,
          addresses: list(struct({ type: int, address: text, prefix: uint }), limit.addresses),
        }),
        limit.interfaces,
      ),
    }),
  }),
  fsFreeze: procedure('DOMAIN_FSFREEZE', 335, { args: mountPoints, ret: fileSystems }),
  fsThaw: procedure('DOMAIN_FSTHAW', 336, { args: mountPoints, ret: fileSystems }),
  fsTrim: procedure('DOMAIN_FSTRIM', 294, {
    args: struct({ domain: domainRef, mountPoint: optionalText, minimum: uhyper, flags: uint }),
  }),
  getFsInfo: procedure('DOMAIN_GET_FSINFO', 349, {
    args: domainFlags,
    ret: struct({
      fileSystems: list(
        struct({ mountPoint: text, name: text, type: text, disks: list(text, limit.fsDisks) }),
        limit.mountPoints,
      ),
      count: uint,
    }),
  }),
  getGuestInfo: procedure('DOMAIN_GET_GUEST_INFO', 418, {
    args: struct({ domain: domainRef, types: uint, flags: uint }),
    ret: struct({ params: typedParams(limit.guestInfo) }),
  }),
  getTime: procedure('DOMAIN_GET_TIME', 337, {
    args: domainFlags,
    ret: struct({ seconds: hyper, nanoseconds: uint }),
  }),
  setTime: procedure('DOMAIN_SET_TIME', 338, {
    args: struct({ domain: domainRef, seconds: hyper, nanoseconds: uint, flags: uint }),
  }),
  setUserPassword: procedure('DOMAIN_SET_USER_PASSWORD', 357, {
    args: struct({ domain: domainRef, user: optionalText, password: optionalText, flags: uint }),
  }),

  secretDefine: procedure('SECRET_DEFINE_XML', 142, {
    args: struct({ xml: text, flags: uint }),
    ret: struct({ secret: secretRef }),
  }),
  secretSetValue: procedure('SECRET_SET_VALUE', 144, {
    args: struct({ secret: secretRef, value: bytes(limit.secretBytes), flags: uint }),
  }),
  secretLookupByUuid: procedure('SECRET_LOOKUP_BY_UUID', 141, {
    args: struct({ uuid }),
    ret: struct({ secret: secretRef }),
  }),
  secretUndefine: procedure('SECRET_UNDEFINE', 146, { args: struct({ secret: secretRef }) }),
};
