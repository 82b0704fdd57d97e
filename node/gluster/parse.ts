import { z } from 'zod';
import { unreadable } from '../command/run.ts';

/** Pure readers of what the gluster command answers; captured/ holds real answers of GlusterFS 11.1. */

const text = z.string();
/** an empty element comes out as '' instead of an object */
const maybe = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema.optional());
const count = z.coerce.number().int().nonnegative();

function read<T extends z.ZodType>(schema: T, answer: unknown, what: string): z.output<T> {
  const parsed = schema.safeParse(answer);
  if (!parsed.success) throw unreadable('gluster', what, parsed.error);
  return parsed.data;
}

export type Peer = { address: string; uuid: string; connected: boolean; state: string };

const peersSchema = z.object({
  peerStatus: maybe(
    z.object({
      peer: z
        .array(z.object({ uuid: text, hostname: text, connected: text, stateStr: text.default('') }))
        .default([]),
    }),
  ),
});

/** `peer status`: the other hosts of the pool. */
export function readPeers(answer: unknown): Peer[] {
  const { peerStatus } = read(peersSchema, answer, 'the list of peers');
  return (peerStatus?.peer ?? []).map((peer) => ({
    address: peer.hostname,
    uuid: peer.uuid,
    connected: peer.connected === '1',
    state: peer.stateStr,
  }));
}

export type VolumeInfo = {
  name: string;
  id: string;
  started: boolean;
  layout: 'single' | 'replica-3' | 'replica-2-arbiter' | 'other';
  /** bricks of one replica set follow each other; this many make a set */
  setSize: number;
  bricks: { address: string; path: string; arbiter: boolean }[];
  options: Record<string, string>;
};

const infoSchema = z.object({
  volInfo: z.object({
    volumes: z.object({
      volume: z
        .array(
          z.object({
            name: text,
            id: text,
            status: text,
            brickCount: count,
            replicaCount: count,
            arbiterCount: count,
            disperseCount: count,
            bricks: z.object({ brick: z.array(z.object({ name: text, isArbiter: text })) }),
            options: maybe(z.object({ option: z.array(z.object({ name: text, value: text })).default([]) })),
          }),
        )
        .default([]),
    }),
  }),
});

export function splitBrick(name: string): { address: string; path: string } {
  const colon = name.indexOf(':/');
  return colon < 0
    ? { address: name, path: '' }
    : { address: name.slice(0, colon), path: name.slice(colon + 1) };
}

/** `volume info` of one or all volumes. */
export function readVolumes(answer: unknown): VolumeInfo[] {
  return read(infoSchema, answer, 'the list of volumes').volInfo.volumes.volume.map((volume) => ({
    name: volume.name,
    id: volume.id,
    started: volume.status === '1',
    layout: layoutOf(volume),
    setSize: Math.max(1, volume.replicaCount),
    bricks: volume.bricks.brick.map((brick) => ({
      ...splitBrick(brick.name),
      arbiter: brick.isArbiter === '1',
    })),
    options: Object.fromEntries((volume.options?.option ?? []).map(({ name, value }) => [name, value])),
  }));
}

function layoutOf(volume: {
  brickCount: number;
  replicaCount: number;
  arbiterCount: number;
  disperseCount: number;
}): VolumeInfo['layout'] {
  if (volume.disperseCount > 0) return 'other';
  if (volume.replicaCount === 1 && volume.brickCount === 1) return 'single';
  if (volume.replicaCount === 3) return volume.arbiterCount === 1 ? 'replica-2-arbiter' : 'replica-3';
  return 'other';
}

export type VolumeProcesses = {
  bricks: { address: string; path: string; online: boolean; pid: number | undefined }[];
  selfHeal: { address: string; online: boolean; pid: number | undefined }[];
};

const statusSchema = z.object({
  volStatus: z.object({
    volumes: z.object({
      volume: z.array(
        z.object({
          volName: text,
          node: z
            .array(z.object({ hostname: text, path: text, status: text, pid: text.default('') }))
            .default([]),
        }),
      ),
    }),
  }),
});

/** `volume status all`: the processes of each started volume, as glusterd believes them. Says nothing about who is connected. */
export function readProcesses(answer: unknown): Map<string, VolumeProcesses> {
  const { volume } = read(statusSchema, answer, 'the state of the volumes').volStatus.volumes;
  const processOf = (node: { status: string; pid: string }) => ({
    online: node.status === '1',
    pid: Number(node.pid) > 0 ? Number(node.pid) : undefined,
  });
  return new Map(
    volume.map(({ volName, node: nodes }) => [
      volName,
      {
        bricks: nodes
          .filter((node) => node.path.startsWith('/'))
          .map((node) => ({ address: node.hostname, path: node.path, ...processOf(node) })),
        selfHeal: nodes
          .filter((node) => node.hostname === 'Self-heal Daemon')
          .map((node) => ({ address: node.path, ...processOf(node) })),
      },
    ]),
  );
}

export type HealCount = {
  address: string;
  path: string;
  connected: boolean;
  /** undefined when the brick could not be asked */
  pending: number | undefined;
  splitBrain: number | undefined;
};

const healSchema = z.object({
  healInfo: z.object({
    bricks: z.object({
      brick: z.array(
        z.object({
          name: text,
          status: text.default(''),
          numberOfEntriesInHealPending: text.optional(),
          numberOfEntriesInSplitBrain: text.optional(),
        }),
      ),
    }),
  }),
});

const numberIn = (value: string | undefined): number | undefined =>
  value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined;

/** `volume heal NAME info summary`. */
export function readHeal(answer: unknown): HealCount[] {
  return read(healSchema, answer, 'what waits to be healed').healInfo.bricks.brick.map((brick) => ({
    ...splitBrick(brick.name),
    connected: brick.status === 'Connected',
    pending: numberIn(brick.numberOfEntriesInHealPending),
    splitBrain: numberIn(brick.numberOfEntriesInSplitBrain),
  }));
}

export type ClientLink = { address: string; path: string; connected: boolean };

/**
 * What a mount says of its own connections, as `grep -H` prints the files below `.meta/graphs/active`:
 *   .../data-client-0/private:connected = 1
 *   .../data-client-0/options/remote-host:10.77.1.11
 *   .../data-client-0/options/remote-subvolume:/var/lib/trefoil/bricks/b/data
 */
export function readClientLinks(lines: string): ClientLink[] {
  const found = new Map<string, { address?: string; path?: string; connected?: boolean }>();
  for (const line of lines.split('\n')) {
    const match =
      /([^/]+-client-\d+)\/(?:private:connected = (\d)|options\/remote-host:(.+)|options\/remote-subvolume:(.+))$/.exec(
        line,
      );
    if (match === null) continue;
    const [, client = '', connected, address, path] = match;
    const link = found.get(client) ?? {};
    if (connected !== undefined) link.connected = connected === '1';
    if (address !== undefined) link.address = address.trim();
    if (path !== undefined) link.path = path.trim();
    found.set(client, link);
  }
  return [...found.values()].flatMap(({ address, path, connected }) =>
    address === undefined || path === undefined || connected === undefined
      ? []
      : [{ address, path, connected }],
  );
}
