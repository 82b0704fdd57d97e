import type { Duplex } from 'node:stream';
import type { NodeClient } from '../../node/contract/client.ts';
import type { NodeEvent } from '../../node/contract/events.ts';
import type { HostId } from '../../node/contract/ids.ts';

/** A member as the engine's records have it. */
export type HostRecord = {
  id: HostId;
  name: string;
  address: string;
  storageAddress: string;
  membership: 'joining' | 'member';
  createdAt: Date;
};

/**
 * Ways to one host's agent. All fail with AppError: `host.unreachable` when it does not answer, what the agent says when
 * it refuses.
 */
export type HostLink = {
  client: NodeClient;
  /** ends by rejecting, at the latest after `silenceMs` without a sign of life */
  events(signal: AbortSignal): AsyncIterable<NodeEvent>;
  /** raw bytes both ways after an HTTP upgrade */
  upgrade(path: string, protocol: string, signal: AbortSignal): Promise<Duplex>;
  getText(path: string, signal: AbortSignal): Promise<string>;
  putStream(
    path: string,
    body: AsyncIterable<Uint8Array>,
    length: number | undefined,
    signal: AbortSignal,
  ): Promise<void>;
  close(): Promise<void>;
};

export type OpenLink = (host: { id: HostId; name: string; address: string }) => HostLink;
