import { z } from 'zod';
import { unreadable } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import type { Bus } from './bus.ts';
import { manager } from './jobs.ts';

/** Power and name of the machine: logind and hostnamed. */
export type Machine = {
  powerOff(): Promise<void>;
  reboot(): Promise<void>;
  hostname(): Promise<string>;
  /** now and at each boot */
  setHostname(name: string): Promise<void>;
};

const login = {
  destination: 'org.freedesktop.login1',
  path: '/org/freedesktop/login1',
  interface: 'org.freedesktop.login1.Manager',
} as const;
const hostnamed = {
  destination: 'org.freedesktop.hostname1',
  path: '/org/freedesktop/hostname1',
} as const;

export function makeMachine(env: { bus: Bus }): Machine {
  /** Through logind, so that who holds an inhibitor is heard; through systemd itself where there is no logind. */
  async function end(member: 'PowerOff' | 'Reboot', target: string): Promise<void> {
    try {
      await env.bus.call({ ...login, member, signature: 'b', body: [false] });
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code === 'bus.lost') return; // the bus goes down with the machine
      if (error.code !== 'bus.no-such-service') throw error;
      await env.bus.call({
        ...manager,
        member: 'StartUnit',
        signature: 'ss',
        body: [target, 'replace-irreversibly'],
      });
    }
  }

  return {
    powerOff: () => end('PowerOff', 'poweroff.target'),
    reboot: () => end('Reboot', 'reboot.target'),
    async hostname() {
      const [name] = await env.bus.call({
        ...hostnamed,
        interface: 'org.freedesktop.DBus.Properties',
        member: 'Get',
        signature: 'ss',
        body: ['org.freedesktop.hostname1', 'Hostname'],
      });
      const parsed = z.string().min(1).safeParse(name);
      if (!parsed.success) throw unreadable('hostnamed', 'the host name', parsed.error);
      return parsed.data;
    },
    async setHostname(name) {
      for (const member of ['SetStaticHostname', 'SetHostname'])
        await env.bus.call({
          ...hostnamed,
          interface: 'org.freedesktop.hostname1',
          member,
          signature: 'sb',
          body: [name, false],
        });
    },
  };
}
