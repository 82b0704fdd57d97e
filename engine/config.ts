import { readFile } from 'node:fs/promises';
import { AppError } from '../node/contract/error.ts';
import {
  type EngineConfig,
  engineConfigDefaultPath,
  engineConfigSchema,
  engineConfigVariable,
} from './contract/config.ts';

const unusable = (path: string, why: string, cause?: unknown): AppError =>
  new AppError({
    code: 'config.unusable',
    family: 'invalid',
    message: `The engine’s configuration ${path} cannot be used: ${why}.`,
    cause,
  });

export async function loadConfig(env: Readonly<Record<string, string | undefined>>): Promise<EngineConfig> {
  const path = env[engineConfigVariable] ?? engineConfigDefaultPath;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw unusable(path, 'it cannot be read', cause);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw unusable(path, 'it is not JSON', cause);
  }
  const parsed = engineConfigSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw unusable(path, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`, parsed.error);
}
