import type { Host } from '../../engine/contract/hosts.ts';
import type { App } from '../state/app.svelte.ts';

/** Its VMs may come back; none is moved by this. */
export async function endMaintenance(app: App, host: Pick<Host, 'id' | 'name'>): Promise<void> {
  try {
    await app.api.call('endMaintenance', { params: { id: host.id } });
    app.toasts.show('ok', `${host.name} may have VMs again`);
  } catch (error) {
    app.toasts.error(error);
  }
}
