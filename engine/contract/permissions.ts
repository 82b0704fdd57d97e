import { z } from 'zod';

/**
 * What a user may be allowed. Every route that is not public names one of these; the one gate (engine/users/authorize.ts)
 * decides. Roles come later: today each user may do everything.
 */
export const permissionSchema = z.enum([
  'session.own',
  'overview.read',
  'engine.read',
  'hosts.read',
  'hosts.add',
  'hosts.maintain',
  'ha.read',
  'ha.confirm',
  'fence.change',
  'ha.disarm',
  'vms.read',
  'vms.create',
  'vms.change',
  'vms.run',
  'vms.delete',
  'vms.console',
  'jobs.read',
  'jobs.cancel',
  'events.read',
  'storage.read',
  'images.change',
  'networks.read',
]);
export type Permission = z.infer<typeof permissionSchema>;
