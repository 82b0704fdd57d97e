import type { Duplex, Readable } from 'node:stream';
import type { z } from 'zod';
import type { NodeReply } from '../contract/client.ts';
import type { VmId } from '../contract/ids.ts';
import type { CallerRole, NodeRouteName, nodeRoutes } from '../contract/routes.ts';
import type { ImageFile } from '../contract/vms.ts';

/**
 * Who calls: root on this host by the unix socket, a program of the cluster by its certificate, or nobody we know.
 * `stranger` is all that exists before the host has joined.
 */
export type Caller =
  | { kind: 'local' }
  | { kind: 'peer'; id: string; role: CallerRole }
  | { kind: 'stranger'; why: string };

type Routes = typeof nodeRoutes;
type BodyOf<R> = R extends { body: infer B extends z.ZodType } ? z.output<B> : undefined;
type Segments<Path> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Segments<Rest> : never;

export type HandlerCall<Name extends NodeRouteName> = {
  body: BodyOf<Routes[Name]>;
  params: Record<Segments<Routes[Name]['path']>, string>;
  caller: Caller;
  /** fires when the caller has gone away */
  signal: AbortSignal;
};

export type NodeHandler<Name extends NodeRouteName> = (
  call: HandlerCall<Name>,
) => NodeReply<Name> | Promise<NodeReply<Name>>;

/** One function for each route of the contract; rooms give parts of it, main.ts puts them together. */
export type NodeHandlers = { [Name in NodeRouteName]: NodeHandler<Name> };

export type ImageUpload = {
  id: string;
  name: string;
  volume: string;
  format: 'raw' | 'qcow2';
  sizeBytes: number;
};

/** What is not request and answer in JSON; the bytes behind each path of the contract's last comment. */
export type StreamHandlers = {
  console(id: VmId, signal: AbortSignal): Promise<Duplex>;
  serial(id: VmId, signal: AbortSignal): Promise<Duplex>;
  libvirtTunnel(callerHostId: string, signal: AbortSignal): Promise<Duplex>;
  migrationTunnel(id: VmId, callerHostId: string, signal: AbortSignal): Promise<Duplex>;
  serialLog(id: VmId, bytes: number): Promise<Uint8Array>;
  uploadImage(upload: ImageUpload, content: Readable, signal: AbortSignal): Promise<ImageFile>;
};
