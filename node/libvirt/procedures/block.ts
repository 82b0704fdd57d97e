import { bool, int, list, optionalText, struct, text, uhyper, uint } from '../codec.ts';
import { typedParams } from '../typed-params.ts';
import { checkpointRef, domainRef, limit, procedure, snapshotRef } from './shapes.ts';

const disk = { domain: domainRef, disk: text };
const snapshotFlags = struct({ snapshot: snapshotRef, flags: uint });
const checkpointFlags = struct({ checkpoint: checkpointRef, flags: uint });
const listArgs = struct({ domain: domainRef, needResults: bool, flags: uint });
const domainXmlFlags = struct({ domain: domainRef, xml: text, flags: uint });
const xml = struct({ xml: text });

/** Disks of a running domain: jobs over them, snapshots, checkpoints, backups. */
export const blockProcedures = {
  blockResize: procedure('DOMAIN_BLOCK_RESIZE', 251, {
    args: struct({ ...disk, size: uhyper, flags: uint }),
  }),
  getBlockInfo: procedure('DOMAIN_GET_BLOCK_INFO', 194, {
    args: struct({ ...disk, flags: uint }),
    ret: struct({ allocation: uhyper, capacity: uhyper, physical: uhyper }),
  }),
  setBlockThreshold: procedure('DOMAIN_SET_BLOCK_THRESHOLD', 386, {
    args: struct({ ...disk, threshold: uhyper, flags: uint }),
  }),
  setBlockIoTune: procedure('DOMAIN_SET_BLOCK_IO_TUNE', 252, {
    args: struct({ ...disk, params: typedParams(limit.blockIoTune), flags: uint }),
  }),
  blockCommit: procedure('DOMAIN_BLOCK_COMMIT', 290, {
    args: struct({ ...disk, base: optionalText, top: optionalText, bandwidth: uhyper, flags: uint }),
  }),
  blockCopy: procedure('DOMAIN_BLOCK_COPY', 345, {
    args: struct({ ...disk, destinationXml: text, params: typedParams(limit.blockCopyParams), flags: uint }),
  }),
  blockPull: procedure('DOMAIN_BLOCK_PULL', 240, {
    args: struct({ ...disk, bandwidth: uhyper, flags: uint }),
  }),
  blockJobAbort: procedure('DOMAIN_BLOCK_JOB_ABORT', 237, { args: struct({ ...disk, flags: uint }) }),
  getBlockJobInfo: procedure('DOMAIN_GET_BLOCK_JOB_INFO', 238, {
    args: struct({ ...disk, flags: uint }),
    ret: struct({ found: bool, type: int, bandwidth: uhyper, current: uhyper, end: uhyper }),
  }),
  blockJobSetSpeed: procedure('DOMAIN_BLOCK_JOB_SET_SPEED', 239, {
    args: struct({ ...disk, bandwidth: uhyper, flags: uint }),
  }),
  getDiskErrors: procedure('DOMAIN_GET_DISK_ERRORS', 263, {
    args: struct({ domain: domainRef, max: uint, flags: uint }),
    ret: struct({ errors: list(struct({ disk: text, error: int }), limit.diskErrors), count: int }),
  }),

  snapshotCreate: procedure('DOMAIN_SNAPSHOT_CREATE_XML', 185, {
    args: domainXmlFlags,
    ret: struct({ snapshot: snapshotRef }),
  }),
  snapshotGetXml: procedure('DOMAIN_SNAPSHOT_GET_XML_DESC', 186, { args: snapshotFlags, ret: xml }),
  listAllSnapshots: procedure('DOMAIN_LIST_ALL_SNAPSHOTS', 274, {
    args: listArgs,
    ret: struct({ snapshots: list(snapshotRef, limit.snapshots), count: int }),
  }),
  snapshotDelete: procedure('DOMAIN_SNAPSHOT_DELETE', 193, { args: snapshotFlags }),

  checkpointCreate: procedure('DOMAIN_CHECKPOINT_CREATE_XML', 411, {
    args: domainXmlFlags,
    ret: struct({ checkpoint: checkpointRef }),
  }),
  checkpointGetXml: procedure('DOMAIN_CHECKPOINT_GET_XML_DESC', 412, { args: checkpointFlags, ret: xml }),
  listAllCheckpoints: procedure('DOMAIN_LIST_ALL_CHECKPOINTS', 413, {
    args: listArgs,
    ret: struct({ checkpoints: list(checkpointRef, limit.checkpoints), count: int }),
  }),
  checkpointLookupByName: procedure('DOMAIN_CHECKPOINT_LOOKUP_BY_NAME', 415, {
    args: struct({ domain: domainRef, name: text, flags: uint }),
    ret: struct({ checkpoint: checkpointRef }),
  }),
  checkpointDelete: procedure('DOMAIN_CHECKPOINT_DELETE', 417, { args: checkpointFlags }),

  backupBegin: procedure('DOMAIN_BACKUP_BEGIN', 421, {
    args: struct({ domain: domainRef, xml: text, checkpointXml: optionalText, flags: uint }),
  }),
  backupGetXml: procedure('DOMAIN_BACKUP_GET_XML_DESC', 422, {
    args: struct({ domain: domainRef, flags: uint }),
    ret: xml,
  }),
};
