import type { Network } from '../network/network.ts';
import type { NodeHandlers } from './handlers.ts';

export function networkRoutes(
  network: Network,
): Pick<NodeHandlers, 'getNetwork' | 'putNetwork' | 'confirmNetwork'> {
  return {
    getNetwork: () => network.status(),
    putNetwork: ({ body }) => network.put(body),
    confirmNetwork: ({ body }) => network.confirm(body.generation),
  };
}
