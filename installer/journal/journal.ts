import { AppError } from '../../node/contract/error.ts';
import { readIfThere, removeDurably, writeDurably } from './file.ts';
import { type Journal, journalSchema, type Secrets, secretsSchema } from './model.ts';

/** The formation's memory. What `change` and `changeSecrets` return from is on the disk. */
export type OpenJournal = {
  journal(): Journal;
  secrets(): Secrets;
  change(change: Partial<Journal>): Promise<void>;
  changeSecrets(change: (secrets: Secrets) => void): Promise<void>;
};

const journalPath = (directory: string): string => `${directory}/journal.json`;
const secretsPath = (directory: string): string => `${directory}/secrets.json`;

export async function readJournal(directory: string): Promise<Journal | undefined> {
  const text = await readIfThere(journalPath(directory));
  return text === undefined ? undefined : parse(journalSchema, text, journalPath(directory));
}

/** Goes on with the one that is there, or undefined. */
export async function openJournal(directory: string): Promise<OpenJournal | undefined> {
  const journal = await readJournal(directory);
  if (journal === undefined) return undefined;
  const text = await readIfThere(secretsPath(directory));
  const secrets: Secrets =
    text === undefined ? { format: 1, pairingCodes: {} } : parse(secretsSchema, text, secretsPath(directory));
  return handle(directory, journal, secrets);
}

/** Begins one. Secrets first: a journal without them could not go on. */
export async function createJournal(
  directory: string,
  journal: Journal,
  secrets: Secrets,
): Promise<OpenJournal> {
  const opened = handle(directory, journal, secrets);
  await opened.changeSecrets(() => {});
  await opened.change({});
  return opened;
}

export const removeJournal = (directory: string): Promise<void> => removeDurably(directory);
export const removeSecrets = (directory: string): Promise<void> => removeDurably(secretsPath(directory));

function handle(directory: string, startJournal: Journal, startSecrets: Secrets): OpenJournal {
  let journal = startJournal;
  let secrets = startSecrets;
  return {
    journal: () => journal,
    secrets: () => secrets,
    change: async (change) => {
      const next = { ...journal, ...change };
      await writeDurably(journalPath(directory), `${JSON.stringify(next, undefined, 1)}\n`);
      journal = next;
    },
    changeSecrets: async (change) => {
      const next = structuredClone(secrets);
      change(next);
      await writeDurably(secretsPath(directory), `${JSON.stringify(next)}\n`);
      secrets = next;
    },
  };
}

function parse<T>(schema: { parse(value: unknown): T }, text: string, path: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError({
      code: 'journal.unreadable',
      family: 'bug',
      message: `The record of the formation in ${path} cannot be read.`,
      remedy: 'It was written by another version, or damaged. Keep a copy and report it.',
      cause,
    });
  }
}
