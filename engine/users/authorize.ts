import { AppError } from '../../node/contract/error.ts';
import { type Permission, permissionSchema } from '../contract/permissions.ts';

/**
 * The one gate. Every route that is not public passes it, with the permission that its row in the table of routes names
 * and the thing that it is about. What is not granted is denied. Roles come later; today there is one, and it is granted
 * everything by name, so that a permission added tomorrow is denied until somebody grants it.
 */
export type Role = 'administrator';
export type Caller = { name: string; role: Role };
export type Subject = { kind: 'vm' | 'host' | 'image' | 'job'; id: string } | undefined;

const grants: Record<Role, ReadonlySet<Permission>> = {
  administrator: new Set(permissionSchema.options),
};

export function authorize(caller: Caller, permission: Permission, subject: Subject): void {
  if (grants[caller.role].has(permission)) return;
  throw new AppError({
    code: 'user.not-allowed',
    family: 'denied',
    message: `${caller.name} may not do this.`,
    remedy: 'Ask an administrator for the permission.',
    details: { permission, ...(subject === undefined ? {} : { subject }) },
  });
}
