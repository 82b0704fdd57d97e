/** What scanning finds, asked again every so often while somebody looks. Call while a component is set up. */
import { onMount } from 'svelte';
import type { DiscoveredHost } from '../../engine/contract/hosts.ts';
import { type ErrorText, errorText } from '../lib/error-text.ts';
import { useApp } from '../state/app.svelte.ts';

export function useDiscovery(everyMs: number) {
  const app = useApp();
  let hosts = $state.raw<readonly DiscoveredHost[] | undefined>(undefined);
  let problem = $state.raw<ErrorText | undefined>(undefined);

  onMount(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout>;
    const look = async () => {
      try {
        const { items } = await app.api.call('listDiscoveredHosts');
        const members = new Set<string>(app.live.cluster.hosts.map((host) => host.id));
        hosts = items.filter((host) => host.state === 'unjoined' && !members.has(host.id));
        problem = undefined;
      } catch (error) {
        problem = errorText(error);
      }
      if (!over) timer = setTimeout(look, everyMs);
    };
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
    };
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
