/**
 * `npm run bench:formation-kill [-- --hosts 3 --shots 1 --keep --prefix kill]`: a real formation in a lab of its own,
 * killed (SIGKILL) before, during (`shots` times) and after each step and started again each time. Prints what became of
 * each; at the end the cluster must be formed, its engine ready. With --keep the lab stays, and a second call goes on in
 * it where the first one ended.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { argv, exit, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { buildEngineImage } from '../../appliance/build.ts';
import { bundleAll } from '../../image/bundle.ts';
import { buildGuestImage } from '../../image/guest/build.ts';
import { startBare } from '../lab/bare.ts';
import { readAuthority, waitForEngine } from '../lab/engine.ts';
import { adminPassword, labAnswers, waitForBanners } from '../lab/form.ts';
import { type Lab, type LabHost, openLab } from '../lab/lab.ts';
import { engineAddress, repoRoot } from '../lab/plan.ts';

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    hosts: { type: 'string', default: '3' },
    prefix: { type: 'string', default: 'kill' },
    keep: { type: 'boolean', default: false },
    shots: { type: 'string', default: '1' },
  },
});
const say = (text: string) => void stdout.write(`${text}\n`);
const answerFile = '/run/lab-answers.json';
const installer = ['/usr/lib/trefoil/node', '/usr/lib/trefoil/trefoil-installer.mjs'];

type Run = { step: string; when: string; seconds: number; exit: number; did: string };
type StepEvent = { event: string; id: string; state: string; seconds?: number };

async function startLab(): Promise<Lab> {
  const lab = await openLab({ prefix: values.prefix, hosts: Number(values.hosts) });
  if (await lab.isRunning()) return lab;
  const failed = (await bundleAll()).filter((one) => one.state === 'failed');
  if (failed.length > 0) throw new Error(failed.map(({ name, why }) => `${name}: ${why}`).join('\n'));
  const engine = await buildEngineImage();
  const guest = await buildGuestImage();
  await startBare(lab, {
    engine: [engine.path, engine.compressedPath, join(dirname(engine.path), 'image.json')],
    guests: { 'trefoil-guest': guest.path },
  });
  return lab;
}

/** One run of the installer: which steps it said it did, and how it ended. */
async function run(
  host: LabHost,
  ...more: string[]
): Promise<{ events: StepEvent[]; exit: number; seconds: number }> {
  const began = performance.now();
  // Through a shell: it turns the end by a signal into an exit code.
  const argv = ['sh', '-c', '"$@"; exit $?', 'sh', ...installer, 'form', '--json', ...more];
  const { stdout: text, exitCode } = await host.exec(argv, {
    okExitCodes: [1, 137],
    timeoutMs: 15 * 60_000,
  });
  const events = text
    .trim()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): StepEvent => JSON.parse(line));
  const failed = events.find((event) => event.event === 'error');
  if (failed !== undefined) throw new Error(JSON.stringify(failed));
  return { events, exit: exitCode, seconds: (performance.now() - began) / 1000 };
}

const didIn = (events: readonly StepEvent[]): string =>
  events
    .filter((event) => event.event === 'step' && event.state !== 'running')
    .map(
      (event) =>
        `${event.id} ${event.state === 'already' ? 'was done' : `${event.state} in ${event.seconds} s`}`,
    )
    .join(', ');

/** Before it; while it is at work, at a part of the time that it may take; when it is done and that is not yet noted. */
function moments(seconds: number): string[] {
  const shots = Array.from({ length: Number(values.shots) }, (_, index) =>
    String(Math.round(5 + seconds * 20 * (2 * index + 1))),
  );
  return ['before', ...shots, 'after'];
}

const plannedSchema = z.object({
  plan: z.object({ steps: z.array(z.object({ id: z.string(), seconds: z.number() })) }),
});
const statusSchema = z.object({ times: z.array(z.object({ step: z.string() })).default([]) });

async function stepsLeft(first: LabHost): Promise<{ id: string; seconds: number }[]> {
  const dry = await run(first, '--answers', answerFile, '--dry-run');
  const { plan } = plannedSchema.parse(dry.events.at(-1));
  const { stdout: text } = await first.exec([...installer, 'status', '--json']);
  const { times } = statusSchema.parse(JSON.parse(text));
  return plan.steps.filter(({ id }) => !times.some(({ step }) => step === id));
}

async function killEverywhere(first: LabHost, runs: Run[]): Promise<void> {
  for (const { id, seconds } of await stepsLeft(first))
    for (const when of moments(seconds)) {
      const place = ['--answers', answerFile, '--kill-at', `${id}:${when}`, '--stop-after', id];
      const { events, exit: code, seconds: took } = await run(first, ...place);
      const label = /^\d/.test(when) ? `${when} ms in` : when;
      runs.push({ step: id, when: label, seconds: took, exit: code, did: didIn(events) });
      const columns = [
        id.padEnd(16),
        label.padEnd(12),
        `exit ${code}`.padEnd(9),
        `${took.toFixed(1)} s`.padStart(8),
      ];
      say(`${columns.join(' ')}  ${didIn(events)}`);
      // It was over before the shot, so there is nothing left to be killed after it.
      if (code === 0) break;
    }
}

async function main(): Promise<void> {
  const lab = await startLab();
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('no host');
  const runs: Run[] = [];
  try {
    const password = await adminPassword(lab.plan);
    const answers = labAnswers(lab.plan, await waitForBanners(lab), password);
    if ((await first.exec(['test', '-e', answerFile], { okExitCodes: [1] })).exitCode === 1)
      await first.write(answerFile, JSON.stringify(answers), 0o600);
    await killEverywhere(first, runs);
    const last = await run(first, '--answers', answerFile);
    say(`the last run: exit ${last.exit}, ${last.seconds.toFixed(1)} s  ${didIn(last.events)}`);
    const port = await lab.forward(engineAddress, 443);
    const engine = { url: `https://127.0.0.1:${port}`, ca: await readAuthority(lab) };
    const health = await waitForEngine(engine, 60_000);
    say(
      `${runs.filter((each) => each.exit !== 0).length} kills; the engine is ready, version ${health.version}`,
    );
  } catch (error) {
    await lab.logs(join(repoRoot, '.lab', `logs-${values.prefix}`));
    throw error;
  } finally {
    const folder = join(repoRoot, '.lab');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'formation-kill.json'), `${JSON.stringify(runs, undefined, 1)}\n`);
    if (!values.keep) await lab.stop();
  }
}

await main();
exit(0);
