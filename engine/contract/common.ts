import { z } from 'zod';

export const jobIdSchema = z.uuid().brand<'JobId'>();
export const userIdSchema = z.uuid().brand<'UserId'>();
export const timestampSchema = z.iso.datetime();

/** Lists come in pages: `next` is given back as `?after=`; absent on the last page. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: z.string().optional(), total: z.number().int() });
export const pageQuerySchema = z.object({
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
  /** free text over names */
  search: z.string().max(200).optional(),
});

/** Something that changes is answered with the job that does it. */
export const acceptedSchema = z.object({ jobId: jobIdSchema });

export type JobId = z.infer<typeof jobIdSchema>;
export type UserId = z.infer<typeof userIdSchema>;
