import type { Some } from '../api/handler.ts';
import type { EngineStatus } from '../contract/engine.ts';
import type { Health, Overview } from '../contract/health.ts';
import type { Network } from '../contract/storage.ts';

export type OverviewRoutesEnv = {
  health(): Promise<Health>;
  status(): EngineStatus;
  overview(): Overview;
  networks(): Network[];
};

export const overviewRoutes = (
  env: OverviewRoutesEnv,
): Some<'getHealth' | 'getEngine' | 'getOverview' | 'listNetworks'> => ({
  async getHealth() {
    const health = await env.health();
    return new Response(JSON.stringify(health), {
      status: health.state === 'ready' ? 200 : 503,
      headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
    });
  },
  getEngine: async () => env.status(),
  getOverview: async () => env.overview(),
  listNetworks: async () => ({ items: env.networks() }),
});
