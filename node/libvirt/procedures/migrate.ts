import { bool, bytes, int, optionalText, struct, text, uhyper, uint } from '../codec.ts';
import { typedParams } from '../typed-params.ts';
import { domainRef, limit, procedure } from './shapes.ts';

const params = typedParams(limit.migrateParams);
const cookie = bytes(limit.cookieBytes);
const domainFlags = struct({ domain: domainRef, flags: uint });

/** Live migration, and the job that any long call on a domain is. */
export const migrateProcedures = {
  begin3: procedure('DOMAIN_MIGRATE_BEGIN3_PARAMS', 302, {
    args: struct({ domain: domainRef, params, flags: uint }),
    ret: struct({ cookie, xml: text }),
  }),
  prepare3: procedure('DOMAIN_MIGRATE_PREPARE3_PARAMS', 303, {
    args: struct({ params, cookie, flags: uint }),
    ret: struct({ cookie, uri: optionalText }),
  }),
  /** with `destination` and the flag peer-to-peer this one call is the whole migration */
  perform3: procedure('DOMAIN_MIGRATE_PERFORM3_PARAMS', 305, {
    args: struct({ domain: domainRef, destination: optionalText, params, cookie, flags: uint }),
    ret: struct({ cookie }),
  }),
  finish3: procedure('DOMAIN_MIGRATE_FINISH3_PARAMS', 306, {
    args: struct({ params, cookie, flags: uint, cancelled: bool }),
    ret: struct({ domain: domainRef, cookie }),
  }),
  confirm3: procedure('DOMAIN_MIGRATE_CONFIRM3_PARAMS', 307, {
    args: struct({ domain: domainRef, params, cookie, flags: uint, cancelled: bool }),
  }),
  setMaxDowntime: procedure('DOMAIN_MIGRATE_SET_MAX_DOWNTIME', 166, {
    args: struct({ domain: domainRef, milliseconds: uhyper, flags: uint }),
  }),
  setMaxSpeed: procedure('DOMAIN_MIGRATE_SET_MAX_SPEED', 207, {
    args: struct({ domain: domainRef, mibPerSecond: uhyper, flags: uint }),
  }),
  startPostCopy: procedure('DOMAIN_MIGRATE_START_POST_COPY', 364, { args: domainFlags }),
  getJobStats: procedure('DOMAIN_GET_JOB_STATS', 298, {
    args: domainFlags,
    ret: struct({ type: int, params: typedParams(limit.jobStats) }),
  }),
  abortJob: procedure('DOMAIN_ABORT_JOB', 164, { args: struct({ domain: domainRef }) }),
  abortJobFlags: procedure('DOMAIN_ABORT_JOB_FLAGS', 442, { args: domainFlags }),
};
