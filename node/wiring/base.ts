import type { EventHub } from '../api/events.ts';
import type { Clock } from '../clock/clock.ts';
import type { Run } from '../command/run.ts';
import type { Identity } from '../identity/identity.ts';
import type { Log } from '../log/log.ts';
import type { RandomBytes } from '../pairing/code.ts';
import type { Bus } from '../systemd/bus.ts';
import type { Tasks } from '../tasks/registry.ts';
import type { RetryEnv } from './retry.ts';

export type AgentOptions = {
  stateDirectory: string;
  runDirectory: string;
  /** where systemd-networkd looks for files that live until the next boot */
  networkDirectory: string;
  port: number;
  version: string;
  hostname(): string;
  random: RandomBytes;
  newId(): string;
  log: Log;
};

/** What every part of the agent may need; made once, in agent.ts. */
export type Base = {
  options: AgentOptions;
  log: Log;
  run: Run;
  clock: Clock;
  now(): Date;
  identity: Identity;
  /** the cluster's name of this host, or the system's own before there is a cluster */
  hostName(): string;
  hub: EventHub;
  tasks: Tasks;
  bus: Bus;
  retry: RetryEnv;
  notice(severity: 'info' | 'warning' | 'error', code: string, message: string): void;
};

/** Does something now and then for as long as the agent lives; a failure is logged and does not end it. */
export function every(
  base: Pick<Base, 'log' | 'retry'>,
  ms: number,
  what: string,
  work: () => unknown,
): void {
  const timer = setInterval(() => {
    const once = async () => work();
    once().catch((error) => base.log.error(`${what}: failed this time`, error));
  }, ms);
  base.retry.signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
