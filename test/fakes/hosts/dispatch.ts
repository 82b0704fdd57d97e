import { makeNodeClient, type NodeClient, type NodeSend } from '../../../node/contract/client.ts';
import { AppError, asAppError, httpStatusOf } from '../../../node/contract/error.ts';
import {
  type CallerRole,
  type NodeRoute,
  type NodeRouteName,
  nodeRoutes,
} from '../../../node/contract/routes.ts';
import type { Handlers } from './handlers.ts';
import { fenceHandlers } from './handlers-fence.ts';
import { hostHandlers } from './handlers-host.ts';
import { pairingHandlers } from './handlers-pairing.ts';
import { storageHandlers } from './handlers-storage.ts';
import { vmHandlers } from './handlers-vms.ts';
import type { FakeHost, FakeWorld, Fault } from './model.ts';

/** What hosts ask of each other; the fakes move VMs among themselves without. */
const betweenHosts = (): never => {
  throw new AppError({ code: 'route.missing', family: 'missing', message: 'Fake hosts do not ask this.' });
};
const handlers: Handlers = {
  ...fenceHandlers,
  ...hostHandlers,
  ...pairingHandlers,
  ...storageHandlers,
  ...vmHandlers,
  expectVm: betweenHosts,
  forgetExpectedVm: betweenHosts,
  putVmSerialHistory: betweenHosts,
};

const patterns = Object.entries(nodeRoutes).map(([name, route]: [string, NodeRoute]) => ({
  // The keys of the table are its names.
  name: name as NodeRouteName,
  route,
  regex: new RegExp(`^${route.path.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`),
}));

export type FakeAnswer = { status: number; body: unknown };

/** One request as the agent would answer it: role, schema, handler, schema again, errors as bodies. */
export async function handle(
  world: FakeWorld,
  host: FakeHost,
  role: CallerRole,
  request: { method: string; path: string; body: unknown; signal?: AbortSignal | undefined },
): Promise<FakeAnswer> {
  try {
    if (!host.powered) throw unreachable(host);
    const found = patterns.find(
      (each) => each.route.method === request.method && each.regex.test(request.path),
    );
    if (found === undefined)
      throw new AppError({ code: 'route.missing', family: 'missing', message: 'There is no such route.' });
    if (!found.route.roles.includes(role))
      throw new AppError({ code: 'route.denied', family: 'denied', message: `${role} may not do this.` });
    const params = Object.fromEntries(
      Object.entries(found.regex.exec(request.path)?.groups ?? {}).map(([key, value]) => [
        key,
        decodeURIComponent(value),
      ]),
    );
    const parsed = found.route.body?.safeParse(request.body);
    if (parsed?.success === false)
      throw new AppError({
        code: 'request.invalid',
        family: 'invalid',
        message: `The request ${found.name} is not understood: ${parsed.error.issues[0]?.message ?? ''}`,
        cause: parsed.error,
      });
    await world.onRequest?.(host, found.name, 'before');
    const fault = takeFault(host, found.name);
    if (fault?.kind === 'hang') await untilAborted(request.signal);
    if (fault?.kind === 'refuse') throw faultError(fault, host);
    // The body was parsed by this route's own schema.
    const handler = handlers[found.name] as (call: unknown) => unknown;
    const reply = await handler({ world, host, params, body: parsed?.data });
    await world.onRequest?.(host, found.name, 'after');
    if (fault?.kind === 'lose') throw faultError(fault, host);
    // What a real agent would never send must not pass here either; and nobody shares memory with it.
    const checked = found.route.reply === undefined ? undefined : found.route.reply.parse(reply);
    return { status: 200, body: checked === undefined ? undefined : JSON.parse(JSON.stringify(checked)) };
  } catch (thrown) {
    if (request.signal?.aborted === true) throw thrown;
    const error = asAppError(thrown, `answering ${request.method} ${request.path}`);
    if (error.code === 'internal.bug') throw thrown;
    return { status: httpStatusOf[error.family], body: error.toBody() };
  }
}

const unreachable = (host: FakeHost): AppError =>
  new AppError({
    code: 'host.unreachable',
    family: 'unavailable',
    message: `${host.options.name} cannot be reached.`,
    remedy: 'See whether it is switched on and connected.',
  });

function takeFault(host: FakeHost, name: NodeRouteName): Fault | undefined {
  const fault = host.faults[name];
  if (fault === undefined || fault.times === 0) return undefined;
  if (fault.times !== undefined) fault.times -= 1;
  return fault;
}

const faultError = (fault: Fault, host: FakeHost): AppError =>
  fault.error === undefined ? unreachable(host) : new AppError(fault.error);

const untilAborted = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

/** Requests to this host without a network between: what mTLS or the unix socket would carry. */
export const sendTo =
  (world: FakeWorld, host: FakeHost, role: CallerRole): NodeSend =>
  (request) =>
    handle(world, host, role, {
      ...request,
      body: request.body === undefined ? undefined : JSON.parse(JSON.stringify(request.body)),
    });

export const clientOf = (world: FakeWorld, host: FakeHost, role: CallerRole): NodeClient =>
  makeNodeClient(sendTo(world, host, role));
