import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answer, header, type Identity, refusal, type Wire, wireKey } from './answers.ts';
import { type FakeStore, inRange, makeFakeStore } from './store.ts';

/**
 * A fake etcd cluster: members with gateways on loopback that share one store. Faults are a table, per member, by
 * path: each entry is used once (`times` more often) for the next request with that path.
 */
export type Fault =
  | { kind: 'hang' } // takes the request, changes nothing, never answers
  | { kind: 'apply-then-hang' } // applied, but no answer comes
  | { kind: 'apply-then-reset' }
  | { kind: 'reset' }
  | { kind: 'garbage' } // status 200 and no JSON
  | { kind: 'truncated' } // half of a good answer, then the end
  | { kind: 'refuse'; status: number; code: number; message: string }
  | { kind: 'end-watch-after-events'; count: number };

export type FakeMember = {
  readonly url: string;
  readonly requests: { path: string; body: Wire }[];
  fail(path: string, fault: Fault, times?: number): void;
  /** stops answering anything, also open watches, as SIGSTOP does */
  freeze(): void;
  thaw(): void;
  setLeader(leaderId: string | undefined): void;
  /** ends all open watches of this member by closing their connections */
  dropConnections(): void;
  stop(): Promise<void>;
};
export type FakeCluster = {
  readonly store: FakeStore;
  readonly members: readonly FakeMember[];
  readonly urls: readonly string[];
  /** as after a rebuild from a backup: another cluster id */
  rename(clusterId: string): void;
  stop(): Promise<void>;
};

async function readBody(request: IncomingMessage): Promise<Wire> {
  const parts: Buffer[] = [];
  for await (const chunk of request) parts.push(chunk);
  const parsed: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
  return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
}

async function startMember(store: FakeStore, identity: Identity): Promise<FakeMember> {
  const faults = new Map<string, Fault[]>();
  const requests: { path: string; body: Wire }[] = [];
  let frozen = false;

  const watching = (body: Wire, response: ServerResponse, limit: number): void => {
    const created = body['create_request'];
    const wanted: Wire = typeof created === 'object' && created !== null ? { ...created } : {};
    const [from, end] = [String(wanted['key']), String(wanted['range_end'] ?? '')];
    let next = Number(wanted['start_revision'] ?? 0) || store.revision + 1;
    let sent = 0;
    const line = (result: Wire) =>
      response.write(`${JSON.stringify({ result: { header: header(identity, store), ...result } })}\n`);
    response.writeHead(200, { 'content-type': 'application/json' });
    line({ created: true });
    if (next <= store.compacted) {
      line({ canceled: true, compact_revision: String(store.compacted) });
      response.end();
      return;
    }
    const flush = () => {
      if (frozen || response.destroyed) return;
      const events = store
        .eventsSince(next)
        .filter((event) => inRange(event.kv.key, from, end))
        .map((event) => ({ ...(event.type === 'PUT' ? {} : { type: event.type }), kv: wireKey(event.kv) }));
      next = store.revision + 1;
      if (events.length === 0) return;
      line({ events });
      sent += 1;
      if (sent >= limit) response.end();
    };
    const off = store.onChange(flush);
    response.on('close', off);
    flush();
  };

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '';
    const body = await readBody(request);
    requests.push({ path, body });
    if (frozen) return;
    const fault = faults.get(path)?.shift();
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'reset') return void request.socket.destroy();
    if (path === '/v3/watch' && fault?.kind !== 'refuse')
      return watching(body, response, fault?.kind === 'end-watch-after-events' ? fault.count : Infinity);
    const good =
      fault?.kind === 'refuse'
        ? refusal(fault.status, fault.code, fault.message)
        : answer(store, identity, path, body);
    if (fault?.kind === 'apply-then-hang') return;
    if (fault?.kind === 'apply-then-reset') return void request.socket.destroy();
    if (good === undefined) return void response.writeHead(404).end('Not Found\n');
    const text = fault?.kind === 'garbage' ? '<html>not etcd</html>' : JSON.stringify(good.body);
    if (fault?.kind === 'truncated') {
      response.writeHead(200, { 'content-length': text.length });
      response.write(text.slice(0, text.length / 2), () => request.socket.destroy());
      return;
    }
    response.writeHead(good.status, { 'content-type': 'application/json' }).end(text);
  };

  const server: Server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  // a server that listens on TCP has an address with a port
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    fail(path, fault, times = 1) {
      faults.set(path, [...(faults.get(path) ?? []), ...Array.from({ length: times }, () => fault)]);
    },
    freeze() {
      frozen = true;
    },
    thaw() {
      frozen = false;
    },
    setLeader(leaderId) {
      identity.leaderId = leaderId;
    },
    dropConnections: () => server.closeAllConnections(),
    async stop() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

export async function startFakeEtcd(size: number, store = makeFakeStore()): Promise<FakeCluster> {
  const identities = Array.from(
    { length: size },
    (_, index): Identity => ({ clusterId: '77', memberId: String(index + 1), leaderId: '1' }),
  );
  const members = await Promise.all(identities.map((identity) => startMember(store, identity)));
  return {
    store,
    members,
    urls: members.map((member) => member.url),
    rename(clusterId) {
      for (const identity of identities) identity.clusterId = clusterId;
    },
    async stop() {
      await Promise.all(members.map((member) => member.stop()));
    },
  };
}
