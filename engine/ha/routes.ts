import { AppError } from '../../node/contract/error.ts';
import type { HostId } from '../../node/contract/ids.ts';
import type { Some } from '../api/handler.ts';
import { pageOfList } from '../api/page.ts';
import type { ClusterStore } from '../cluster/port.ts';
import type { HaState } from '../contract/ha.ts';
import type { EventSubject, NewEvent } from '../events/store.ts';
import { type Hosts, isMember } from '../hosts/hosts.ts';
import type { HaMirror } from './mirror.ts';
import { arm, disarm, proveByPerson } from './store.ts';
import { noteSight } from './timeline.ts';

export type HaRoutesEnv = {
  store: ClusterStore;
  mirror: HaMirror;
  hosts: Hosts;
  state(): HaState;
  subjectOf(id: string): EventSubject | undefined;
  record(event: NewEvent): Promise<void>;
};

export const haRoutes = (
  env: HaRoutesEnv,
): Some<'getHa' | 'listHaTimeline' | 'confirmHostOff' | 'disarmHa' | 'armHa'> => ({
  async disarmHa({ body, caller }) {
    const { minutes, reason } = body;
    const members = env.hosts.all().filter(isMember);
    await disarm(
      env.store,
      { v: 1, leftMs: minutes * 60_000, by: caller.name, reason },
      members.map(({ record }) => record),
    );
    await env.record({
      severity: 'warning',
      code: 'ha.disarmed',
      message: `${caller.name} disarmed HA for ${minutes} min${reason === '' ? '' : `: ${reason}`}.`,
      user: caller.name,
    });
    return env.state();
  },
  async armHa({ caller }) {
    if (!(await arm(env.store))) return undefined;
    const message = `${caller.name} armed HA again.`;
    await env.record({ severity: 'info', code: 'ha.armed', message, user: caller.name });
    return undefined;
  },
  getHa: async () => env.state(),
  async listHaTimeline({ query }) {
    const nameOf = (id: HostId) => env.hosts.get(id)?.record.name ?? id;
    const notes = env.mirror
      .view()
      .notes.map(({ note }) => noteSight(note, nameOf(note.by), env.subjectOf(note.about)))
      .reverse();
    return pageOfList(notes, query, ({ text }) => text);
  },
  async confirmHostOff({ params, body, caller }) {
    const { record } = env.hosts.need(params.id);
    if (body.name.trim() !== record.name)
      throw new AppError({
        code: 'ha.wrong-name',
        family: 'invalid',
        message: `To confirm that ${record.name} is off its name must be typed exactly.`,
        remedy: 'Look at the machine itself: a host that still runs would write to disks that others use.',
      });
    const fence = env.mirror.view().fences.get(record.id);
    if (fence?.value.phase !== 'fencing') throw notFencing(env.state(), record.id, record.name);
    const says = `${caller.name} says that ${record.name} is off.`;
    await proveByPerson(env.store, fence, voiceFor(env, record.id), says);
    await env.record({
      severity: 'warning',
      code: 'ha.confirmed-off',
      message: `${caller.name} confirmed that ${record.name} is off.`,
      subject: { kind: 'host', id: record.id, name: record.name },
      user: caller.name,
    });
    const host = env.state().hosts.find(({ id }) => id === record.id);
    if (host === undefined) throw new Error('a member is missing among HA’s hosts');
    return host;
  },
});

/** A proof is kept in the name of a host that is not the lost one; the person is in its words. */
function voiceFor(env: HaRoutesEnv, lost: HostId): HostId {
  const { leader, reports } = env.mirror.view();
  const voice = [leader?.host, ...reports.keys(), ...env.hosts.all().map(({ record }) => record.id)].find(
    (id) => id !== undefined && id !== lost,
  );
  if (voice !== undefined) return voice;
  throw new AppError({ code: 'ha.no-voice', family: 'conflict', message: 'There is no other host.' });
}

function notFencing(state: HaState, id: HostId, name: string): AppError {
  const host = state.hosts.find((each) => each.id === id);
  const why = host === undefined || host.why === '' ? '' : ` ${host.why}`;
  return new AppError({
    code: 'ha.not-fencing',
    family: 'conflict',
    message: `It is not waited for a proof that ${name} is off: it is ${host?.state ?? 'unknown'}.${why}`,
    details: { state: host?.state ?? 'unknown' },
  });
}
