import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { type Run, run } from '../command/run.ts';
import { makeAgents } from './agent.ts';

/** Debian's fence_apc_snmp and snmpget, towards a socket that writes down what it is sent: is the community there, and only there? */
const test = suite('fencing by SNMP', { deadlineMs: 60_000 });
const community = `c0mm "un' \\ #ity `;
let folder = '';
let socket: Socket;

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trefoil-snmp-'));
  socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
});
test.after(async () => {
  socket.close();
  await rm(folder, { recursive: true });
});

const argumentsOfAll = async (): Promise<string[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return all.map((text) => text.replaceAll('\0', ' '));
};

test('the device is sent the community, whatever is in it; no process has it as an argument', async () => {
  const here: Run = (argv, options) =>
    run(argv, { ...options, env: { ...options?.env, TREFOIL_SNMP_FOLDER: folder } });
  const agents = makeAgents({
    run: here,
    snmpFolder: join(import.meta.dirname, '../../image/host/files/usr/lib/trefoil'),
  });
  const { port } = socket.address();
  const options = { ip: '127.0.0.1', ipport: `${port}`, plug: '3' };
  const sent = once(socket, 'message');
  const asked = refused(
    agents.status({ agent: 'fence_apc_snmp', options, secrets: { community } }, { timeoutMs: 10_000 }),
  );
  const [packet] = (await sent) as [Buffer];
  const running = await argumentsOfAll();
  assert.ok(packet.includes(community), packet.toString('latin1'));
  const tool = running.find(
    (line) => /^\/usr\/bin\/snmp(get|walk) /.test(line) && line.includes(`:${port} `),
  );
  assert.not.match(tool ?? 'it does not run', / -c |it does not run/);
  assert.equal(
    running.filter((line) => line.includes('c0mm')),
    [],
  );
  const error = await asked;
  assert.not.match(JSON.stringify(error.toBody()), 'c0mm');
  assert.equal(await readdir(folder), [], 'nothing is left of it');
});

test.run();
