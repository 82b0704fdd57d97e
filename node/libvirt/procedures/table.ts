import { blockProcedures } from './block.ts';
import { connectProcedures } from './connect.ts';
import { domainProcedures } from './domain.ts';
import { guestProcedures } from './guest.ts';
import { migrateProcedures } from './migrate.ts';

/**
 * Every call that a host agent makes, by hand: libvirt's numbers are append-only and never reused, so the table only
 * ever grows. Field names are ours; order and types are the protocol's.
 */
export const procedures = {
  ...connectProcedures,
  ...domainProcedures,
  ...blockProcedures,
  ...migrateProcedures,
  ...guestProcedures,
};
export type ProcedureName = keyof typeof procedures;
