/**
 * Runs inside a host of the lab, as one bundled file: changes of a volume's bricks and of the pool, on the real glusterd.
 * `storage.mjs ADDRESS ADDRESS ADDRESS` makes, changes and removes a volume and at last detaches the third host; it prints
 * one line of JSON, which node/gluster/repair.real.test.ts judges. What glusterd answered is kept in /var/tmp/answers.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { systemClock } from '../../node/clock/clock.ts';
import { type Run, run } from '../../node/command/run.ts';
import { AppError } from '../../node/contract/error.ts';
import { addBricks, detachPeer, replaceBrick, resetBrick, startHeal } from '../../node/gluster/bricks.ts';
import { makeCli } from '../../node/gluster/cli.ts';
import { deleteVolume, ensureVolume, listPeers, requireVolume } from '../../node/gluster/volumes.ts';
import { makeLog } from '../../node/log/log.ts';
import { eventually } from '../support/eventually.ts';

const answers = '/var/tmp/answers';
const addresses = process.argv.slice(2);
const [first = '', second = '', third = ''] = addresses;
const log = makeLog('storage', (line) => void process.stderr.write(`${line}\n`));
let count = 0;
const recorded: Run = async (argv, options) => {
  const result = await run(argv, options);
  count += 1;
  const name = argv.slice(2, 6).filter((word) => /^[a-z][a-z-]+$/.test(word));
  writeFileSync(
    `${answers}/${String(count).padStart(2, '0')}-${name.join('-')}`,
    result.stdout + result.stderr,
  );
  return result;
};
const env = { cli: makeCli({ run: recorded, clock: systemClock, log }), clock: systemClock, log };
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof AppError ? `${error.code}: ${error.message}` : String(error)),
  );

const name = 'spare';
const brick = (address: string, folder: string) => ({
  address,
  path: `/var/lib/trefoil/bricks/main/${folder}`,
});
const set = (folder: string) => addresses.map((address) => brick(address, folder));
const bricksNow = async () =>
  (await requireVolume(env, name)).bricks.map(({ address, path }) => `${address} ${path.split('/').at(-1)}`);

mkdirSync(answers, { recursive: true });
await ensureVolume(
  env,
  name,
  { generation: 1, layout: { kind: 'replica-3' }, bricks: set('spare'), allowedAddresses: addresses },
  { forceRoot: false },
);
const again = async (work: () => Promise<void>) => [await codeOf(work()), await codeOf(work())];
const result = {
  odd: await codeOf(addBricks(env, name, [brick(first, 'odd')], { forceRoot: false })),
  added: await again(() => addBricks(env, name, set('more'), { forceRoot: false })),
  afterAdd: await bricksNow(),
  replaced: await again(() => replaceBrick(env, name, brick(third, 'spare'), brick(third, 'fresh'))),
  reset: await codeOf(resetBrick(env, name, brick(second, 'spare'), 'begin')),
  finished: await codeOf(resetBrick(env, name, brick(second, 'spare'), 'finish')),
  // the self-heal daemons were just started anew, and refuse until they are connected
  healed: await eventually(
    'heals begin',
    async () => {
      const said = [await codeOf(startHeal(env, name, 'known')), await codeOf(startHeal(env, name, 'full'))];
      return said.every((one) => one === 'done') ? said : undefined;
    },
    { deadlineMs: 40_000, everyMs: 1_000 },
  ),
  afterAll: await bricksNow(),
  detachedEarly: await codeOf(detachPeer(env, third)),
  deleted: [await codeOf(deleteVolume(env, name)), await codeOf(deleteVolume(env, 'data'))],
  detached: await again(() => detachPeer(env, third)),
  peers: (await listPeers(env)).map(({ address }) => address),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
