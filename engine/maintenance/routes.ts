import { AppError } from '../../node/contract/error.ts';
import type { Some } from '../api/handler.ts';
import { endMaintenance } from '../ha/store.ts';
import { type MaintenanceEnv, planFacts } from './facts.ts';
import { maintenanceKind } from './job.ts';
import { planOf, planView } from './plan.ts';

type Names = 'getMaintenancePlan' | 'beginMaintenance' | 'endMaintenance';

export const maintenanceRoutes = (env: MaintenanceEnv): Some<Names> => ({
  getMaintenancePlan: async ({ params }) => planView(planOf(planFacts(env, params.id))),
  async beginMaintenance({ params, body, caller }) {
    const { record } = env.hosts.need(params.id);
    const { against } = planOf(planFacts(env, params.id));
    if (against.length > 0)
      throw new AppError({
        code: 'host.cannot-be-spared',
        family: 'conflict',
        message: `${record.name} cannot be spared now. ${against.join(' ')}`,
        remedy: 'Put right what is named here, then begin maintenance again.',
        retry: 'later',
        details: { against },
      });
    const jobId = await env.jobs().submit({
      kind: maintenanceKind,
      title: `Maintenance of ${record.name}`,
      input: { id: record.id, name: record.name, by: caller.name, reason: body.reason },
      subject: { kind: 'host', id: record.id, name: record.name },
      // No second one beside it: each was decided by what the others are.
      locks: [`host:${record.id}`, 'cluster:members'],
      user: caller.name,
    });
    return { jobId };
  },
  async endMaintenance({ params, caller }) {
    const { record } = env.hosts.need(params.id);
    const job = env.jobs().activeOn(`host:${record.id}`);
    if (job?.kind === maintenanceKind)
      throw new AppError({
        code: 'host.maintenance-begins',
        family: 'conflict',
        message: `The VMs of ${record.name} are still being moved away.`,
        remedy: 'Cancel that job: what has moved stays, and the host may have VMs again.',
        details: { jobId: job.id },
      });
    const was = env.ha.mirror.view().maintenance.has(record.id);
    await endMaintenance(env.ha.store, record.id);
    if (was)
      await env.record({
        severity: 'info',
        code: 'host.maintenance-ended',
        message: `${caller.name} ended maintenance of ${record.name}.`,
        subject: { kind: 'host', id: record.id, name: record.name },
        user: caller.name,
      });
    return undefined;
  },
});
