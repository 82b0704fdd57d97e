import type { z } from 'zod';
import type {
  adminAnswerSchema,
  answersSchema,
  clusterNameSchema,
  EngineAnswer,
  HostAnswer,
} from '../contract/answers.ts';
import { error, type Problem } from '../contract/problems.ts';
import { checkAddresses } from './check-addresses.ts';
import { checkHosts } from './check-hosts.ts';
import { passwordProblem } from './password.ts';

/** The answers as far as they are sound by themselves; what is missing or wrong is left out. */
export type Sections = {
  cluster?: { name: z.output<typeof clusterNameSchema> } | undefined;
  admin?: z.output<typeof adminAnswerSchema> | undefined;
  networks?: z.output<(typeof answersSchema)['shape']['networks']> | undefined;
  engine?: EngineAnswer | undefined;
  hosts?: (HostAnswer | undefined)[] | undefined;
};

/** What the answers say against each other. Pure; needs no host. */
export function checkSections(sections: Sections): Problem[] {
  return [...checkAdmin(sections), ...checkHosts(sections.hosts ?? []), ...checkAddresses(sections)];
}

function checkAdmin({ admin, cluster }: Sections): Problem[] {
  if (admin === undefined) return [];
  if (admin.password !== undefined && admin.passwordHash !== undefined)
    return [
      error(
        'admin.passwordHash',
        'admin.two-passwords',
        'Both a password and the hash of one are given.',
        'Give only one of the two.',
      ),
    ];
  if (admin.passwordHash !== undefined) return [];
  if (admin.password === undefined)
    return [
      error(
        'admin.password',
        'admin.no-password',
        'The admin has no password.',
        'Give "password", or "passwordHash" as "trefoil-installer hash" prints it.',
      ),
    ];
  const reason = passwordProblem(admin.password, [admin.name, cluster?.name ?? '']);
  return reason === undefined
    ? []
    : [
        error(
          'admin.password',
          'admin.weak-password',
          reason,
          'Take a sentence of four or more words, or twelve random characters.',
        ),
      ];
}
