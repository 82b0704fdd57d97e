import type { AnyJobKind } from '../jobs/kind.ts';
import type { VmsEnv } from './env.ts';
import { createJob } from './job-create.ts';
import { deleteJob } from './job-delete.ts';
import { migrateJob } from './job-migrate.ts';
import { startJob } from './job-start.ts';
import { rebootJob, shutdownJob, stopJob } from './job-stop.ts';

/** All that can be done with a VM. */
export const vmJobs = (env: VmsEnv): AnyJobKind[] => [
  createJob(env),
  startJob(env),
  shutdownJob(env),
  stopJob(env),
  rebootJob(env),
  migrateJob(env),
  deleteJob(env),
];
