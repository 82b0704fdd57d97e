/** A stand-in for the engine: the built page, and enough of the API, from memory. */
import { createReadStream, existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { LiveMessage } from '../../../engine/contract/events.ts';
import type { Job } from '../../../engine/contract/jobs.ts';
import type { Vm } from '../../../engine/contract/vms.ts';
import { uuid } from './samples.ts';
import { type Screen, serveScreen } from './vnc.ts';
import type { World } from './world.ts';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

export async function startMock(world: World, options: { port?: number; root?: string } = {}) {
  const root = options.root ?? 'dist/ui';
  const streams = new Set<ServerResponse>();
  let loggedIn = true;
  let lastJob = 500;
  const tell = (message: LiveMessage) => {
    for (const stream of streams) stream.write(`data: ${JSON.stringify(message)}\n\n`);
  };
  const session = () => ({
    csrfToken: 'x',
    user: { id: uuid(900), name: 'admin' },
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
  });
  const patchVm = (id: string, patch: Partial<Vm>) => {
    const index = world.vms.findIndex((vm) => vm.id === id);
    const before = world.vms[index];
    if (before === undefined) return;
    const vm = { ...before, ...patch };
    world.vms[index] = vm;
    tell({ kind: 'vm', vm });
  };
  const job = (title: string, vm: Vm, during: Partial<Vm>, after: Partial<Vm>): string => {
    lastJob += 1;
    const make = (state: Job['state'], progress: number): Job => ({
      id: uuid(lastJob) as Job['id'],
      kind: 'vm.action',
      title,
      state,
      progress,
      steps: [{ name: 'a', title: 'Ask the host', state: state === 'done' ? 'done' : 'running', detail: '' }],
      subject: { kind: 'vm', id: vm.id, name: vm.name },
      user: 'admin',
      canCancel: state !== 'done',
      createdAt: new Date().toISOString(),
      ...(state === 'done' ? { endedAt: new Date().toISOString() } : {}),
    });
    const show = (one: Job) => {
      world.jobs = [one, ...world.jobs.filter((other) => other.id !== one.id)];
      tell({ kind: 'job', job: one });
    };
    patchVm(vm.id, { ...during, jobId: uuid(lastJob) });
    show(make('running', 0.3));
    const { id } = make('running', 0);
    setTimeout(() => {
      if (title.startsWith('Delete')) {
        world.vms = world.vms.filter((one) => one.id !== vm.id);
        tell({ kind: 'vm-gone', id: vm.id });
        show({ ...make('done', 1), id });
        return;
      }
      const { jobId: _, ...rest } = world.vms.find((one) => one.id === vm.id) ?? vm;
      const index = world.vms.findIndex((one) => one.id === vm.id);
      world.vms[index] = { ...rest, ...after };
      tell({ kind: 'vm', vm: { ...rest, ...after } });
      show({ ...make('done', 1), id });
    }, 700);
    return id;
  };

  const api = async (
    method: string,
    path: string,
    body: unknown,
    request: IncomingMessage,
    response: ServerResponse,
  ) => {
    const answer = (status: number, value?: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(value === undefined ? undefined : JSON.stringify(value));
    };
    const refuse = (status: number, code: string, message: string) =>
      answer(status, { error: { code, family: 'denied', message, retry: 'never' } });
    const page = (items: readonly unknown[]) => answer(200, { items, total: items.length });
    const at = path.replace('/api/v1', '');
    if (at === '/health') return answer(200, { state: 'ready', version: '0.1.0' });
    if (at === '/sessions' && method === 'POST') {
      const { password } = body as { password: string };
      if (password !== 'trefoil') return refuse(403, 'session.wrong-password', 'Name or password is wrong.');
      loggedIn = true;
      return answer(201, session());
    }
    if (!loggedIn) return refuse(401, 'session.missing', 'Log in first.');
    if (at === '/sessions/current' && method === 'DELETE') {
      loggedIn = false;
      return answer(204);
    }
    if (at === '/sessions/current') return answer(200, session());
    if (at === '/overview') return answer(200, world.overview);
    if (at === '/engine')
      return answer(200, {
        version: '0.1.0',
        cluster: { id: uuid(1), name: 'office' },
        startedAt: new Date(Date.now() - 9e6).toISOString(),
        memoryMiB: 142,
        extensions: [],
        loops: [],
      });
    if (at === '/hosts' && method === 'GET') return page(world.hosts);
    if (at === '/hosts/discovered') return answer(200, { items: world.discovered });
    if (at === '/vms' && method === 'GET') return page(world.vms);
    if (at === '/vms') {
      const wanted = body as Vm & { diskMiB: number };
      const vm: Vm = {
        ...world.vms[0]!,
        ...wanted,
        id: uuid(lastJob + 3000) as Vm['id'],
        state: 'creating',
        reason: '',
        disks: [],
        nics: [],
        isEngine: false,
        createdAt: new Date().toISOString(),
      };
      delete vm.host;
      world.vms.push(vm);
      return answer(202, {
        jobId: job(`Create VM ${vm.name}`, vm, {}, { state: 'running' }),
        vmId: vm.id,
        id: vm.id,
      });
    }
    if (at === '/jobs') return page(world.jobs);
    if (at === '/volumes') return page(world.volumes);
    if (at === '/images' && method === 'GET') return page(world.images);
    if (at === '/networks') return answer(200, { items: [{ name: 'mgmt', bridge: 'br-mgmt' }] });
    if (at === '/events') {
      if (request.headers.accept !== 'text/event-stream') return page(world.events);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify({ kind: 'hello', now: new Date().toISOString() })}\n\n`);
      streams.add(response);
      response.on('close', () => streams.delete(response));
      return;
    }
    const [, id = '', verb = ''] = /^\/vms\/([^/]+)(?:\/(.*))?$/.exec(at) ?? [];
    const vm = world.vms.find((one) => one.id === id);
    if (vm !== undefined) {
      if (method === 'DELETE')
        return answer(202, { jobId: job(`Delete ${vm.name}`, vm, { state: 'deleting' }, {}) });
      if (verb === 'placement')
        return answer(200, {
          hosts: world.hosts.map((host) => ({
            id: host.id,
            name: host.name,
            fits: host.id !== vm.host?.id && host.state === 'online',
            score: host.memory.availableMiB,
            reasons:
              host.id === vm.host?.id
                ? ['It runs here already.']
                : [
                    `${Math.round(host.memory.availableMiB / 1024)} GiB of memory are free.`,
                    'The processor is the same.',
                  ],
          })),
        });
      if (verb === 'serial-log') {
        response.writeHead(200, { 'content-type': 'text/plain' });
        response.end(world.serial);
        return;
      }
      if (verb === 'console')
        return answer(201, {
          ticket: 't',
          path: '/api/v1/console?ticket=t',
          expiresAt: new Date(Date.now() + 30_000).toISOString(),
        });
      if (verb === 'actions/start')
        return answer(202, {
          jobId: job(`Start ${vm.name}`, vm, { state: 'starting' }, { state: 'running' }),
        });
      if (verb === 'actions/shutdown' || verb === 'actions/stop')
        return answer(202, {
          jobId: job(`Shut down ${vm.name}`, vm, { state: 'stopping' }, { state: 'off' }),
        });
      if (verb === 'actions/migrate')
        return answer(202, {
          jobId: job(`Move ${vm.name}`, vm, { state: 'migrating' }, { state: 'running' }),
        });
    }
    return refuse(404, 'route.missing', `The stand-in has no ${method} ${at}.`);
  };

  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    if (pathname.startsWith('/api/')) {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        void api(
          request.method ?? 'GET',
          pathname,
          text === '' ? undefined : JSON.parse(text),
          request,
          response,
        );
      });
      return;
    }
    const file = join(root, pathname);
    const path = extname(pathname) !== '' && existsSync(file) ? file : join(root, 'index.html');
    response.writeHead(200, { 'content-type': types[extname(path)] ?? 'application/octet-stream' });
    createReadStream(path).pipe(response);
  });
  const screens: Screen[] = [];
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (client) =>
      screens.push(serveScreen(createWebSocketStream(client))),
    );
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    tell,
    patchVm,
    screens,
    logOutEveryone: () => {
      loggedIn = false;
      for (const stream of streams) stream.end();
    },
    close: () =>
      new Promise<void>((resolve) => {
        for (const stream of streams) stream.destroy();
        for (const screen of screens) screen.drop();
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
