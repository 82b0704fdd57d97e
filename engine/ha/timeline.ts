import type { HaNote } from '../../node/contract/ha.ts';
import { type HostId, hostIdSchema } from '../../node/contract/ids.ts';
import type { Event } from '../contract/events.ts';
import type { HaNoteSight } from '../contract/ha.ts';
import type { Db } from '../db/database.ts';
import { haTimeline } from '../db/schema.ts';
import { type EventSubject, insertEvent } from '../events/store.ts';
import type { Log } from '../log/log.ts';
import type { HaView } from './view.ts';

export type TimelineEnv = {
  db: Db;
  log: Log;
  told(event: Event): void;
  /** whom a note is about */
  subjectOf(id: string): EventSubject | undefined;
};

/**
 * Notes that become events: what befell a host, and what needs a person. That a VM goes to a host, or is ended, is told
 * by the job that wanted it, or by the reconcile loop as a restart.
 */
export const isEvent = (note: HaNote, subject: EventSubject | undefined): boolean =>
  note.severity === 'error' || subject?.kind === 'host';

/**
 * Takes HA's notes into the engine's events, each once: with the event is kept, per host, which of its notes was the last.
 * A host's notes sort by its own clock, so hosts are not compared with each other.
 */
export class TimelineEvents {
  readonly #env: TimelineEnv;
  #last: Map<HostId, string> | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(env: TimelineEnv) {
    this.#env = env;
  }

  /** Goes on where it was when the database was away. */
  take(view: HaView): Promise<void> {
    this.#work = this.#work
      .then(() => this.#take(view))
      .catch((thrown: unknown) =>
        this.#env.log.error('HA’s timeline could not be taken into the events', thrown),
      );
    return this.#work;
  }

  async #take(view: HaView): Promise<void> {
    const { db } = this.#env;
    this.#last ??= new Map(
      (await db.select().from(haTimeline)).map(({ hostId, lastKey }) => [
        hostIdSchema.parse(hostId),
        lastKey,
      ]),
    );
    for (const { key, note } of view.notes) {
      if (key <= (this.#last.get(note.by) ?? '')) continue;
      const event = await this.#keep(key, note);
      this.#last.set(note.by, key);
      if (event !== undefined) this.#env.told(event);
    }
  }

  #keep(lastKey: string, note: HaNote): Promise<Event | undefined> {
    const subject = this.#env.subjectOf(note.about);
    return this.#env.db.transaction(async (tx) => {
      await tx
        .insert(haTimeline)
        .values({ hostId: note.by, lastKey })
        .onConflictDoUpdate({ target: haTimeline.hostId, set: { lastKey } });
      if (!isEvent(note, subject)) return undefined;
      return insertEvent(tx, new Date(note.at), {
        severity: note.severity,
        code: `ha.${subject?.kind ?? 'note'}`,
        message: note.text,
        ...(subject === undefined ? {} : { subject }),
      });
    });
  }
}

export const noteSight = (
  note: HaNote,
  hostName: string,
  subject: EventSubject | undefined,
): HaNoteSight => ({
  at: note.at,
  by: { id: note.by, name: hostName },
  severity: note.severity,
  about:
    subject?.kind === 'host' || subject?.kind === 'vm'
      ? { kind: subject.kind, id: subject.id, name: subject.name }
      : { kind: 'other', id: note.about, name: note.about },
  text: note.text,
});
