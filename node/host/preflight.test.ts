import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import type { Run } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import { preflightReportSchema, preflightRequestSchema } from '../contract/host.ts';
import { silentLog } from '../log/log.ts';
import { answererOf, fullPayload, pingRtt, preflight } from './preflight.ts';

const test = suite('preflight');
const nic = (name: string, over: { bridge?: string; mtu?: number } = {}) => ({
  name,
  mac: '52:54:00:00:00:01',
  linkUp: true,
  mtu: 1500,
  addresses: [],
  ...over,
});

/** Captured from iputils 20240905. */
const answered = `PING 10.77.0.12 (10.77.0.12) from 10.77.0.11 br-mgmt: 56(84) bytes of data.

--- 10.77.0.12 ping statistics ---
3 packets transmitted, 3 received, 0% packet loss, time 413ms
rtt min/avg/max/mdev = 0.051/0.072/0.096/0.018 ms
`;
const silent = `PING 10.77.1.12 (10.77.1.12) from 10.77.1.11 stor0: 56(84) bytes of data.

--- 10.77.1.12 ping statistics ---
1 packets transmitted, 0 received, 100% packet loss, time 0ms

`;
const taken = `ARPING 10.77.0.12 from 0.0.0.0 br-mgmt
Unicast reply from 10.77.0.12 [52:54:00:77:00:02]  0.558ms
Sent 1 probes (1 broadcast(s))
Received 1 response(s)
`;

function fixture(
  answers: (argv: readonly string[]) => { exitCode: number; stdout: string } | Error,
  fsync = async () => ({ p50Ms: 1, p99Ms: 2, samples: 100 }),
) {
  const asked: string[] = [];
  const run: Run = async (argv, options) => {
    asked.push(argv.join(' '));
    const answer = answers(argv);
    if (answer instanceof Error) throw answer;
    if (answer.exitCode !== 0) assert.ok(options?.okExitCodes?.includes(answer.exitCode));
    return { ...answer, stderr: '' };
  };
  const ask = async (request: object) =>
    preflightReportSchema.parse(
      await preflight(
        {
          run,
          now: () => new Date(0),
          version: '0.1.0',
          nics: async () => [nic('mgmt0', { bridge: 'br-mgmt' }), nic('stor0', { mtu: 9000 })],
          accelerator: async () => 'kvm',
          memoryMiB: async () => 8192,
          systemFreeMiB: async () => 5000,
          fsync,
          log: silentLog,
        },
        preflightRequestSchema.parse(request),
      ),
    );
  return { asked, ask };
}

test('a peer that answers small and whole frames, through the bridge of the card', async () => {
  const { asked, ask } = fixture(() => ({ exitCode: 0, stdout: answered }));
  const report = await ask({
    peers: [{ network: 'mgmt', from: 'mgmt0', address: '10.77.0.12', mtu: 1500 }],
    fsyncDirectory: '/var/lib/trefoil',
  });
  assert.equal(report.reach, [
    { network: 'mgmt', address: '10.77.0.12', reachable: true, fullMtu: true, rttMs: 0.072 },
  ]);
  assert.equal(report.fsync?.samples, 100);
  assert.equal(asked, [
    'ping -n -q -c 3 -i 0.2 -W 1 -M do -s 56 -I br-mgmt 10.77.0.12',
    'ping -n -q -c 2 -i 0.2 -W 1 -M do -s 1472 -I br-mgmt 10.77.0.12',
  ]);
});

test('a switch on the way that drops large frames', async () => {
  const { ask } = fixture((argv) =>
    argv.includes('8972') ? { exitCode: 1, stdout: silent } : { exitCode: 0, stdout: answered },
  );
  const report = await ask({
    peers: [{ network: 'storage', from: 'stor0', address: '10.77.1.12', mtu: 9000 }],
  });
  assert.equal([report.reach[0]?.reachable, report.reach[0]?.fullMtu], [true, false]);
});

test('a peer that is not there, by a route that is not there, from a card that is not there', async () => {
  for (const exitCode of [1, 2]) {
    const { ask } = fixture(() => ({ exitCode, stdout: silent }));
    const report = await ask({
      peers: [{ network: 'storage', from: 'stor0', address: 'fe80::2', mtu: 1500 }],
    });
    assert.is(report.reach[0]?.reachable, false);
  }
  const { ask, asked } = fixture(() => ({ exitCode: 0, stdout: answered }));
  const report = await ask({ peers: [{ network: 'x', from: 'eth9', address: '10.0.0.1', mtu: 1500 }] });
  assert.equal([report.reach[0]?.reachable, asked], [false, []]);
});

test('an address that somebody has, one that is free, and a host without the tool', async () => {
  const wanted = [{ nic: 'mgmt0', address: '10.77.0.12' }];
  const used = fixture(() => ({ exitCode: 1, stdout: taken }));
  assert.equal((await used.ask({ peers: [], wanted })).addressConflicts, [
    { address: '10.77.0.12', mac: '52:54:00:77:00:02' },
  ]);
  const free = fixture(() => ({ exitCode: 0, stdout: 'Received 0 response(s)\n' }));
  assert.equal((await free.ask({ peers: [], wanted })).addressConflicts, []);
  const without = fixture(
    () => new AppError({ code: 'command.could-not-run', family: 'unavailable', message: 'no arping' }),
  );
  assert.equal((await without.ask({ peers: [], wanted })).addressConflicts, []);
});

test('what the tools say is understood or refused', () => {
  assert.is(pingRtt(answered), 0.072);
  assert.throws(() => pingRtt('rtt is fine'));
  assert.is(answererOf(taken), '52:54:00:77:00:02');
  assert.throws(() => answererOf('Received 1 response(s)'));
  assert.is(fullPayload('10.0.0.1', 1500, 1500), 1472);
  assert.is(fullPayload('fe80::1', 9000, 9000), 8952);
  assert.is(fullPayload('10.0.0.1', 9000, 1500), 1472, 'a card cannot send more than its own MTU now');
});

test('a full disk is measured by what is free on it alone', async () => {
  const full = async () => {
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  };
  const { ask } = fixture(() => ({ exitCode: 0, stdout: answered }), full);
  const report = await ask({ peers: [], fsyncDirectory: '/var/lib/trefoil' });
  assert.is(report.fsync, undefined);
  assert.is(report.systemFreeMiB, 5000);
});

test.run();
