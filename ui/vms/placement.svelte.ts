/** Asks the scheduler what it thinks of each host, now and whenever the VM changes. Call while a component is set up. */
import type { Placement } from '../../engine/contract/vms.ts';
import { type ErrorText, errorText } from '../lib/error-text.ts';
import { useApp } from '../state/app.svelte.ts';

export function usePlacement(vmId: () => string) {
  const app = useApp();
  let hosts = $state.raw<Placement['hosts'] | undefined>(undefined);
  let problem = $state.raw<ErrorText | undefined>(undefined);

  $effect(() => {
    const id = vmId();
    const controller = new AbortController();
    app.api
      .call('getPlacement', { params: { id } }, { signal: controller.signal })
      .then((placement) => {
        hosts = placement.hosts.toSorted(
          (a, b) => Number(b.fits) - Number(a.fits) || b.score - a.score || a.name.localeCompare(b.name),
        );
        problem = undefined;
      })
      .catch((error: unknown) => {
        if (!controller.signal.aborted) problem = errorText(error);
      });
    return () => controller.abort();
  });

  return {
    get hosts() {
      return hosts;
    },
    get problem() {
      return problem;
    },
  };
}
