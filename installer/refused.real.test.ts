import { spawn } from 'node:child_process';
import * as assert from 'uvu/assert';
import { bundleAll } from '../image/bundle.ts';
import { buildHostTree } from '../image/host/build.ts';
import { labAnswers, waitForBanners } from '../test/lab/form.ts';
import { execArgv } from '../test/lab/host.ts';
import { type LabHost, openLab } from '../test/lab/lab.ts';
import { fillProduct } from '../test/lab/product.ts';
import { eventually } from '../test/support/eventually.ts';
import { suite } from '../test/support/suite.ts';
import type { AnswersInput } from './contract/answers.ts';

/** What a person can get wrong, on three bare hosts: each ends in one plain sentence, and nothing was changed. */
const test = suite('formation refused by real hosts', { deadlineMs: 120_000 });
const lab = await openLab({ prefix: 'tfrefuse', hosts: 3 });
const [host1, host2, host3] = [lab.host('host1'), lab.host('host2'), lab.host('host3')];
const answerFile = '/run/answers.json';
const installer = ['/usr/lib/trefoil/node', '/usr/lib/trefoil/trefoil-installer.mjs'];
let good: AnswersInput;

test.before(async () => {
  await bundleAll();
  const { tree } = await buildHostTree();
  await lab.start({ tree, product: (folder) => fillProduct(folder) });
  await Promise.all(lab.hosts.map((host) => host.waitBooted()));
  good = labAnswers(lab.plan, await waitForBanners(lab), 'eleven blue herons');
});
test.after(async () => {
  await lab.stop();
});

const run = (host: LabHost, ...argv: string[]) =>
  host.exec([...installer, ...argv], { okExitCodes: [1, 2, 3], timeoutMs: 100_000 });

/** What must not change: who each host belongs to, its code, its network, what formation and storage would leave. */
async function traces(host: LabHost): Promise<string> {
  const script = [
    'cat /run/trefoil/issue',
    'ls -A /var/lib/trefoil/formation /var/lib/etcd 2>/dev/null',
    'ls -A /var/lib/trefoil/bricks /var/lib/trefoil/volumes 2>/dev/null',
    'ip -brief -4 address | grep -v ^lo',
    'systemctl is-active etcd glusterd',
    'blkid || true',
  ];
  return (await host.exec(['sh', '-c', script.join('; ')], { okExitCodes: [3] })).stdout;
}

const changed = (change: (answers: AnswersInput) => AnswersInput): string =>
  JSON.stringify(change(structuredClone(good)));

/** Forms with these answers: exactly these problems, no other word of trouble, and not a trace left. */
async function refuses(text: string, problems: string[]): Promise<void> {
  await host1.write(answerFile, text, 0o600);
  const before = await Promise.all(lab.hosts.map(traces));
  const { exitCode, stdout } = await run(host1, 'form', '--answers', answerFile, '--json');
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const told = lines.filter(
    (line) => line.event === 'error' || (line.event === 'problem' && line.severity === 'error'),
  );
  assert.equal(
    told.map((line) => line.reason ?? line.message),
    problems,
  );
  assert.is(exitCode, 1);
  assert.equal(await Promise.all(lab.hosts.map(traces)), before);
}

test('the hosts are fit as they are', async () => {
  await host1.write(answerFile, JSON.stringify(good), 0o600);
  const { exitCode, stdout, stderr } = await run(host1, 'validate', answerFile, '--live');
  assert.is(exitCode, 0, stdout + stderr);
});

test('a wrong answer file', () =>
  refuses(
    changed(
      (answers) => ({ ...answers, colour: 'blue', engine: { address: '10.77.0.255/24' } }) as AnswersInput,
    ),
    [
      'There is no answer called "colour" here.',
      '10.77.0.255 is the first or the last address of 10.77.0.0/24, which no machine can have.',
    ],
  ));

test('a wrong pairing code', () =>
  refuses(
    changed((answers) => ({
      ...answers,
      hosts: answers.hosts.map((host) =>
        host.name === 'host2' ? { ...host, pairingCode: 'ZZZZ-ZZZZ' } : host,
      ),
    })),
    ['The pairing code of host2 is not the one that it shows now.'],
  ));

test('a used disk', async () => {
  const device = `/dev/${(await host3.exec(['cat', '/etc/trefoil/disks-allow-loop'])).stdout.split(' ')[0]}`;
  await host3.exec(['mkfs.ext4', '-q', '-L', 'backup', device]);
  try {
    const { stdout } = await run(host1, 'validate', answerFile, '--live', '--json');
    assert.match(stdout, 'host3 has no free disk');
    await host1.write(answerFile, JSON.stringify(good));
    const before = await traces(host3);
    const { exitCode, stderr } = await run(host1, 'form', '--answers', answerFile);
    assert.is(exitCode, 1);
    assert.match(stderr, /host3 has no free disk: .* holds data/);
    assert.is(await traces(host3), before);
  } finally {
    await host3.exec(['blkdiscard', '--force', device]);
  }
});

test('a host with another version', async () => {
  const version = (await host2.exec(['cat', '/usr/lib/trefoil/version'])).stdout;
  const become = async (text: string) => {
    await host2.write('/usr/lib/trefoil/version', text);
    await host2.exec(['systemctl', 'restart', 'trefoil-node']);
    good = await withCodes();
  };
  await become('9.9.9\n');
  try {
    await refuses(JSON.stringify(good), [`host2 runs version 9.9.9, this host runs ${version.trim()}.`]);
  } finally {
    await become(version);
  }
});

const askCode = `require('node:http').get({ socketPath: '/run/trefoil/node.sock', path: '/local/v1/pairing' }, (answer) => {
  let text = '';
  answer.on('data', (chunk) => { text += chunk; });
  answer.on('end', () => process.stdout.write(JSON.parse(text).code));
});`;

/** An agent that starts anew makes a new code. */
async function withCodes(): Promise<AnswersInput> {
  const hosts = await Promise.all(
    good.hosts.map(async (host) => {
      if (host.find === 'this') return host;
      const pairingCode = await eventually(
        `the agent of ${host.name}`,
        async () => {
          const node = ['/usr/lib/trefoil/node', '-e', askCode];
          const { stdout } = await lab.host(host.name).exec(node, { okExitCodes: [1], timeoutMs: 10_000 });
          return stdout === '' ? undefined : stdout;
        },
        { deadlineMs: 30_000 },
      );
      return { ...host, pairingCode };
    }),
  );
  return { ...good, hosts };
}

test('a full system disk', async () => {
  // A small file system in place of the host's own state, with that state in it, filled to the brim.
  const state = '/var/lib/trefoil';
  await host2.exec([
    'sh',
    '-c',
    `mkdir /run/state && mount -t tmpfs -o size=2m tmpfs /run/state && cp -a ${state}/identity /run/state/ && mount --move /run/state ${state} || mount --bind /run/state ${state}`,
  ]);
  await host2.exec([
    'sh',
    '-c',
    `systemctl restart trefoil-node; dd if=/dev/zero of=${state}/fill bs=64k status=none; true`,
  ]);
  try {
    good = await withCodes();
    await host1.write(answerFile, JSON.stringify(good), 0o600);
    const { exitCode, stderr } = await run(host1, 'form', '--answers', answerFile);
    assert.is(exitCode, 1);
    assert.match(stderr, /host2.*full/, stderr);
    assert.match((await run(host1, 'status')).stdout, 'No formation was begun');
  } finally {
    await host2.exec(['sh', '-c', `umount ${state}; systemctl restart trefoil-node`]);
    good = await withCodes();
  }
});

test('an unreachable host', async () => {
  await host3.netDown('mgmt');
  try {
    await refuses(JSON.stringify(good), ['host3 cannot be reached at 10.77.0.13, port 7440.']);
  } finally {
    await host3.netUp('mgmt');
  }
});

test('a cut storage network', async () => {
  await host3.netDown('stor');
  try {
    await host1.write(answerFile, JSON.stringify(good), 0o600);
    const { exitCode, stderr } = await run(host1, 'form', '--answers', answerFile);
    assert.is(exitCode, 1);
    for (const host of ['host1', 'host2'])
      assert.match(stderr, `${host} cannot reach host3 on the storage network.`);
  } finally {
    await host3.netUp('stor');
  }
});

test('two formations at once, on one host', async () => {
  await host1.write(answerFile, JSON.stringify(good), 0o600);
  const [tool, ...args] = await execArgv(lab.plan, host1.plan, [
    ...installer,
    'form',
    '--answers',
    answerFile,
    '--dry-run',
  ]);
  const first = spawn(tool, args, { stdio: 'ignore' });
  try {
    const refusal = await eventually('the second one to be refused', async () => {
      const second = await run(host1, 'undo');
      return second.exitCode === 3 ? second : undefined;
    });
    assert.match(refusal.stderr, 'Another formation is at work on this host.');
  } finally {
    await new Promise((resolve) => (first.exitCode === null ? first.once('close', resolve) : resolve(0)));
  }
});

test('two formations that want the same host; then all is taken back', async () => {
  await host1.write(answerFile, JSON.stringify(good), 0o600);
  const began = await run(host1, 'form', '--answers', answerFile, '--stop-after', 'pair-host3');
  assert.is(began.exitCode, 0, began.stderr);
  const theirs = changed((answers) => ({
    ...answers,
    hosts: answers.hosts
      .filter((host) => host.name === 'host2')
      .map(({ pairingCode: _, ...host }) => ({ ...host, find: 'this' as const })),
  }));
  await host2.write(answerFile, theirs, 0o600);
  const second = await run(host2, 'form', '--answers', answerFile);
  assert.is(second.exitCode, 1);
  assert.match(second.stderr, 'host2 already belongs to the cluster Lab.');
  const undone = await run(host1, 'undo');
  assert.is(undone.exitCode, 0, undone.stderr);
  const { stdout } = await run(host1, 'discover');
  assert.match(stdout, 'host2');
  assert.match(stdout, 'host3');
});

test.run();
