import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * A small Redfish service (DSP0266) of one system, over TLS: service root, sessions and basic authentication, power state
 * and ComputerSystem.Reset. What Debian's fence_redfish asks for, and what a person would look at with curl.
 */
export type RedfishFaults = {
  /** accepts connections and never answers */
  dead?: boolean;
  /** waits before each answer */
  slowMs?: number;
  /** accepts a reset, and does nothing */
  lying?: boolean;
  /** each reset is refused with this status */
  refuse?: number;
  /** answers with text that is no JSON */
  garbage?: boolean;
  /** answers without a power state */
  stateless?: boolean;
};

export type Redfish = {
  port: number;
  faults: RedfishFaults;
  powerState(): 'On' | 'Off';
  /** each request as "METHOD path status" */
  requests: string[];
  close(): Promise<void>;
};

const system = '/redfish/v1/Systems/1';
const reset = `${system}/Actions/ComputerSystem.Reset`;
const sessions = '/redfish/v1/SessionService/Sessions';
/** what each reset type leads to */
const resets: Record<string, 'On' | 'Off'> = {
  On: 'On',
  ForceOn: 'On',
  ForceOff: 'Off',
  GracefulShutdown: 'Off',
  ForceRestart: 'On',
  GracefulRestart: 'On',
  PowerCycle: 'On',
};

type Answer = { status: number; body?: unknown; headers?: Record<string, string> };

const failure = (status: number, code: string, message: string): Answer => ({
  status,
  body: { error: { code: `Base.1.18.${code}`, message, '@Message.ExtendedInfo': [] } },
  ...(status === 401 ? { headers: { 'WWW-Authenticate': 'Basic realm="Redfish"' } } : {}),
});

export async function startRedfish(options: {
  key: string;
  certificate: string;
  username: string;
  password: string;
  faults?: RedfishFaults;
}): Promise<Redfish> {
  let power: 'On' | 'Off' = 'On';
  const requests: string[] = [];
  const tokens = new Set<string>();
  const faults: RedfishFaults = options.faults ?? {};

  const basic = `Basic ${Buffer.from(`${options.username}:${options.password}`).toString('base64')}`;
  const open = (method: string, path: string) =>
    (method === 'GET' && (path === '/redfish' || path === '/redfish/v1')) ||
    (method === 'POST' && path === sessions);

  const answer = (method: string, path: string, body: string): Answer => {
    const known: Record<string, () => Answer> = {
      'GET /redfish': () => ({ status: 200, body: { v1: '/redfish/v1/' } }),
      'GET /redfish/v1': () => ({ status: 200, body: root }),
      'GET /redfish/v1/Systems': () => ({ status: 200, body: collection('Systems', [system]) }),
      [`GET ${system}`]: () => ({
        status: 200,
        body: systemOf(faults.stateless === true ? undefined : power),
      }),
      [`POST ${reset}`]: () => resetTo(body),
      [`GET ${sessions}`]: () => ({ status: 200, body: collection('SessionService/Sessions', []) }),
      [`POST ${sessions}`]: () => login(body),
    };
    const handler = known[`${method} ${path}`];
    if (handler !== undefined) return handler();
    const other = Object.keys(known).some((one) => one.endsWith(` ${path}`));
    return other
      ? failure(405, 'OperationNotAllowed', 'The method is not allowed here.')
      : failure(404, 'ResourceMissingAtURI', `There is nothing at ${path}.`);
  };

  const parse = (body: string): Record<string, unknown> | undefined => {
    try {
      const value: unknown = JSON.parse(body);
      return typeof value === 'object' && value !== null ? { ...value } : undefined;
    } catch {
      return undefined;
    }
  };
  const resetTo = (body: string): Answer => {
    const type = String(parse(body)?.['ResetType']);
    const next = resets[type];
    if (next === undefined)
      return failure(400, 'ActionParameterNotSupported', `ResetType "${type}" is not supported.`);
    if (faults.refuse !== undefined) return failure(faults.refuse, 'GeneralError', 'The reset was refused.');
    if (faults.lying !== true) power = next;
    return { status: 204 };
  };
  const login = (body: string): Answer => {
    const given = parse(body);
    if (given?.['UserName'] !== options.username || given?.['Password'] !== options.password)
      return failure(401, 'NoValidSession', 'The user or the password is wrong.');
    const token = crypto.randomUUID();
    tokens.add(token);
    const location = `${sessions}/${tokens.size}`;
    return {
      status: 201,
      headers: { 'X-Auth-Token': token, Location: location },
      body: { '@odata.id': location, '@odata.type': '#Session.v1_7_0.Session', UserName: options.username },
    };
  };

  const server: Server = createServer(
    { key: options.key, cert: options.certificate },
    async (request, response) => {
      const method = request.method ?? '';
      const path = (request.url ?? '').split('?')[0]?.replace(/(.)\/$/, '$1') ?? '';
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      if (faults.dead === true) return;
      if (faults.slowMs !== undefined) await delay(faults.slowMs);
      const token = request.headers['x-auth-token'];
      const allowed =
        open(method, path) ||
        request.headers.authorization === basic ||
        (typeof token === 'string' && tokens.has(token));
      const { status, body, headers } = allowed
        ? answer(method, path, Buffer.concat(chunks).toString('utf8'))
        : failure(401, 'InsufficientPrivilege', 'Authenticate first.');
      requests.push(`${method} ${path} ${status}`);
      response.writeHead(status, { 'OData-Version': '4.0', 'content-type': 'application/json', ...headers });
      response.end(faults.garbage === true ? '<html>502' : body === undefined ? '' : JSON.stringify(body));
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    // listening on TCP: the address has a port
    port: (server.address() as AddressInfo).port,
    faults,
    powerState: () => power,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const root = {
  '@odata.id': '/redfish/v1/',
  '@odata.type': '#ServiceRoot.v1_16_0.ServiceRoot',
  Id: 'RootService',
  Name: 'Root Service',
  RedfishVersion: '1.18.0',
  Systems: { '@odata.id': '/redfish/v1/Systems' },
  SessionService: { '@odata.id': '/redfish/v1/SessionService' },
  Links: { Sessions: { '@odata.id': sessions } },
};

const collection = (name: string, members: string[]) => ({
  '@odata.id': `/redfish/v1/${name}`,
  Name: `${name} collection`,
  'Members@odata.count': members.length,
  Members: members.map((one) => ({ '@odata.id': one })),
});

const systemOf = (power: 'On' | 'Off' | undefined) => ({
  '@odata.id': system,
  '@odata.type': '#ComputerSystem.v1_22_0.ComputerSystem',
  Id: '1',
  Name: 'System',
  SystemType: 'Physical',
  ...(power === undefined ? {} : { PowerState: power }),
  Status: { State: power === 'Off' ? 'Disabled' : 'Enabled', Health: 'OK' },
  Actions: {
    '#ComputerSystem.Reset': { target: reset, 'ResetType@Redfish.AllowableValues': Object.keys(resets) },
  },
});
