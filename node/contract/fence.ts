import { z } from 'zod';
import { generationSchema, hostIdSchema } from './ids.ts';

/**
 * Fence devices: what can cut a host's power and say so (node/fence/README.md). Records in etcd, one JSON value a key;
 * `v` is the record's version: who finds a newer one waits for its own update instead of guessing.
 */
const version = z.literal(1).default(1);

export const fenceDeviceIdSchema = z
  .uuid()
  .transform((value) => value.toLowerCase())
  .brand<'FenceDeviceId'>();

/** also the file's name in /usr/sbin, so nothing else may get through here */
export const fenceAgentNameSchema = z
  .string()
  .max(64)
  .regex(/^fence_[a-z0-9_]+$/, 'a fence agent is called fence_ and small letters, digits or _');

export const fenceOptionNameSchema = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9_-]*$/, 'an option has small letters, digits, - and _');

/** An agent reads one option a line: a line break in a value would be another option. */
const controlCharacters = /\p{Cc}/u;
const optionValueSchema = z
  .string()
  .max(1024)
  .refine((value) => !controlCharacters.test(value), 'a value has no line breaks or control characters');

export const fenceOptionsSchema = z.record(fenceOptionNameSchema, optionValueSchema);

/** All secret options of a device for one host: only the private key of that host opens it. Base64. */
export const sealedCopySchema = z.object({
  /** SHA-256 of the host's public key, hex: a host that was reinstalled has another one */
  key: z.string().regex(/^[0-9a-f]{64}$/),
  ephemeral: z.base64(),
  nonce: z.base64(),
  sealed: z.base64(),
});

export const sealedSecretsSchema = z.object({
  /** which options are in there, for forms */
  names: z.array(fenceOptionNameSchema),
  /** by host id */
  copies: z.record(z.string(), sealedCopySchema),
});

export const fenceDeviceSchema = z.object({
  v: version,
  id: fenceDeviceIdSchema,
  /** the host that it powers */
  host: hostIdSchema,
  agent: fenceAgentNameSchema,
  options: fenceOptionsSchema,
  secrets: sealedSecretsSchema,
  /**
   * Devices of the same order are used together and all must say off (two power supplies); lower first, the next order
   * only when the former failed.
   */
  order: z.number().int().min(0).max(9),
  generation: generationSchema,
});

/** Written by the host that asked last; `at` is its own clock, for people, and nothing is decided by it. */
export const fenceHealthSchema = z.object({
  v: version,
  device: fenceDeviceIdSchema,
  /** of the device's record that was tried */
  generation: generationSchema,
  by: hostIdSchema,
  at: z.iso.datetime(),
  /** what it answered; `failed`: no answer that counts */
  state: z.enum(['on', 'off', 'failed']),
  says: z.string(),
  /** when it began to answer, or to fail; by the clock of whoever saw that, for people */
  since: z.iso.datetime().optional(),
});

export const fenceKeys = {
  device: (id: string) => `/trefoil/v1/ha/fence-devices/${id}`,
  devices: '/trefoil/v1/ha/fence-devices/',
  health: (id: string) => `/trefoil/v1/ha/fence-health/${id}`,
  healths: '/trefoil/v1/ha/fence-health/',
} as const;

/** One field of the form for a device, as the agent itself describes it. */
export const fenceParameterSchema = z.object({
  name: fenceOptionNameSchema,
  type: z.enum(['string', 'boolean', 'integer', 'select', 'secret']),
  /** of a select */
  options: z.array(z.string()).optional(),
  required: z.boolean(),
  /** booleans: '0' or '1' */
  default: z.string().optional(),
  shortdesc: z.string(),
  unit: z.enum(['s']).optional(),
  /** times and the like, that hardly anybody changes */
  advanced: z.boolean(),
});

export const fenceAgentSchema = z.object({
  name: fenceAgentNameSchema,
  shortdesc: z.string(),
  longdesc: z.string(),
  parameters: z.array(fenceParameterSchema),
});

/** What is kept of a device, sent along so that a secret need not be typed again. */
const storedSchema = z.object({ id: fenceDeviceIdSchema, secrets: sealedSecretsSchema });

/** POST: asks a device for its status; nothing is kept. What is given in plain goes before what is stored. */
export const fenceTestSchema = z.object({
  agent: fenceAgentNameSchema,
  options: fenceOptionsSchema,
  secrets: fenceOptionsSchema.default({}),
  stored: storedSchema.optional(),
});

export const fenceTestedSchema = z.object({
  state: z.enum(['on', 'off']),
  /** e.g. "status now says: on" */
  says: z.string(),
  tookMs: z.number().int(),
});

/** GET: whom secrets are sealed for; PEM, signed by the cluster's authority */
export const fenceRecipientSchema = z.object({ certificate: z.string().max(16_384) });

/**
 * POST: seals secrets for hosts, by their certificates; what is given in plain goes before what is stored, and an empty
 * text takes a stored one away.
 */
export const fenceSealSchema = z.object({
  id: fenceDeviceIdSchema,
  secrets: fenceOptionsSchema.default({}),
  stored: sealedSecretsSchema.optional(),
  /** refused when these, with the secrets, are not what the agent asks for */
  check: z.object({ agent: fenceAgentNameSchema, options: fenceOptionsSchema }).optional(),
  /** PEM, each signed by this cluster's authority for a host */
  certificates: z.array(z.string().max(16_384)).min(1).max(64),
});

export type FenceDeviceId = z.infer<typeof fenceDeviceIdSchema>;
export type FenceDevice = z.infer<typeof fenceDeviceSchema>;
export type FenceHealth = z.infer<typeof fenceHealthSchema>;
export type FenceParameter = z.infer<typeof fenceParameterSchema>;
export type FenceAgent = z.infer<typeof fenceAgentSchema>;
export type FenceOptions = z.infer<typeof fenceOptionsSchema>;
export type SealedCopy = z.infer<typeof sealedCopySchema>;
export type SealedSecrets = z.infer<typeof sealedSecretsSchema>;
export type FenceTest = z.infer<typeof fenceTestSchema>;
export type FenceTested = z.infer<typeof fenceTestedSchema>;
export type FenceSeal = z.infer<typeof fenceSealSchema>;
