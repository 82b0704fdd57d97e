import { z } from 'zod';

/**
 * The engine's configuration: a JSON file whose path is in the environment variable TREFOIL_ENGINE_CONFIG (default
 * /etc/trefoil/engine.json). Written by appliance/firstboot, read by engine/main.ts. Everything has a default that is
 * right inside the engine's VM, so `{}` is a valid file there.
 */
export const engineConfigSchema = z.strictObject({
  listen: z
    .strictObject({
      address: z.string().default('0.0.0.0'),
      port: z.number().int().min(0).max(65_535).default(443),
    })
    .prefault({}),
  /** PEM files. The certificate (OU `engine`) serves browsers and is the client certificate towards hosts and etcd. */
  tls: z
    .strictObject({
      certificateFile: z.string().default('/var/lib/trefoil-engine/tls/cert.pem'),
      keyFile: z.string().default('/var/lib/trefoil-engine/tls/key.pem'),
      caFile: z.string().default('/var/lib/trefoil-engine/tls/ca.pem'),
    })
    .prefault({}),
  /** PostgreSQL by its unix socket directory (peer authentication) or by host name; the database must exist */
  database: z
    .strictObject({
      host: z.string().default('/run/postgresql'),
      port: z.number().int().default(5432),
      name: z.string().default('trefoil'),
      user: z.string().default('trefoil'),
      password: z.string().optional(),
    })
    .prefault({}),
  /** the seed (seed.ts) as JSON, or the raw seed disk with its padding of zero bytes; imported when its generation is new */
  seedFile: z.string().default('/var/lib/trefoil-engine/seed.json'),
  /** the built UI; absent or empty directory: only the API is served */
  uiDirectory: z.string().default('/usr/lib/trefoil/ui'),
  versionFile: z.string().default('/usr/lib/trefoil/version'),
});
export type EngineConfig = z.infer<typeof engineConfigSchema>;
export const engineConfigVariable = 'TREFOIL_ENGINE_CONFIG';
export const engineConfigDefaultPath = '/etc/trefoil/engine.json';
