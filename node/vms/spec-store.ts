import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import { AppError } from '../contract/error.ts';
import { generationSchema, hostIdSchema, type VmId, vmIdSchema } from '../contract/ids.ts';
import { vmPowerSchema, vmSpecSchema } from '../contract/vms.ts';
import { readIfThere, removeFileDurably, writeFileAtomic } from '../files/atomic.ts';

/** What this host was told of a VM, and what it last saw of it. */
export const vmRecordSchema = z.object({
  generation: generationSchema,
  power: vmPowerSchema,
  spec: vmSpecSchema,
  /** of the running domain, and of the last one after that */
  accelerator: z.enum(['kvm', 'tcg']).optional(),
  startedAt: z.iso.datetime().optional(),
  last: z.discriminatedUnion('state', [
    /** a domain was there, or about to be; in which boot of this host */
    z.object({ state: z.literal('alive'), bootId: z.string() }),
    z.object({ state: z.literal('off'), reason: z.string() }),
    z.object({ state: z.literal('crashed'), reason: z.string() }),
  ]),
  /** it was announced by that host and has not arrived yet: without a domain this record is nothing */
  expectedFrom: z.string().optional(),
  /** it is being moved to that host, or nobody knows yet how that ended; gone when it is settled */
  movingTo: z.object({ hostId: hostIdSchema, address: z.string(), name: z.string() }).optional(),
});
export type VmRecord = z.infer<typeof vmRecordSchema>;

/** One JSON file a VM, whole or not at all. Written by the agent alone. */
export type SpecStore = {
  load(): Promise<{ records: VmRecord[]; damaged: { file: string; error: AppError }[] }>;
  save(record: VmRecord): Promise<void>;
  remove(id: VmId): Promise<void>;
};

export function makeSpecStore(directory: string): SpecStore {
  const fileOf = (id: string) => `${directory}/${id}.json`;
  const read = async (file: string): Promise<VmRecord> => {
    const path = `${directory}/${file}`;
    try {
      const record = vmRecordSchema.parse(JSON.parse((await readIfThere(path)) ?? ''));
      if (`${record.spec.id}.json` !== file) throw new Error(`it is of the VM ${record.spec.id}`);
      return record;
    } catch (cause) {
      throw new AppError({
        code: 'vm.damaged-record',
        family: 'bug',
        message: `What this host was told about a VM cannot be read any more: ${path}.`,
        remedy: 'Remove that file; the engine tells the host again when the VM is started.',
        retry: 'never',
        cause,
      });
    }
  };
  return {
    load: async () => {
      const records: VmRecord[] = [];
      const damaged: { file: string; error: AppError }[] = [];
      for (const file of (await filesOf(directory)).sort())
        try {
          records.push(await read(file));
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          damaged.push({ file, error });
        }
      return { records, damaged };
    },
    save: (record) => writeFileAtomic(fileOf(record.spec.id), JSON.stringify(record, null, 2)),
    remove: async (id) => {
      if ((await readIfThere(fileOf(id))) !== undefined) await removeFileDurably(fileOf(id));
    },
  };
}

/** Only files that bear a VM's id: what a crash left beside them (`.ID.json.xxx.new`) is nobody's. */
async function filesOf(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => name.endsWith('.json') && vmIdSchema.safeParse(name.slice(0, -5)).success);
}
