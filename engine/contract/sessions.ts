import { z } from 'zod';
import { timestampSchema, userIdSchema } from './common.ts';

/** POST /api/v1/sessions. Strings only: a login that accepts objects was how peers of ours were broken into. */
export const loginSchema = z.strictObject({
  name: z.string().min(1).max(63),
  password: z.string().min(1).max(1024),
  /** true: also set the browser's cookie (HttpOnly, SameSite=Strict); false: only give the token */
  cookie: z.boolean().default(false),
});
export const sessionSchema = z
  .object({
    /** only in the answer to a login without cookie */
    token: z.string().optional(),
    /** to be sent back as X-Trefoil-CSRF with every change when the cookie is used */
    csrfToken: z.string(),
    user: z.object({ id: userIdSchema, name: z.string() }),
    expiresAt: timestampSchema,
  })
  .meta({ id: 'Session' });
export const passwordChangeSchema = z.strictObject({
  current: z.string().min(1).max(1024),
  next: z.string().min(8, 'at least eight characters').max(1024),
});
export type PasswordChange = z.infer<typeof passwordChangeSchema>;
export type Login = z.infer<typeof loginSchema>;
export type Session = z.infer<typeof sessionSchema>;
