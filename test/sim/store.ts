import { haKeys } from '../../node/contract/ha.ts';
import type { Guard, Kept, Write } from '../../node/ha/model.ts';
import type { HaRecord, Unreadable } from '../../node/ha/view.ts';

/** etcd's data as a model: keys with revisions, transactions, leases. What is reachable when is the world's affair. */
export type Lease = { host: string; expiresMs: number };

export class Store {
  readonly records = new Map<string, Kept<HaRecord | Unreadable> & { lease: number | undefined }>();
  readonly leases = new Map<number, Lease>();
  revision = 1;
  #lease = 0;

  grant(host: string, expiresMs: number): number {
    this.#lease += 1;
    this.leases.set(this.#lease, { host, expiresMs });
    return this.#lease;
  }

  keepAlive(id: number, expiresMs: number): boolean {
    const lease = this.leases.get(id);
    if (lease === undefined) return false;
    lease.expiresMs = expiresMs;
    return true;
  }

  /** Ends what is due; true when a key went with it. */
  expire(nowMs: number): boolean {
    let changed = false;
    for (const [id, { expiresMs }] of this.leases) {
      if (expiresMs > nowMs) continue;
      this.leases.delete(id);
      for (const [key, record] of this.records)
        if (record.lease === id) {
          this.records.delete(key);
          this.revision += 1;
          changed = true;
        }
    }
    return changed;
  }

  /** A new leader of etcd gives all leases their whole time again. */
  prolong(nowMs: number, ttlMs: number): void {
    for (const lease of this.leases.values()) lease.expiresMs = nowMs + ttlMs;
  }

  /** Whether a transaction would be done now. */
  holds(guards: readonly Guard[], writes: readonly Write[], lease: number | undefined): boolean {
    for (const { key, revision } of guards)
      if ((this.records.get(key)?.revision ?? 0) !== revision) return false;
    const needsLease = writes.some((write) => 'onLease' in write && write.onLease === true);
    return !needsLease || (lease !== undefined && this.leases.has(lease));
  }

  write(writes: readonly Write[], lease: number | undefined): void {
    this.revision += 1;
    for (const write of writes) {
      if ('remove' in write) {
        this.records.delete(write.key);
        continue;
      }
      const value = { kind: kindOf(write.key), value: write.value } as HaRecord;
      this.records.set(write.key, {
        value,
        revision: this.revision,
        lease: write.onLease === true ? lease : undefined,
      });
    }
  }

  put(key: string, value: HaRecord | Unreadable, lease: number | undefined): void {
    this.revision += 1;
    this.records.set(key, { value, revision: this.revision, lease });
  }
}

const folders: Record<string, HaRecord['kind']> = {
  vms: 'vm',
  assignments: 'assignment',
  reports: 'report',
  watchdogs: 'watchdog',
  fences: 'fence',
  proofs: 'proof',
  returns: 'returned',
  leader: 'leader',
  maintenance: 'maintenance',
  disarmed: 'disarmed',
};

function kindOf(key: string): HaRecord['kind'] {
  const kind = folders[key.slice(haKeys.prefix.length).split('/')[0] ?? ''];
  if (kind === undefined) throw new Error(`nothing is kept at ${key}`);
  return kind;
}
