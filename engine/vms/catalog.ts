import { AppError } from '../../node/contract/error.ts';
import type { VmId } from '../../node/contract/ids.ts';
import type { Db } from '../db/database.ts';
import type { VmRecord } from './model.ts';
import { deleteVm, insertVm, loadVms, updateVm } from './store.ts';

type Patch = Partial<Omit<VmRecord, 'id' | 'createdAt'>>;

/**
 * All VMs' records, in memory and in the database. Only this module writes them: to the database first, then here, so
 * that lists and the reconcile loop never wait for the database and never differ from it.
 */
export class Catalog {
  readonly #db: Db;
  readonly #changed: (id: VmId) => void;
  readonly #turns = new Map<VmId, Promise<void>>();
  readonly #byId = new Map<VmId, VmRecord>();
  /** ordered by key */
  #sorted: Array<{ key: string; id: VmId }> = [];

  constructor(db: Db, changed: (id: VmId) => void) {
    this.#db = db;
    this.#changed = changed;
  }

  async load(): Promise<void> {
    const records = await loadVms(this.#db);
    this.#byId.clear();
    for (const record of records) this.#byId.set(record.id, record);
    this.#sorted = records.map((record) => ({ key: keyOf(record), id: record.id })).sort(byKey);
  }

  /** by a job's lock, `vm:<id>` */
  byKey = (key: string): VmRecord | undefined =>
    // What is no id of a VM is not found.
    key.startsWith('vm:') ? this.#byId.get(key.slice(3) as VmId) : undefined;
  get = (id: VmId): VmRecord | undefined => this.#byId.get(id);
  all = (): IterableIterator<VmRecord> => this.#byId.values();
  size = (): number => this.#byId.size;

  need(id: VmId): VmRecord {
    const record = this.#byId.get(id);
    if (record === undefined)
      throw new AppError({ code: 'vm.missing', family: 'missing', message: 'There is no such VM.' });
    return record;
  }

  /** In a transaction of the caller: `forget` it again when that fails. */
  async insert(record: VmRecord, db: Db = this.#db): Promise<void> {
    await insertVm(db, record);
    this.#put(record);
  }
  forget(id: VmId): void {
    this.#drop(id);
  }

  /**
   * Changes what is there when its turn comes: changes of one VM happen one after the other. A patch that is a function
   * sees the record then, and may decide that there is nothing to change any more.
   */
  async update(id: VmId, patch: Patch | ((record: VmRecord) => Patch | undefined)): Promise<VmRecord> {
    const before = this.#turns.get(id) ?? Promise.resolve();
    const mine = before.then(async () => {
      const record = this.need(id);
      const changes = typeof patch === 'function' ? patch(record) : patch;
      if (changes === undefined) return record;
      const next = { ...record, ...changes };
      await updateVm(this.#db, next);
      this.#put(next);
      return next;
    });
    const turn = mine.then(
      () => {},
      () => {},
    );
    this.#turns.set(id, turn);
    void turn.then(() => {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    });
    return mine;
  }

  async delete(id: VmId): Promise<void> {
    await deleteVm(this.#db, id);
    this.#drop(id);
  }

  /** In the order of names. `next` continues after the last one, also when that one is gone by then. */
  page(query: { after?: string | undefined; limit: number; search?: string | undefined }): {
    items: VmRecord[];
    next: string | undefined;
    total: number;
  } {
    const search = query.search?.toLowerCase();
    const matches =
      search === undefined || search === ''
        ? this.#sorted
        : this.#sorted.filter(({ key }) => key.slice(0, key.indexOf('\0')).includes(search));
    const start = query.after === undefined ? 0 : firstAfter(matches, decodeCursor(query.after));
    const slice = matches.slice(start, start + query.limit);
    const last = slice.at(-1);
    const more = start + query.limit < matches.length;
    return {
      items: slice.flatMap(({ id }) => this.#byId.get(id) ?? []),
      next: more && last !== undefined ? Buffer.from(last.key).toString('base64url') : undefined,
      total: matches.length,
    };
  }

  #put(record: VmRecord): void {
    const before = this.#byId.get(record.id);
    this.#byId.set(record.id, record);
    if (before === undefined || keyOf(before) !== keyOf(record)) {
      if (before !== undefined) this.#unsort(before);
      const key = keyOf(record);
      this.#sorted.splice(firstAfter(this.#sorted, key), 0, { key, id: record.id });
    }
    this.#changed(record.id);
  }

  #drop(id: VmId): void {
    const before = this.#byId.get(id);
    if (before === undefined) return;
    this.#byId.delete(id);
    this.#unsort(before);
    this.#changed(id);
  }

  #unsort(record: VmRecord): void {
    const at = firstAfter(this.#sorted, keyOf(record)) - 1;
    if (this.#sorted[at]?.id === record.id) this.#sorted.splice(at, 1);
  }
}

const keyOf = (record: { name: string; id: string }): string => `${record.name.toLowerCase()}\0${record.id}`;
const byKey = (a: { key: string }, b: { key: string }): number =>
  a.key < b.key ? -1 : a.key > b.key ? 1 : 0;

function firstAfter(sorted: ReadonlyArray<{ key: string }>, key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle]?.key ?? '') <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function decodeCursor(after: string): string {
  const key = Buffer.from(after, 'base64url').toString();
  if (key.includes('\0')) return key;
  throw new AppError({
    code: 'page.wrong-cursor',
    family: 'invalid',
    message: 'This is not a place to continue a list from.',
    remedy: 'Take `next` of the page before, or start anew.',
  });
}
