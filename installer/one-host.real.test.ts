import { dirname, join } from 'node:path';
import * as assert from 'uvu/assert';
import { buildEngineImage } from '../appliance/build.ts';
import { bundleAll } from '../image/bundle.ts';
import { startBare, waitBare } from '../test/lab/bare.ts';
import { readAuthority, waitForEngine } from '../test/lab/engine.ts';
import { labAnswers } from '../test/lab/form.ts';
import { openLab } from '../test/lab/lab.ts';
import { engineAddress } from '../test/lab/plan.ts';
import { suite } from '../test/support/suite.ts';

/** One host is a whole cluster: formed for real, its engine boots there and answers. */
const test = suite('a cluster of one host', { deadlineMs: 600_000 });
const lab = await openLab({ prefix: 'tfone', hosts: 1 });
const host = lab.host('host1');
const password = 'eleven blue herons';
const answerFile = '/run/answers.json';
const installer = ['/usr/lib/trefoil/node', '/usr/lib/trefoil/trefoil-installer.mjs'];

test.before(async () => {
  await bundleAll();
  const image = await buildEngineImage();
  await startBare(lab, {
    engine: [image.path, image.compressedPath, join(dirname(image.path), 'image.json')],
    guests: {},
  });
});
test.after(() => lab.stop());

test('is formed', async () => {
  const answers = labAnswers(lab.plan, await waitBare(lab), password);
  await host.write(answerFile, JSON.stringify(answers), 0o600);
  const { exitCode, stdout, stderr } = await host.exec([...installer, 'form', '--answers', answerFile], {
    okExitCodes: [1],
    timeoutMs: 580_000,
  });
  process.stdout.write(stdout);
  assert.is(exitCode, 0, stderr);
});

test('has an engine that answers, and volumes that are well', async () => {
  const port = await lab.forward(engineAddress, 443);
  const engine = { url: `https://127.0.0.1:${port}`, ca: await readAuthority(lab) };
  assert.is((await waitForEngine(engine, 30_000)).state, 'ready');
});

test('the command on the host says so too', async () => {
  const trefoil = '/usr/lib/trefoil/node /usr/lib/trefoil/trefoil.mjs';
  const authority = '/var/lib/trefoil/identity/tls/ca.pem';
  const logIn = `${trefoil} login --url https://${engineAddress} --user admin --ca ${authority}`;
  const { stdout } = await host.exec([
    'sh',
    '-c',
    `TREFOIL_PASSWORD='${password}' ${logIn} && ${trefoil} status && ${trefoil} host status`,
  ]);
  assert.match(stdout, 'Hosts 1/1 online');
  assert.match(stdout, 'etcd: healthy');
  for (const volume of ['data', 'engine']) assert.match(stdout, `volume ${volume}: healthy`);
});

test.run();
