import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { AnswersInput } from '../../installer/contract/answers.ts';
import { eventually } from '../support/eventually.ts';
import { type Banner, lastBanner } from './banner.ts';
import { execArgv } from './host.ts';
import type { Lab } from './lab.ts';
import { engineAddress, gateway, type LabPlan } from './plan.ts';

/** Where the answer file lies in the first host: in memory, for it holds a password. */
const answerFile = '/run/lab-answers.json';
const installer = ['/usr/lib/trefoil/node', '/usr/lib/trefoil/trefoil-installer.mjs'];

/** Waits until every agent has shown itself on its host's console. */
export async function waitForBanners(lab: Lab, deadlineMs = 120_000): Promise<Banner[]> {
  return Promise.all(
    lab.hosts.map((host) =>
      eventually(
        `the agent of ${host.plan.name} on its console`,
        async () => lastBanner(await host.console()),
        { deadlineMs, everyMs: 200 },
      ),
    ),
  );
}

/** What a person would have typed on a host (the first): the codes off the screens, the addresses, and little else. */
export function labAnswers(
  plan: LabPlan,
  banners: readonly Pick<Banner, 'pairingCode'>[],
  password: string,
  here = plan.hosts[0]?.name,
): AnswersInput {
  return {
    cluster: { name: 'Lab' },
    admin: { name: 'admin', password },
    hosts: plan.hosts.map((host, index) => {
      const pairingCode = banners[index]?.pairingCode;
      return {
        name: host.name,
        find: host.name === here ? 'this' : { address: host.address },
        ...(host.name === here || pairingCode === undefined ? {} : { pairingCode }),
        storage: { address: host.storageAddress },
      };
    }),
    networks: {
      management: { nic: 'mgmt0' },
      storage: { nic: 'stor0', cidr: '10.77.1.0/24' },
    },
    engine: {
      address: `${engineAddress}/24`,
      gateway,
      names: ['127.0.0.1', 'localhost', 'engine.lab.test'],
    },
  };
}

/** Random, and kept beside the lab: a formation that was interrupted goes on with the same answers. */
export async function adminPassword(plan: LabPlan): Promise<string> {
  const path = join(plan.folder, 'password');
  const old = await readFile(path, 'utf8').catch(() => undefined);
  if (old !== undefined) return old.trim();
  const password = randomBytes(12).toString('base64url');
  await writeFile(path, `${password}\n`, { mode: 0o600 });
  return password;
}

const statusSchema = z.looseObject({ state: z.string() });

/** Whether formation has been through to its end; what was interrupted goes on. */
export async function isFormed(lab: Lab): Promise<boolean> {
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('a cluster needs a host');
  const { stdout } = await first.exec([...installer, 'status', '--json']);
  return statusSchema.parse(JSON.parse(stdout)).state === 'formed';
}

/** Runs formation inside the first host, its output here. Throws when it does not end well. */
export async function form(lab: Lab, password: string, deadlineMs = 20 * 60_000): Promise<void> {
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('a cluster needs a host');
  const answers = labAnswers(lab.plan, await waitForBanners(lab), password);
  await first.write(answerFile, JSON.stringify(answers, undefined, 1), 0o600);
  const [tool, ...args] = await execArgv(lab.plan, first.plan, [
    ...installer,
    'form',
    '--answers',
    answerFile,
  ]);
  const child = spawn(tool, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const timer = setTimeout(() => child.kill('SIGTERM'), deadlineMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  clearTimeout(timer);
  if (code !== 0) throw new Error(`formation ended with ${code ?? 'a signal: it took too long'}`);
}
