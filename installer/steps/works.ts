import type { StepKind } from '../plan/model.ts';
import { authority, join, pair } from './claim.ts';
import { declare } from './declare.ts';
import { engineDisks, engineReady, engineSeed, engineStart, images } from './engine.ts';
import { selfCheck, tidy } from './finish.ts';
import { etcd, network, reach, time } from './hosts.ts';
import type { StepWork } from './model.ts';
import { bricks, mounts, peers, volume } from './storage.ts';

/** What each kind of step does. Steps without an undo leave only what a host takes back when it leaves. */
export const works: Record<StepKind, StepWork> = {
  authority,
  join,
  pair,
  time,
  network,
  reach,
  etcd,
  peers,
  bricks,
  volume,
  mounts,
  declare,
  'engine-disks': engineDisks,
  'engine-seed': engineSeed,
  'engine-start': engineStart,
  images,
  'engine-ready': engineReady,
  'self-check': selfCheck,
  tidy,
};
