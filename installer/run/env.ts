import type { HostsPort } from '../agents/hosts.ts';
import type { EnginePort } from '../engine/engine.ts';
import type { StoreMember, StorePort } from '../etcd/store.ts';
import type { ImageSource } from '../preflight/model.ts';

/** The world as formation sees it; tests give a simulated one. */
export type FormationEnv = {
  now(): Date;
  /** milliseconds, never jumps */
  monotonic(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  uuid(): string;
  randomBytes(count: number): Uint8Array;
  hashPassword(password: string): Promise<string>;
  hosts: HostsPort;
  store(members: readonly StoreMember[]): StorePort;
  engine(address: string, ca: string): EnginePort;
  /** guest images that this host's system carries */
  images(): Promise<ImageSource[]>;
  /** journal and secrets */
  directory: string;
  /** called before and after each step's work; tests end the process here */
  checkpoint(step: string, when: 'before' | 'after'): Promise<void>;
  progress(event: Progress): void;
};

export type Progress =
  | { event: 'begin'; steps: number; done: number; secondsLeft: number }
  | { event: 'preflight'; text: string }
  | {
      event: 'step';
      id: string;
      title: string;
      number: number;
      of: number;
      state: 'running' | 'done' | 'already' | 'failed' | 'undone';
      seconds?: number;
      secondsLeft?: number;
    }
  | { event: 'detail'; id: string; text: string };
