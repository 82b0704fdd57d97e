/**
 * `npm run up`: from nothing to a cluster that answers, or, when it runs already, just where it is.
 *   --bare        only the hosts, with whatever programs are built
 *   --prefix X    another lab beside the first; its cluster file is .lab/cluster-X.json
 *   --hosts N     3 unless told
 *   --port N      the engine on 127.0.0.1; 8443 unless told or taken
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { argv, exit, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { buildEngineImage } from '../../appliance/build.ts';
import { bundleAll } from '../../image/bundle.ts';
import { buildGuestImage } from '../../image/guest/build.ts';
import { buildHostTree } from '../../image/host/build.ts';
import { run } from '../../node/command/run.ts';
import { type ClusterFile, readClusterFile, writeClusterFile } from './cluster-file.ts';
import { readAuthority, readyHealth, waitForEngine } from './engine.ts';
import { adminPassword, form, isFormed, waitForBanners } from './form.ts';
import { type Lab, openLab } from './lab.ts';
import { type Phases, startPhases } from './phases.ts';
import { engineAddress, repoRoot } from './plan.ts';
import { fillProduct, type ProductImages } from './product.ts';

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    bare: { type: 'boolean', default: false },
    prefix: { type: 'string', default: 'tf' },
    hosts: { type: 'string', default: '3' },
    port: { type: 'string', default: '8443' },
  },
});
const say = (text: string) => void stdout.write(`${text}\n`);

async function buildPrograms(phases: Phases): Promise<void> {
  const built = await phases.run(
    'programs',
    () => bundleAll(),
    (all) => summary(all.map((one) => one.state)),
  );
  const failed = built.filter((one) => one.state === 'failed');
  if (failed.length > 0 && !values.bare)
    throw new Error(failed.map((one) => `${one.name}: ${one.why}`).join('\n'));
}

/** `built 2, unchanged 3` */
const summary = (states: readonly string[]): string =>
  [...new Set(states)].map((state) => `${state} ${states.filter((one) => one === state).length}`).join(', ');

async function buildImages(phases: Phases): Promise<ProductImages> {
  const guest = await phases.run('guest image', buildGuestImage, (image) => megabytes(image.bytes));
  const engine = await phases.run(
    'engine image',
    () => buildEngineImage(),
    (image) => megabytes(image.compressedBytes),
  );
  return {
    engine: [engine.path, engine.compressedPath, join(dirname(engine.path), 'image.json')],
    guests: { 'trefoil-guest': guest.path },
  };
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

async function startHosts(lab: Lab, phases: Phases): Promise<void> {
  await phases.run('packages of this machine', () =>
    run(['sh', join(repoRoot, 'test/setup/packages.sh')], { timeoutMs: 15 * 60_000 }),
  );
  await buildPrograms(phases);
  const host = await phases.run('host OS tree', buildHostTree, (tree) => (tree.built ? 'built' : 'found'));
  const images = values.bare ? undefined : await buildImages(phases);
  await phases.run('hosts start', async () => {
    await lab.start({ tree: host.tree, product: (folder) => fillProduct(folder, images) });
    const states = await Promise.all(lab.hosts.map((one) => one.waitBooted()));
    if (states.includes('degraded'))
      say('         some units failed: npm run lab -- exec host1 systemctl --failed');
  });
}

async function formCluster(lab: Lab, phases: Phases): Promise<ClusterFile['engine']> {
  await phases.run('agents show themselves', () => waitForBanners(lab));
  const password = await adminPassword(lab.plan);
  if (!(await isFormed(lab))) await phases.run('formation', () => form(lab, password));
  const port = await lab.forward(engineAddress, 443, Number(values.port));
  const engine = { url: `https://127.0.0.1:${port}`, user: 'admin', password, ca: await readAuthority(lab) };
  await phases.run(
    'engine answers',
    () => waitForEngine(engine, 5 * 60_000),
    (health) => `version ${health.version}`,
  );
  await writeClusterFile(lab.plan, engine);
  return engine;
}

async function alreadyUp(lab: Lab): Promise<ClusterFile['engine'] | undefined> {
  const file = await readClusterFile(lab.plan.prefix);
  if (file === undefined || !(await lab.isRunning())) return undefined;
  return (await readyHealth(file.engine)) === undefined ? undefined : file.engine;
}

/** A lab of which a part runs is someone's experiment, not ours to end. */
async function mustBeOff(lab: Lab): Promise<void> {
  const states = await Promise.all(
    lab.hosts.map(async (one) => ({ name: one.plan.name, state: await one.state() })),
  );
  const off = states.filter((one) => one.state === 'off').map((one) => one.name);
  if (off.length < states.length)
    throw new Error(`of this lab ${off.join(' and ')} is off: power it on, or end the lab with npm run down`);
  await lab.stop();
}

function tell(engine: ClusterFile['engine']): void {
  say(`\nThe cluster is up: ${engine.url}   user ${engine.user}   password ${engine.password}`);
}

async function up(): Promise<void> {
  const started = performance.now();
  const lab = await openLab({ prefix: values.prefix, hosts: Number(values.hosts) });
  const there = await alreadyUp(lab);
  if (there !== undefined) return tell(there);
  const phases = startPhases();
  if (!(await lab.isRunning())) {
    await mustBeOff(lab);
    await startHosts(lab, phases);
  }
  const total = () => ((performance.now() - started) / 1000).toFixed(1);
  try {
    if (values.bare) {
      say(`\nThe hosts are up in ${total()} s: npm run lab -- --prefix ${values.prefix} ls`);
      return;
    }
    const engine = await formCluster(lab, phases);
    await writeFile(join(lab.plan.folder, 'up.json'), `${JSON.stringify(phases.all(), undefined, 1)}\n`);
    say(`${total().padStart(7)} s  in all`);
    tell(engine);
  } catch (error) {
    const folder = join(repoRoot, '.lab', `logs-${values.prefix}`);
    await mkdir(folder, { recursive: true });
    await lab.logs(folder);
    say(`\nThe hosts are left as they are; their logs are in ${folder}`);
    throw error;
  }
}

try {
  await up();
  exit(0);
} catch (error) {
  stderr.write(`up: ${error instanceof Error ? error.message : String(error)}\n`);
  exit(1);
}
