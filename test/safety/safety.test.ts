import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { projectFiles } from '../runner/files.ts';
import { suite } from '../support/suite.ts';
import { contentProblems, importProblems, importsOf, placeProblems, testFileProblems } from './rules.ts';

const test = suite('the repository', { deadlineMs: 60_000 });
const paths = projectFiles();
const isText = (path: string) => !/\.(png|jpg|ico|woff2|bin|zst|gz|br)$/.test(path);
const read = (path: string) => ({ path, text: readFileSync(path, 'utf8') });
const none = (problems: string[]) => assert.is(problems.join('\n'), '');

test('imports only point the allowed way', () => {
  none(paths.filter((path) => /\.(ts|svelte)$/.test(path)).flatMap((path) => importProblems(read(path))));
});

test('runs every test file, and all of each', () => {
  none(paths.filter((path) => path.endsWith('.test.ts')).flatMap((path) => testFileProblems(read(path))));
});

test('names no machine path, no package registry and no secret', () => {
  none(paths.filter(isText).flatMap((path) => contentProblems(read(path))));
});

test('has everything in its place, and a README in each room and golden folder', () => {
  none(placeProblems(paths));
});

test('finds imports in all their forms', () => {
  assert.equal(
    importsOf(
      `import a from './a.ts';\nimport './b.ts';\nexport { c } from './c.ts';\nconst d = await import('./d.ts');`,
    ),
    ['./a.ts', './b.ts', './c.ts', './d.ts'],
  );
});

test('refuses an engine that reaches into the agent, and a contract that imports a library', () => {
  assert.is(importProblems({ path: 'engine/x.ts', text: `import { a } from '../node/vms/a.ts';` }).length, 1);
  assert.is(importProblems({ path: 'node/contract/x.ts', text: `import { execa } from 'execa';` }).length, 1);
  assert.is(
    importProblems({ path: 'node/x.ts', text: `import { a } from '../test/support/suite.ts';` }).length,
    1,
  );
  assert.is(
    importProblems({ path: 'engine/x.ts', text: `import { a } from '../node/contract/ids.ts';` }).length,
    0,
  );
});

test('notices a test file that would be skipped in silence', () => {
  assert.is(testFileProblems({ path: 'a.test.ts', text: 'test("x", () => {});' }).length, 1);
  assert.is(testFileProblems({ path: 'a.test.ts', text: 'test("x", () => {});\ntest.run();\n' }).length, 0);
});

test.run();
