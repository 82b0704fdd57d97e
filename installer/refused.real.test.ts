import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as assert from 'uvu/assert';
import { startBare, waitBare } from '../test/lab/bare.ts';
import { labAnswers } from '../test/lab/form.ts';
import { execArgv } from '../test/lab/host.ts';
import { type LabHost, openLab } from '../test/lab/lab.ts';
import { suite } from '../test/support/suite.ts';
import type { AnswersInput } from './contract/answers.ts';

/**
 * What a person can get wrong, on three bare hosts: each ends in one plain sentence, and nothing was changed. Every case
 * finds the hosts bare, with the codes they show then, and puts back what it changed: none needs another to run before it.
 */
const test = suite('formation refused by real hosts', { deadlineMs: 170_000 });
const lab = await openLab({ prefix: 'tfrefuse', hosts: 3 });
const [host1, host2, host3] = [lab.host('host1'), lab.host('host2'), lab.host('host3')];
const answerFile = '/run/answers.json';
const installer = ['/usr/lib/trefoil/node', '/usr/lib/trefoil/trefoil-installer.mjs'];

test.before(() => startBare(lab));
test.after(() => lab.stop());

/** With the codes that the hosts show now. */
const soundAnswers = async (here = 'host1') =>
  labAnswers(lab.plan, await waitBare(lab), 'eleven blue herons', here);

/** One after the other also when one is given up for its deadline: what it put off to its end is done first. */
let last: Promise<unknown> = Promise.resolve();
function refusal(name: string, body: (good: AnswersInput) => Promise<void>): void {
  test(name, async () => {
    const before = last;
    let done = () => {};
    last = new Promise<void>((resolve) => {
      done = resolve;
    });
    await before;
    try {
      await body(await soundAnswers());
    } finally {
      done();
    }
  });
}

const run = (host: LabHost, ...argv: string[]) =>
  host.exec([...installer, ...argv], { okExitCodes: [1, 2, 3], timeoutMs: 60_000 });
const giveAnswers = (host: LabHost, answers: AnswersInput) =>
  host.write(answerFile, JSON.stringify(answers), 0o600);

/** What must not change: who each host belongs to, its code, its network, what formation and storage would leave. */
async function traces(host: LabHost): Promise<string> {
  const script = [
    'cat /run/trefoil/issue',
    'ls -A /var/lib/trefoil /var/lib/trefoil/formation /var/lib/etcd /var/lib/glusterd/vols 2>/dev/null',
    'ls -A /var/lib/trefoil/bricks /var/lib/trefoil/volumes 2>/dev/null',
    'ip -brief -4 address | grep -v ^lo',
    'systemctl is-active etcd glusterd',
    // without its cache, which would tell for a while of what was there before
    'blkid -c /dev/null || true',
  ];
  return (await host.exec(['sh', '-c', script.join('; ')], { okExitCodes: [3] })).stdout;
}
const allTraces = () => Promise.all(lab.hosts.map(traces));

/** Forms with these answers: exactly these problems, no other word of trouble, and not a trace left. */
async function refuses(answers: AnswersInput, problems: string[]): Promise<void> {
  await giveAnswers(host1, answers);
  const before = await allTraces();
  const { exitCode, stdout, stderr } = await run(host1, 'form', '--answers', answerFile, '--json');
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
  assert.is(stderr, '');
  assert.equal(await allTraces(), before);
}

refusal('as they are, the hosts are fit', async (good) => {
  await giveAnswers(host1, good);
  const { exitCode, stdout, stderr } = await run(host1, 'validate', answerFile, '--live');
  assert.is(exitCode, 0, stdout + stderr);
});

refusal('a wrong answer file', async (good) => {
  // Wrong on purpose: the schema has no such answer.
  const wrong = { ...good, colour: 'blue', engine: { address: '10.77.0.255/24' } } as AnswersInput;
  await refuses(wrong, [
    'There is no answer called "colour" here.',
    '10.77.0.255 is the first or the last address of 10.77.0.0/24, which no machine can have.',
  ]);
});

refusal('a wrong pairing code', async (good) => {
  const hosts = good.hosts.map((host) =>
    host.name === 'host2' ? { ...host, pairingCode: 'ZZZZ-ZZZZ' } : host,
  );
  await refuses({ ...good, hosts }, ['The pairing code of host2 is not the one that it shows now.']);
});

refusal('a used disk', async (good) => {
  const { diskSerial } = host3.plan;
  const loops = (await host3.exec(['cat', '/etc/trefoil/disks-allow-loop'])).stdout;
  const device = `/dev/${loops.split(' ')[0]}`;
  await host3.exec(['mkfs.ext4', '-q', '-L', 'backup', device]);
  try {
    await refuses(good, [`host3 has no free disk: ${diskSerial} (20 GiB) holds data.`]);
  } finally {
    await host3.exec(['blkdiscard', '--force', device]);
  }
});

refusal('a host with another version', async (good) => {
  const version = (await host2.exec(['cat', '/usr/lib/trefoil/version'])).stdout;
  const become = async (text: string) => {
    await host2.write('/usr/lib/trefoil/version', text);
    await host2.exec(['systemctl', 'restart', 'trefoil-node']);
    return soundAnswers();
  };
  try {
    const answers = await become('9.9.9\n');
    assert.is.not(answers.hosts[1]?.pairingCode, good.hosts[1]?.pairingCode);
    await refuses(answers, [`host2 runs version 9.9.9, this host runs ${version.trim()}.`]);
  } finally {
    await become(version);
  }
});

/** A small file system in place of the host's own state, with that state in it, filled to the brim. */
const fillState = `cp -a /var/lib/trefoil /run/kept && systemctl stop trefoil-node &&
mount -t tmpfs -o size=4m,mode=0711 full /var/lib/trefoil && cp -a /run/kept/. /var/lib/trefoil/ &&
{ dd if=/dev/zero of=/var/lib/trefoil/fill bs=4k status=none; systemctl start trefoil-node; }`;
const emptyState = `systemctl stop trefoil-node; mountpoint -q /var/lib/trefoil && umount /var/lib/trefoil;
rm -rf /run/kept; systemctl start trefoil-node`;

refusal('a full system disk, on the first host and on another', async () => {
  const full = [host1, host2];
  try {
    for (const host of full) await host.exec(['sh', '-c', fillState]);
    const answers = await soundAnswers();
    const sentence = (host: LabHost) =>
      `The system disk of ${host.plan.name} is full: 0 MiB are left, 1024 MiB are needed.`;
    await refuses(answers, full.map(sentence));
  } finally {
    for (const host of full) await host.exec(['sh', '-c', emptyState]);
  }
});

refusal('an unreachable host', async (good) => {
  await host3.netDown('mgmt');
  try {
    await refuses(good, ['host3 cannot be reached at 10.77.0.13, port 7440.']);
  } finally {
    await host3.netUp('mgmt');
  }
});

refusal('a cut storage network', async (good) => {
  await host3.netDown('stor');
  try {
    const way = (from: string, to: string) => `${from} cannot reach ${to} on the storage network.`;
    await refuses(good, [
      way('host1', 'host3'),
      way('host2', 'host3'),
      way('host3', 'host1'),
      way('host3', 'host2'),
    ]);
  } finally {
    await host3.netUp('stor');
  }
});

refusal('two formations at once, on one host', async (good) => {
  await giveAnswers(host1, good);
  const argv = [...installer, 'form', '--answers', answerFile, '--dry-run'];
  const [tool, ...args] = await execArgv(lab.plan, host1.plan, argv);
  const first = spawn(tool, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = once(first, 'close');
  try {
    // Its first word comes after it has locked.
    await once(first.stdout, 'data');
    const second = await run(host1, 'form', '--answers', answerFile);
    assert.is(second.exitCode, 3, second.stderr);
    assert.match(second.stderr, /^trefoil-installer: Another formation is at work on this host\.\n/);
  } finally {
    assert.equal(await ended, [0, null]);
  }
});

refusal('a host that another formation has taken', async (good) => {
  await giveAnswers(host1, good);
  await giveAnswers(host2, await soundAnswers('host2'));
  try {
    const began = await run(host1, 'form', '--answers', answerFile, '--stop-after', 'pair-host3');
    assert.is(began.exitCode, 0, began.stderr);
    const before = await allTraces();
    const second = await run(host2, 'form', '--answers', answerFile);
    assert.is(second.exitCode, 1);
    assert.match(second.stderr, 'host2 already belongs to the cluster Lab.');
    assert.equal(await allTraces(), before);
  } finally {
    const undone = await run(host1, 'undo');
    assert.is(undone.exitCode, 0, undone.stderr);
  }
});

refusal('two formations at once, over the same hosts', async (good) => {
  await giveAnswers(host1, good);
  await giveAnswers(host2, await soundAnswers('host2'));
  const rivals = [host1, host2];
  const form = (host: LabHost) => run(host, 'form', '--answers', answerFile, '--stop-after', 'pair-host3');
  const ends = await Promise.all(rivals.map(form));
  const told = JSON.stringify(ends, undefined, 1);
  try {
    assert.ok(ends.filter(({ exitCode }) => exitCode === 0).length <= 1, told);
    for (const { exitCode, stderr } of ends)
      if (exitCode !== 0)
        assert.match(stderr, /belongs to|joined another cluster|not the one that it shows now/, told);
  } finally {
    for (const [index, host] of rivals.entries()) {
      const { stdout } = await run(host, 'status');
      if (ends[index]?.exitCode !== 0) assert.match(stdout, 'No formation was begun', told);
      else assert.is((await run(host, 'undo')).exitCode, 0, told);
    }
  }
});

test.run();
