/** WCAG 2.2 AA as far as a machine can tell, in words that lead to the element. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
type Violation = { id: string; help: string; nodes: { target: unknown[]; failureSummary?: string }[] };

export async function accessibilityProblems(
  page: Page,
  about: 'everything' | 'contrast' = 'everything',
): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(source);
  const violations = await page.evaluate(async (which) => {
    // axe was put into the page by the line above.
    const { axe } = globalThis as unknown as {
      axe: { run: (where: Document | Element[], options: object) => Promise<{ violations: unknown[] }> };
    };
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const runOnly = which === 'contrast' ? ['color-contrast', 'link-in-text-block'] : tags;
    // Menus float outside of all landmarks, on purpose: they belong to their button.
    const rules = which === 'contrast' ? {} : { region: { enabled: false } };
    // What lies behind a dialog or menu is looked at without it.
    const floating = [...document.querySelectorAll('[role=dialog], [role=menu], [role=listbox]')];
    return (await axe.run(floating.length > 0 ? floating : document, { runOnly, rules })).violations;
  }, about);
  return (violations as Violation[]).flatMap((violation) =>
    violation.nodes.map(
      (node) =>
        `${violation.id} (${violation.help}): ${node.target.join(' ')} ${node.failureSummary?.replaceAll('\n', ' ') ?? ''}`,
    ),
  );
}
