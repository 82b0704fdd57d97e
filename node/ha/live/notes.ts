import type { Clock } from '../../clock/clock.ts';
import { type HaNote, haKeys } from '../../contract/ha.ts';
import type { HostId } from '../../contract/ids.ts';
import type { Log } from '../../log/log.ts';
import type { Note } from '../model.ts';
import type { HaStore } from './store.ts';

/** What HA did here, for people: into the log at once, into the store's timeline when that answers. */
export type Notes = {
  tell(note: Note): void;
  close(): void;
};

/** Each host keeps so many; the store stays small. */
const keptPerHost = 100;
const waiting = 200;

export function makeNotes(env: {
  self: HostId;
  store: Pick<HaStore, 'commit' | 'picture'>;
  clock: Clock;
  now(): Date;
  log: Log;
}): Notes {
  const { self, store, clock, log } = env;
  const stopping = new AbortController();
  const queue: HaNote[] = [];
  let number = 0;
  let writing = false;

  const write = async () => {
    if (writing) return;
    writing = true;
    try {
      for (let note = queue[0]; note !== undefined && !stopping.signal.aborted; note = queue[0]) {
        const key = haKeys.note(note.at, self, number);
        const old = store.picture.notesOf(self);
        const tooMany = old.slice(0, Math.max(0, old.length + 1 - keptPerHost));
        const done = await store.commit(
          [{ key, revision: 0 }],
          [{ key, value: note }, ...tooMany.map((one) => ({ key: one, remove: true as const }))],
        );
        if (done) {
          queue.shift();
          number += 1;
        } else await clock.sleep(1_000, stopping.signal).catch(() => {});
      }
    } finally {
      writing = false;
    }
  };

  return {
    tell({ severity, about, text }) {
      log.info(text, { ha: severity, about });
      queue.push({ v: 1, at: env.now().toISOString(), by: self, severity, about, text });
      if (queue.length > waiting) queue.shift();
      void write().catch((error) => log.error('the timeline was not written', error));
    },
    close: () => stopping.abort(new Error('the agent stops')),
  };
}
