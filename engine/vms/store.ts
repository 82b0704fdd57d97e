import { eq } from 'drizzle-orm';
import { AppError } from '../../node/contract/error.ts';
import type { VmId } from '../../node/contract/ids.ts';
import { type Db, databaseError, isUniqueViolation } from '../db/database.ts';
import { vms } from '../db/schema.ts';
import { type VmRecord, vmRecordSchema } from './model.ts';

export const nameTaken = (name: string): AppError =>
  new AppError({
    code: 'vm.name-taken',
    family: 'conflict',
    message: `There is already a VM called ${name}.`,
    remedy: 'Give it another name.',
  });

const orNameTaken = (thrown: unknown, name: string, doing: string): AppError =>
  isUniqueViolation(thrown) ? nameTaken(name) : databaseError(thrown, doing);

export const loadVms = async (db: Db): Promise<VmRecord[]> =>
  (await db.select().from(vms)).map((row) => vmRecordSchema.parse(row));

export async function insertVm(db: Db, record: VmRecord): Promise<void> {
  await db
    .insert(vms)
    .values(record)
    .catch((thrown: unknown) => {
      throw orNameTaken(thrown, record.name, `recording the VM ${record.name}`);
    });
}

export async function updateVm(db: Db, record: VmRecord): Promise<void> {
  const { id, createdAt: _createdAt, ...changing } = record;
  await db
    .update(vms)
    .set(changing)
    .where(eq(vms.id, id))
    .catch((thrown: unknown) => {
      throw orNameTaken(thrown, record.name, `recording the VM ${record.name}`);
    });
}

export async function deleteVm(db: Db, id: VmId): Promise<void> {
  await db
    .delete(vms)
    .where(eq(vms.id, id))
    .catch((thrown: unknown) => {
      throw databaseError(thrown, 'forgetting a VM');
    });
}
