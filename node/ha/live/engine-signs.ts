import { request } from 'node:https';
import type { Clock } from '../../clock/clock.ts';
import {
  type EngineState,
  engineChannel,
  engineChannelAnswerSchema,
  engineHealthSchema,
} from '../../contract/engine-channel.ts';
import { AppError } from '../../contract/error.ts';
import type { VmId } from '../../contract/ids.ts';
import type { LibvirtClient } from '../../libvirt/client.ts';
import type { DomainRef } from '../../libvirt/procedures/shapes.ts';
import type { EngineSign, EngineSigns } from '../model.ts';

/**
 * Asks the engine how it is, while its VM runs here: by its address, and through its VM's channel. Each way has one
 * question at a time, and nothing here is waited for by the loop: it reads what is known.
 */
export type EngineWatch = { signs(): EngineSigns | undefined; tick(): void };

type EngineRun = { vm: VmId; ref: DomainRef };
type EngineWatchEnv = {
  /** undefined: it does not run here */
  engine(): EngineRun | undefined;
  askApi(): Promise<EngineSign>;
  askChannel(ref: DomainRef): Promise<EngineSign>;
  clock: Clock;
};

const signOf: Record<EngineState, EngineSign> = {
  ready: 'ready',
  starting: 'starting',
  'database-down': 'sick',
};

export function watchEngine(env: EngineWatchEnv): EngineWatch {
  let run: string | undefined;
  let signs = { api: 'unknown' as EngineSign, channel: 'unknown' as EngineSign };
  const asking = new Set<string>();

  const runOf = ({ vm, ref }: EngineRun): string => `${vm} ${ref.id}`;
  const ask = (way: 'api' | 'channel', of: string, question: () => Promise<EngineSign>): void => {
    const key = `${way} ${of}`;
    if (asking.has(key)) return;
    asking.add(key);
    void question()
      .catch((): EngineSign => 'unknown')
      .then((sign) => {
        asking.delete(key);
        if (run === of) signs = { ...signs, [way]: sign };
      });
  };

  return {
    tick() {
      const engine = env.engine();
      const now = engine === undefined ? undefined : runOf(engine);
      if (now !== run) signs = { api: 'unknown', channel: 'unknown' };
      run = now;
      if (engine === undefined || now === undefined) return;
      ask('api', now, () => env.askApi());
      ask('channel', now, () => env.askChannel(engine.ref));
    },
    signs() {
      const engine = env.engine();
      return engine === undefined || runOf(engine) !== run ? undefined : { vm: engine.vm, run, ...signs };
    },
  };
}

const apiMs = 2_000;
/** What a network says when nobody answers there; all else (a certificate that is not ours) is no word about the engine. */
const noAnswer = ['ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ETIMEDOUT'];
const maxAnswerBytes = 64 * 1024;

/** `GET /api/v1/health` on the engine's address, trusting the cluster's authority alone. */
export function askEngineApi(address: string | undefined, ca: string, port = 443): Promise<EngineSign> {
  if (address === undefined) return Promise.resolve('unknown');
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(apiMs);
    const options = { host: address, port, path: '/api/v1/health', ca, agent: false, signal };
    const asked = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > maxAnswerBytes) asked.destroy();
      });
      response.on('error', () => resolve(signal.aborted ? 'silent' : 'unknown'));
      response.on('close', () => resolve(signal.aborted ? 'silent' : 'unknown'));
      response.on('end', () => resolve(signOfText(text, engineHealthSchema)));
    });
    asked.on('error', (error: NodeJS.ErrnoException) =>
      resolve(signal.aborted || noAnswer.includes(error.code ?? '') ? 'silent' : 'unknown'),
    );
    asked.end();
  });
}

type HealthSchema = { safeParse(value: unknown): { data?: { state: EngineState } | undefined } };
function signOfText(text: string, schema: HealthSchema): EngineSign {
  try {
    const state = schema.safeParse(JSON.parse(text)).data?.state;
    return state === undefined ? 'unknown' : signOf[state];
  } catch {
    return 'unknown';
  }
}

const channelSeconds = 3;
/** libvirt itself waits 5 s for a sign of life before it sends the command. */
const channelDeadlineMs = 12_000;
const atOnceMs = 2_000;

/** Through libvirt. It says at once when nobody has opened the port in the VM, and after some seconds that nobody answers. */
export async function askEngineChannel(
  libvirt: Pick<LibvirtClient, 'agentCommand'>,
  ref: DomainRef,
  clock: Clock,
): Promise<EngineSign> {
  const sentMs = clock.now();
  const command = JSON.stringify({ execute: engineChannel.healthCommand });
  try {
    const text = await libvirt.agentCommand(ref, command, channelSeconds, { deadlineMs: channelDeadlineMs });
    const parsed = engineChannelAnswerSchema.safeParse(JSON.parse(text ?? ''));
    return parsed.success ? signOf[parsed.data.return.state] : 'unknown';
  } catch (error) {
    // Anything else says that libvirt is not well, and nothing about the engine.
    if (!(error instanceof AppError) || error.code !== 'libvirt.agent-unresponsive') return 'unknown';
    return clock.now() - sentMs < atOnceMs ? 'gone' : 'silent';
  }
}
