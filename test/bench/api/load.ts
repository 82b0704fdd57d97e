import { Agent, request } from 'node:https';

export type Target = { port: number; ca: string; token: string };
export type Times = { p50: number; p95: number; max: number };
export type Answer = { status: number; text: string };

/** One request over a kept connection, to the last byte of its answer. */
export function ask(agent: Agent, target: Target, path: string, body?: unknown): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        agent,
        host: '127.0.0.1',
        port: target.port,
        path,
        method: body === undefined ? 'GET' : 'POST',
        ca: target.ca,
        headers: {
          ...(target.token === '' ? {} : { authorization: `Bearer ${target.token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => void chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
        response.on('error', reject);
      },
    );
    sent.setTimeout(30_000, () => sent.destroy(new Error(`no answer to ${path} within 30 s`)));
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

export const makeAgent = (connections: number): Agent =>
  new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo' });

export function timesOf(samples: readonly number[]): Times {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}

async function timed(agent: Agent, target: Target, path: string): Promise<number> {
  const before = performance.now();
  const { status } = await ask(agent, target, path);
  if (status !== 200) throw new Error(`${path} was answered with ${status}`);
  return performance.now() - before;
}

/** `count` requests with `width` under way at any time. */
async function burst(agent: Agent, target: Target, path: string, count: number, width: number) {
  const samples: number[] = [];
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      samples.push(await timed(agent, target, path));
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  return samples;
}

/** Engine and floor in turn, round by round. */
export async function compare(
  engine: Target,
  floor: Target,
  paths: { engine: string; floor: string },
  options: { rounds: number; count: number; width: number },
): Promise<{ engine: Times; floor: Times }> {
  const agents = { engine: makeAgent(options.width), floor: makeAgent(options.width) };
  const samples = { engine: [] as number[], floor: [] as number[] };
  try {
    for (let round = -1; round < options.rounds; round++) {
      const ours = await burst(agents.engine, engine, paths.engine, options.count, options.width);
      const bare = await burst(agents.floor, floor, paths.floor, options.count, options.width);
      // The first round warms up: connections, compiled code.
      if (round < 0) continue;
      samples.engine.push(...ours);
      samples.floor.push(...bare);
    }
  } finally {
    agents.engine.destroy();
    agents.floor.destroy();
  }
  return { engine: timesOf(samples.engine), floor: timesOf(samples.floor) };
}
