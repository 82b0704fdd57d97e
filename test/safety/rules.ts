/** The architecture's rules as pure checks over (path, text); each returns sentences about what is wrong. */
import { dirname, join, normalize } from 'node:path/posix';

export type SourceFile = { path: string; text: string };

/** What each room may import of the others; its own files always. Contracts may only meet contracts and zod. */
const mayImport: Record<string, readonly string[]> = {
  ui: ['engine/contract'],
  engine: ['engine', 'node/contract'],
  installer: ['installer', 'engine/contract', 'node/contract'],
  // The engine's image is made with the same kit as the others: image/ imports nothing, so no circle can close.
  appliance: ['appliance', 'image', 'engine/contract', 'node/contract', 'installer/contract'],
  node: ['node'],
  image: ['image'],
  test: ['test', 'engine', 'node', 'installer', 'appliance', 'image', 'ui'],
};
const contracts = ['engine/contract', 'node/contract', 'installer/contract'];
const inside = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);
const isTest = (path: string) => path.endsWith('.test.ts');

export function importsOf(text: string): string[] {
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? '').filter((name) => name !== '');
}

export function importProblems({ path, text }: SourceFile): string[] {
  const room = path.split('/')[0] ?? '';
  const allowed = mayImport[room];
  if (allowed === undefined) return [`${path}: no rule says what the room "${room}" may import`];
  const ownContract = contracts.find((contract) => inside(path, contract));
  const problems: string[] = [];
  for (const name of importsOf(text)) {
    if (!name.startsWith('.')) {
      if (ownContract !== undefined && !isTest(path) && name !== 'zod')
        problems.push(`${path} imports ${name}: contracts import only zod`);
      continue;
    }
    const target = normalize(join(dirname(path), name));
    if (inside(target, 'test') && room !== 'test' && !isTest(path)) {
      problems.push(`${path} imports ${target}: only tests may import from test/`);
      continue;
    }
    if (isTest(path)) continue;
    if (ownContract !== undefined) {
      if (!contracts.some((contract) => inside(target, contract)))
        problems.push(`${path} imports ${target}: contracts import only contracts`);
    } else if (!inside(target, room) && !allowed.some((folder) => inside(target, folder)))
      problems.push(`${path} imports ${target}: ${room}/ may import only ${allowed.join(', ')}`);
  }
  return problems;
}

/** uvu skips a file without run() in silence, and `.only` skips the rest of a file. */
export function testFileProblems({ path, text }: SourceFile): string[] {
  const problems: string[] = [];
  if (!/^\s*\w+\.run\(\);?\s*$/m.test(text))
    problems.push(`${path} never calls run(): none of its tests would run`);
  if (/\.only\(/.test(text)) problems.push(`${path} singles out a test with .only`);
  if (/\.skip\((?!.*\/\/ reason:)/.test(text))
    problems.push(`${path} skips a test without "// reason:" beside it`);
  return problems;
}

const registryHosts = [
  'registry.npmjs',
  'npmjs' + '.org',
  'deb.debian',
  'ftp.debian',
  'security.debian',
  'debian' + '.org',
  'nodesource',
];
const machinePath = /(?:^|[\s'"`=(:])\/(?:work|root|home\/\w+)\//m;
const secrets = [
  /-----BEGIN (?:EC |RSA |OPENSSH )?PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{60,}/,
  /\bgh[pousr]_[A-Za-z0-9]{30,}\b/,
  /\bAKIA[0-9A-Z]{16}\b/,
  /\bnpm_[A-Za-z0-9]{30,}\b/,
];

/** Nothing in the repository may depend on the machine it was written on, or give a secret away. */
export function contentProblems({ path, text }: SourceFile): string[] {
  if (path === 'LICENSE' || path.startsWith('test/safety/')) return [];
  const problems: string[] = [];
  for (const host of registryHosts)
    if (text.includes(host)) problems.push(`${path} names a package registry (${host})`);
  if (machinePath.test(text))
    problems.push(`${path} holds a path of one machine: ${machinePath.exec(text)?.[0].trim()}`);
  for (const secret of secrets)
    if (secret.test(text)) problems.push(`${path} holds what looks like a secret`);
  return problems;
}

const topLevel =
  /^(?:package\.json|package-lock\.json|tsconfig\.json|README\.md|LICENSE|\..*|(?:appliance|engine|node|ui|installer|image|test)\/.*)$/;

export function placeProblems(paths: readonly string[]): string[] {
  const all = new Set(paths);
  const problems = paths
    .filter((path) => !topLevel.test(path))
    .map((path) => `${path} does not belong at the top level`);
  const goldenFolders = new Set(
    paths
      .filter((path) => path.includes('/golden/'))
      .map((path) => path.slice(0, path.indexOf('/golden/') + '/golden'.length)),
  );
  for (const folder of goldenFolders)
    if (!all.has(`${folder}/README.md`)) problems.push(`${folder} has no README.md`);
  for (const room of ['appliance', 'engine', 'node', 'ui', 'installer', 'image', 'test'])
    if (!all.has(`${room}/README.md`)) problems.push(`${room}/ has no README.md`);
  return problems;
}
