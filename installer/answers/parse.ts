import type { z } from 'zod';
import { type Answers, answersSchema, hostAnswerSchema } from '../contract/answers.ts';
import { error, type Problem } from '../contract/problems.ts';
import { checkSections, type Sections } from './check.ts';

export type Parsed = { answers: Answers | undefined; problems: Problem[] };

/**
 * Reads an answer file. All problems come at once: what a section's schema refuses, and what the sections that are
 * sound say against each other, so that nobody mends one mistake a run.
 */
export function parseAnswers(text: string): Parsed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return { answers: undefined, problems: [notJson(text, cause)] };
  }
  const parsed = answersSchema.safeParse(value);
  const problems = [
    ...(parsed.error?.issues ?? []).flatMap(problemsOfIssue),
    ...checkSections(soundSections(value)),
  ];
  return { answers: parsed.data, problems };
}

function notJson(text: string, cause: unknown): Problem {
  const position = /position (\d+)/.exec(String(cause))?.[1];
  const before = text.slice(0, Number(position ?? text.length)).split('\n');
  const where = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
  return error(
    '',
    'answers.not-json',
    `The answer file is not JSON: it cannot be read from ${where} on.`,
    'Look for a missing comma, quote or bracket there; "trefoil-installer example" prints a file that is right.',
  );
}

const pathText = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  );

type Issue = z.core.$ZodIssue;

function problemsOfIssue(issue: Issue): Problem[] {
  const path = pathText(issue.path);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) =>
      error(
        path === '' ? key : `${path}.${key}`,
        'answers.unknown-key',
        `There is no answer called "${key}" here.`,
        'Remove it, or see how it is spelt in what "trefoil-installer example" prints.',
      ),
    );
  if (issue.code === 'invalid_type' && issue.input === undefined)
    return [error(path, 'answers.missing', 'This answer is missing.', 'Add it; it has no default.')];
  return [
    error(
      path,
      'answers.invalid',
      `This answer cannot be used: ${lowerFirst(issue.message)}.`,
      'Correct it; "trefoil-installer example" shows what belongs here.',
    ),
  ];
}

const lowerFirst = (text: string): string =>
  `${text.slice(0, 1).toLowerCase()}${text.slice(1)}`.replace(/\.$/, '');

/** Each section by itself, as far as its own schema accepts it. */
function soundSections(value: unknown): Sections {
  if (typeof value !== 'object' || value === null) return {};
  const given = value as Record<string, unknown>;
  const { cluster, admin, networks, engine } = answersSchema.shape;
  const hosts = Array.isArray(given['hosts'])
    ? given['hosts'].map((host) => hostAnswerSchema.safeParse(host).data)
    : undefined;
  const section = <T extends z.ZodType>(key: string, schema: T): z.output<T> | undefined =>
    schema.safeParse(given[key]).data;
  return {
    cluster: section('cluster', cluster),
    admin: section('admin', admin),
    networks: section('networks', networks),
    engine: section('engine', engine),
    hosts,
  };
}
