import { z } from 'zod';
import { errorBodySchema } from '../../node/contract/error.ts';
import { nameSchema } from '../../node/contract/ids.ts';
import { planSchema } from '../plan/model.ts';

/**
 *   (no file) -> forming -> formed
 *                forming -> undoing -> (no file)
 * Written by the installer alone, under its lock, after each step.
 */
export const journalSchema = z.object({
  format: z.literal(1),
  state: z.enum(['forming', 'undoing', 'formed']),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().optional(),
  /** SHA-256 of the answers without password and pairing codes: whether somebody comes back with others */
  answersDigest: z.string(),
  plan: planSchema,
  /** PEM; there once it was made */
  authority: z.string().optional(),
  /** where each host's bricks are: host -> brick -> path */
  bricks: z.record(nameSchema, z.record(nameSchema, z.string())),
  /** the step that was begun last */
  begun: z.string().optional(),
  done: z.array(z.object({ step: z.string(), seconds: z.number(), at: z.iso.datetime() })),
  undone: z.array(z.string()),
  failure: errorBodySchema.shape.error.extend({ step: z.string(), at: z.iso.datetime() }).optional(),
});

const pemPair = z.object({ certificate: z.string(), key: z.string() });

/** What nobody else may read; each part is removed as soon as it is not needed here any more. */
export const secretsSchema = z.object({
  format: z.literal(1),
  pairingCodes: z.record(nameSchema, z.string()),
  /** the authority's key, until it is in the cluster store */
  authorityKey: z.string().optional(),
  installer: pemPair.optional(),
  /** until it is on the seed disk */
  engine: pemPair.optional(),
});

export type Journal = z.infer<typeof journalSchema>;
export type Secrets = z.infer<typeof secretsSchema>;
