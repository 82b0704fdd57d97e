import { registerHooks } from 'node:module';

/**
 * Preloaded into unit tests. For each of drizzle-orm's hundreds of modules Node reads the whole `exports` of its package.json
 * (180 kB) again to learn what kind of module it is: 1.4 s in each process. Its own relative imports are ES modules.
 */
registerHooks({
  resolve(specifier, context, next) {
    const { parentURL } = context;
    const isOwn =
      specifier.startsWith('.') &&
      specifier.endsWith('.js') &&
      parentURL?.includes('/node_modules/drizzle-orm/') === true;
    if (!isOwn) return next(specifier, context);
    return { url: new URL(specifier, parentURL).href, format: 'module', shortCircuit: true };
  },
});
