import type { Clock } from '../clock/clock.ts';
import type { Run } from '../command/run.ts';
import { AppError, asAppError } from '../contract/error.ts';
import type { FenceDevice, FenceOptions } from '../contract/fence.ts';
import type { Log } from '../log/log.ts';
import { type Agents, type AgentsEnv, type FenceCall, makeAgents } from './agent.ts';
import { nextStep, type PowerTimings, powerTimings, type Told } from './power-decide.ts';

/**
 * Switches a host off by its fence devices and proves it. The devices of the lowest order are used together, and each must
 * say "off" after all of them have; the next order is tried when the former failed. A device that does not answer is no
 * proof, and nothing here ever takes silence for one.
 */
export type PowerFence = {
  /** resolves with who saw what; else throws `fence.*`, or the signal's reason */
  off(devices: readonly FenceDevice[], signal: AbortSignal): Promise<{ says: string }>;
};

export type PowerFenceEnv = {
  run: Run;
  clock: Clock;
  log: Log;
  /** throws `fence.needs-sealing` when this host has no copy */
  openSecrets(device: FenceDevice): FenceOptions | Promise<FenceOptions>;
  timings?: PowerTimings;
  agents?: Omit<AgentsEnv, 'run'>;
};

export function makePowerFence(env: PowerFenceEnv): PowerFence {
  const agents = makeAgents({ run: env.run, ...env.agents });
  const timings = env.timings ?? powerTimings;
  return {
    async off(devices, signal) {
      const orders = [...new Set(devices.map(({ order }) => order))].sort((a, b) => a - b);
      if (new Set(devices.map(({ host }) => host)).size > 1)
        throw new AppError({
          code: 'fence.mixed-hosts',
          family: 'bug',
          message: 'The fence devices of several hosts were to be used as if they were of one.',
        });
      const failures: AppError[] = [];
      for (const order of orders) {
        const together = devices.filter((device) => device.order === order);
        try {
          return await offTogether({ ...env, agents, timings }, together, signal);
        } catch (error) {
          signal.throwIfAborted();
          failures.push(asAppError(error, 'switching off a host'));
        }
      }
      throw failed(failures);
    },
  };
}

type OrderEnv = Pick<PowerFenceEnv, 'clock' | 'log' | 'openSecrets'> & {
  agents: Agents;
  timings: PowerTimings;
};

/** One device fails for good: the others of its order need not go on, since all would have to say off. */
async function offTogether(
  env: OrderEnv,
  devices: readonly FenceDevice[],
  signal: AbortSignal,
): Promise<{ says: string }> {
  const untilMs = env.clock.now() + env.timings.orderMs;
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const round = async (before: readonly Told[]): Promise<boolean> => {
    const results = await Promise.allSettled(
      devices.map((device) =>
        offOne(env, device, before, untilMs, both).catch((error: unknown) => {
          stop.abort(error);
          throw error;
        }),
      ),
    );
    signal.throwIfAborted();
    if (results.some(({ status }) => status === 'rejected')) throw stop.signal.reason;
    return results.every((result) => result.status === 'fulfilled' && result.value === 1);
  };
  await round([]);
  // One may have come back on while another was still being switched off: until all say off in one round of questions.
  if (devices.length > 1) while (!(await round([{ act: 'off', ended: 'done' }]))) signal.throwIfAborted();
  const names = devices.map(({ agent, options }) => `${agent}${placeOf(options)}`);
  return { says: `${names.join(' and ')} ${names.length === 1 ? 'says' : 'say'} that it is off` };
}

const placeOf = (options: FenceOptions): string => {
  const { ip, plug } = options;
  return `${ip === undefined ? '' : ` at ${ip}`}${plug === undefined ? '' : `, plug ${plug}`}`;
};

/** How many questions it took. */
async function offOne(
  env: OrderEnv,
  device: FenceDevice,
  before: readonly Told[],
  untilMs: number,
  signal: AbortSignal,
): Promise<number> {
  const { clock, timings, log } = env;
  const about = { device: device.id, host: device.host, agent: device.agent };
  const secrets = await env.openSecrets(device);
  const call: FenceCall = { agent: device.agent, options: device.options, secrets };
  const told: Told[] = [...before];
  for (;;) {
    const leftMs = untilMs - clock.now();
    const step = nextStep({ told }, leftMs, timings);
    if (step.kind === 'proven') return told.length - before.length;
    if (step.kind === 'failed')
      throw new AppError({
        code: step.code,
        family: 'unavailable',
        message: `${device.agent}${placeOf(device.options)}: ${step.says}`,
        details: { device: device.id },
      });
    if (step.afterMs > 0) await clock.sleep(step.afterMs, signal);
    const began = clock.now();
    const answer = await ask(env, call, step.act, untilMs - began, signal);
    told.push(answer);
    log.info('fence device', {
      ...about,
      act: step.act,
      ended: answer.ended,
      ms: Math.round(clock.now() - began),
      ...(answer.ended === 'failed' ? { says: answer.says } : {}),
    });
  }
}

/** These do not get better by asking again, and some devices lock a user out after a few wrong passwords. */
const finalCodes = ['fence.login-refused', 'fence.agent-missing', 'fence.option-refused'];

async function ask(
  { agents, timings }: OrderEnv,
  call: FenceCall,
  act: 'off' | 'status',
  leftMs: number,
  signal: AbortSignal,
): Promise<Told> {
  const timeoutMs = Math.max(1_000, Math.min(leftMs, act === 'off' ? timings.offMs : timings.statusMs));
  try {
    if (act === 'status') return { act, ended: await agents.status(call, { timeoutMs, signal }) };
    await agents.off(call, { timeoutMs, signal });
    return { act, ended: 'done' };
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = asAppError(error, 'asking a fence device');
    return { act, ended: 'failed', says: message, final: finalCodes.includes(code) };
  }
}

function failed(failures: readonly AppError[]): AppError {
  const [only] = failures;
  if (only === undefined)
    return new AppError({
      code: 'fence.no-device',
      family: 'invalid',
      message: 'The host has no fence device.',
      remedy: 'Add one, so that the host can be switched off from outside.',
    });
  if (failures.length === 1) return only;
  return new AppError({
    code: failures.some(({ code }) => code === 'fence.lying') ? 'fence.lying' : 'fence.no-proof',
    family: 'unavailable',
    message: failures.map(({ message }) => message).join('; '),
    cause: failures.at(-1),
  });
}
