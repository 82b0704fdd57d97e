import { makeNodeClient, type NodeClient } from '../../node/contract/client.ts';
import { AppError } from '../../node/contract/error.ts';
import type { LabHost } from '../lab/lab.ts';

/** Speaks to the agent of a host of the lab as root there does: by its unix socket, from inside. */
const caller = `const [method, path] = process.argv.slice(1);
const asked = require('node:http').request({ socketPath: '/run/trefoil/node.sock', method, path }, (answer) => {
  let text = '';
  answer.on('data', (chunk) => { text += chunk; });
  answer.on('end', () => console.log(JSON.stringify({ status: answer.statusCode, text })));
});
process.stdin.on('data', (chunk) => asked.write(chunk));
process.stdin.on('end', () => asked.end());
`;

export async function askAgent(
  host: LabHost,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: unknown }> {
  const input = body === undefined ? '' : JSON.stringify(body);
  const { stdout } = await host.exec(['/usr/lib/trefoil/node', '-e', caller, method, path], { input });
  const { status, text } = JSON.parse(stdout);
  return { status: Number(status), body: text === '' ? undefined : JSON.parse(text) };
}

export const agentOf = (host: LabHost): NodeClient =>
  makeNodeClient(({ method, path, body }) => askAgent(host, method, path, body));

/** The code of the AppError that a promise ends with, or `no error`. */
export async function errorCodeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'no error';
}
