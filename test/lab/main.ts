/** `npm run lab -- VERB ...`: the lab by hand. Run without a verb for the list. */
import { spawn } from 'node:child_process';
import { argv, exit, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { buildHostTree } from '../../image/host/build.ts';
import { bmcVerb } from './bmc/bmc.ts';
import { isOffset, setClock } from './clock.ts';
import { execArgv } from './host.ts';
import { type Lab, type LabHost, openLab } from './lab.ts';
import type { Direction } from './nft.ts';
import type { Network } from './plan.ts';
import { fillProduct } from './product.ts';

const usage = `npm run lab -- [--prefix tf] VERB

  start [--hosts 3] [--disk 20]    boots bare hosts (npm run up makes a whole cluster); waits until they are up
  stop [--keep]                    leaves nothing; --keep leaves their disks and files
  ls                               hosts, addresses, state, forwarded ports
  exec HOST COMMAND...             runs it inside; HOST alone opens a shell
  push HOST FILE PATH              copies a file of this machine into the host
  console HOST                     what its screen shows
  power off|on HOST                off: all processes at once, and nobody is told
  net down|up HOST mgmt|stor [in|out|both]
  cable in|out HOST                both cables of a host
  freeze|thaw HOST                 all its processes, its VMs too
  clock HOST UNIT [+90s|-1h|off]   another time of day for one unit
  bmc start|stop|ls            IPMI BMCs of the hosts, see bmc/README.md
  bmc HOST ok|dead|slow [SECONDS]|lying|false-off|wrong-password
  forward HOST|ADDRESS PORT        gives a port of 127.0.0.1 that leads there
  logs FOLDER                      journals, consoles, logs and state of all hosts
`;

/** What comes after `exec HOST` belongs to the command in the host, options and all. */
const given = argv.slice(2);
const execAt = given.indexOf('exec');
const ours = execAt === -1 ? given : given.slice(0, execAt + 2);
const command = (execAt === -1 ? [] : given.slice(execAt + 2)).filter((word, at) => at > 0 || word !== '--');

const { values, positionals } = parseArgs({
  // an offset such as -90s is no option
  args: [...ours.filter((word) => !isOffset(word)), '--', ...ours.filter(isOffset)],
  options: {
    prefix: { type: 'string' },
    hosts: { type: 'string' },
    disk: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const say = (text: string) => void stdout.write(`${text}\n`);

function oneOf<T extends string>(value: string | undefined, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw new Error(`"${value ?? ''}" is not one of ${allowed.join(', ')}`);
  return found;
}

async function list(lab: Lab): Promise<void> {
  for (const host of lab.hosts)
    say(`${host.plan.name}  ${host.plan.address}  ${host.plan.storageAddress}  ${await host.state()}`);
}

async function shell(lab: Lab, host: LabHost): Promise<number> {
  const [tool, ...args] = await execArgv(
    lab.plan,
    host.plan,
    command.length === 0 ? ['bash', '-l'] : command,
  );
  const child = spawn(tool, args, { stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

async function main(): Promise<number> {
  const [verb, ...rest] = positionals;
  const hosts = values.hosts === undefined ? {} : { hosts: Number(values.hosts) };
  const prefix = values.prefix === undefined ? {} : { prefix: values.prefix };
  const lab = await openLab({ ...prefix, ...hosts });
  const hostAt = (index: number): LabHost => lab.host(rest[index] ?? '');
  switch (verb) {
    case 'start': {
      if (await lab.isRunning()) throw new Error('it runs already: stop it first');
      const { tree } = await buildHostTree();
      await lab.start({
        tree,
        product: (folder) => fillProduct(folder),
        diskGibibytes: Number(values.disk ?? 20),
      });
      for (const host of lab.hosts) say(`${host.plan.name}: ${await host.waitBooted()}`);
      return 0;
    }
    case 'stop':
      await lab.stop({ keep: values.keep });
      return 0;
    case 'ls':
      await list(lab);
      return 0;
    case 'exec':
      return shell(lab, hostAt(0));
    case 'push':
      await hostAt(0).push(rest[1] ?? '', rest[2] ?? '');
      return 0;
    case 'console':
      say(await hostAt(0).console());
      return 0;
    case 'power':
      if (oneOf(rest[0], ['on', 'off']) === 'off') await hostAt(1).powerOff();
      else await hostAt(1).powerOn();
      return 0;
    case 'net': {
      const network = oneOf<Network>(rest[2], ['mgmt', 'stor']);
      const direction = oneOf<Direction>(rest[3] ?? 'both', ['in', 'out', 'both']);
      if (oneOf(rest[0], ['up', 'down']) === 'down') await hostAt(1).netDown(network, direction);
      else await hostAt(1).netUp(network, direction);
      return 0;
    }
    case 'cable':
      await hostAt(1).cable(oneOf(rest[0], ['in', 'out']));
      return 0;
    case 'freeze':
      await hostAt(0).freeze();
      return 0;
    case 'thaw':
      await hostAt(0).thaw();
      return 0;
    case 'clock':
      await setClock(hostAt(0), rest[1] ?? '', rest[2] ?? '');
      return 0;
    case 'bmc':
      await bmcVerb(lab.plan, rest, say);
      return 0;
    case 'forward':
      say(`127.0.0.1:${await lab.forward(rest[0] ?? '', Number(rest[1]))}`);
      return 0;
    case 'logs':
      await lab.logs(rest[0] ?? 'lab-logs');
      return 0;
    default:
      stdout.write(usage);
      return verb === undefined || verb === 'help' ? 0 : 2;
  }
}

try {
  exit(await main());
} catch (error) {
  process.stderr.write(`lab: ${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof Error && error.cause instanceof Error)
    process.stderr.write(`  ${error.cause.message}\n`);
  exit(1);
}
