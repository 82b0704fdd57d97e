/**
 * `npm run build`: each program as one file, and the UI, in `dist/`. What has not changed is not built again: beside
 * each output stands the hash of what it was made from (`dist/.built/<name>`).
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashOf } from './cache.ts';
import { tool } from './tool.ts';

const root = join(import.meta.dirname, '..');
export const dist = join(root, 'dist');

export type Target = {
  name: string;
  /** the target is skipped while this file does not exist */
  entry: string;
  /** folders whose content it is made of */
  sources: readonly string[];
  kind: 'program' | 'ui';
};

export const targets: readonly Target[] = [
  { name: 'trefoil-node.mjs', entry: 'node/main.ts', sources: ['node'], kind: 'program' },
  { name: 'trefoil-ha.mjs', entry: 'node/ha/main.ts', sources: ['node'], kind: 'program' },
  {
    name: 'trefoil-installer.mjs',
    entry: 'installer/main.ts',
    sources: ['installer', 'node/contract', 'engine/contract'],
    kind: 'program',
  },
  {
    name: 'trefoil-engine.mjs',
    entry: 'engine/main.ts',
    sources: ['engine', 'node/contract'],
    kind: 'program',
  },
  {
    name: 'trefoil-appliance.mjs',
    entry: 'appliance/firstboot/main.ts',
    sources: ['appliance/firstboot', 'engine/contract', 'node/contract'],
    kind: 'program',
  },
  { name: 'trefoil.mjs', entry: 'engine/cli/main.ts', sources: ['engine', 'node/contract'], kind: 'program' },
  { name: 'ui', entry: 'ui/vite.config.ts', sources: ['ui', 'engine/contract', 'node/contract'], kind: 'ui' },
];

/** Tests are no part of a program; a dependency's version is. */
const isSource = (path: string): boolean => !/\.test\.ts$|\/(golden|node_modules)(\/|$)/.test(path);

async function hashOfTarget(target: Target): Promise<string> {
  const sources = [...target.sources, 'package-lock.json', 'package.json', 'image/bundle.ts'];
  return hashOf(
    sources.map((path) => join(root, path)).filter((path) => existsSync(path)),
    [target.name],
    { keep: isSource },
  );
}

async function bundleProgram(target: Target, into: string): Promise<void> {
  const { rolldown } = await import('rolldown');
  const bundle = await rolldown({
    input: join(root, target.entry),
    platform: 'node',
    cwd: root,
    tsconfig: false,
    // dbus-next tries an optional native socket for passing file descriptors, and does without
    external: ['usocket', 'x11'],
    logLevel: 'warn',
  });
  try {
    await bundle.write({
      file: into,
      format: 'esm',
      codeSplitting: false,
      sourcemap: true,
      minify: 'dce-only',
      // the others would be kept in memory with the code
      comments: { legal: true, annotation: false, jsdoc: false },
    });
    await writeFile(into, asAscii(await readFile(into, 'utf8')));
  } finally {
    await bundle.close();
  }
}

/** One letter that is not ASCII makes V8 keep the whole program in two bytes a letter. The escapes mean the same. */
const asAscii = (code: string): string =>
  code.replaceAll(/\P{ASCII}/gu, (letter) =>
    letter
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );

async function buildUi(into: string): Promise<void> {
  const vite = join(root, 'node_modules/vite/bin/vite.js');
  await tool(
    [
      process.execPath,
      vite,
      'build',
      join(root, 'ui'),
      '--outDir',
      into,
      '--emptyOutDir',
      '--logLevel',
      'warn',
    ],
    {
      cwd: root,
      timeoutMs: 5 * 60_000,
    },
  );
}

async function make(target: Target, into: string): Promise<void> {
  if (target.kind === 'program') await bundleProgram(target, into);
  else await buildUi(into);
}

/** Built beside its place and moved there, so that a running lab or a second build never meets half a file. */
async function build(target: Target, hash: string): Promise<void> {
  const part = join(dist, `.part-${process.pid}`, target.name);
  await mkdir(join(part, '..'), { recursive: true });
  await make(target, part);
  const final = join(dist, target.name);
  await rm(final, { recursive: true, force: true });
  await rename(part, final);
  if (existsSync(`${part}.map`)) await rename(`${part}.map`, `${final}.map`);
  await mkdir(join(dist, '.built'), { recursive: true });
  await writeFile(join(dist, '.built', target.name), hash);
}

export type Built = {
  name: string;
  state: 'built' | 'unchanged' | 'absent' | 'failed';
  seconds: number;
  why?: string;
};

async function bundleOne(target: Target): Promise<Pick<Built, 'state' | 'why'>> {
  if (!existsSync(join(root, target.entry))) {
    await rm(join(dist, target.name), { recursive: true, force: true });
    return { state: 'absent' };
  }
  const hash = await hashOfTarget(target);
  const before = await readFile(join(dist, '.built', target.name), 'utf8').catch(() => '');
  if (before === hash && existsSync(join(dist, target.name))) return { state: 'unchanged' };
  try {
    await build(target, hash);
    return { state: 'built' };
  } catch (error) {
    return { state: 'failed', why: error instanceof Error ? error.message : String(error) };
  }
}

/** One that fails keeps none of the others from being built; the caller decides what a failure means. */
export async function bundleAll(filter: readonly string[] = []): Promise<Built[]> {
  const results: Built[] = [];
  await mkdir(dist, { recursive: true });
  try {
    for (const target of targets) {
      if (filter.length > 0 && !filter.some((text) => target.name.includes(text))) continue;
      const started = performance.now();
      const result = await bundleOne(target);
      results.push({ name: target.name, ...result, seconds: (performance.now() - started) / 1000 });
    }
  } finally {
    await rm(join(dist, `.part-${process.pid}`), { recursive: true, force: true });
  }
  await writeVersion();
  return results;
}

/** Hosts compare it before they form a cluster; it changes with a release, not with a build. */
async function writeVersion(): Promise<void> {
  const text = await readFile(join(root, 'package.json'), 'utf8');
  const version: unknown = JSON.parse(text).version;
  if (typeof version !== 'string') throw new Error('package.json has no version');
  await writeFile(join(dist, 'version'), `${version}\n`);
}

if (import.meta.main) {
  const results = await bundleAll(process.argv.slice(2));
  for (const { name, state, seconds, why } of results)
    process.stdout.write(
      `${name}: ${state} in ${seconds.toFixed(2)} s${why === undefined ? '' : `\n${why}`}\n`,
    );
  if (results.some((one) => one.state === 'failed')) process.exitCode = 1;
}
