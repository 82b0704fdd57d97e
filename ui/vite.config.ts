import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

/** Writes file.gz and file.br beside what compresses, once at build time: the engine only picks one. */
function precompress(): Plugin {
  let outDir = '';
  return {
    name: 'trefoil:precompress',
    apply: 'build',
    configResolved(config) {
      outDir = config.build.outDir.startsWith('/')
        ? config.build.outDir
        : join(config.root, config.build.outDir);
    },
    async closeBundle() {
      for (const name of await readdir(outDir, { recursive: true })) {
        if (!/\.(js|css|html|svg|json)$/.test(name)) continue;
        const path = join(outDir, name);
        const content = await readFile(path);
        if (content.length < 1024) continue;
        await writeFile(`${path}.gz`, gzipSync(content, { level: 9 }));
        await writeFile(
          `${path}.br`,
          brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
        );
      }
    },
  };
}

const engine = process.env['TREFOIL_ENGINE'] ?? 'http://127.0.0.1:7480';

export default defineConfig({
  root: import.meta.dirname,
  cacheDir: join(import.meta.dirname, '../.cache/vite'),
  plugins: [svelte({ configFile: false }), precompress()],
  server: {
    proxy: {
      '/api': { target: engine, changeOrigin: false, secure: false, ws: true },
    },
  },
  build: {
    outDir: '../dist/ui',
    emptyOutDir: true,
    target: ['chrome123', 'firefox121', 'safari17.5'],
    modulePreload: { polyfill: false },
    rolldownOptions: { checks: { pluginTimings: false } },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
  },
});
