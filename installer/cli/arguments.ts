import { parseArgs } from 'node:util';
import { AppError } from '../../node/contract/error.ts';

/** `during`: so many milliseconds after the step was begun */
export type KillPlace = { step: string; when: 'before' | 'after' | { during: number } };

export type Command =
  | { name: 'help' }
  | { name: 'version' }
  | { name: 'example' }
  | { name: 'hash' }
  | { name: 'validate'; file: string; live: boolean; json: boolean }
  | {
      name: 'form';
      file: string | undefined;
      dryRun: boolean;
      json: boolean;
      stopAfter: string | undefined;
      killAt: KillPlace | undefined;
    }
  | { name: 'status'; json: boolean }
  | { name: 'undo'; json: boolean }
  | { name: 'discover'; json: boolean };

export const usage = `trefoil-installer: makes a cluster of hosts that run Trefoil

  example                      print an answer file for three hosts, to be filled in
  validate FILE [--live]       say everything that is wrong with an answer file; --live also asks the hosts
  form --answers FILE          form the cluster; started again after any interruption, it goes on (also without FILE)
       [--dry-run]             only look at the hosts and print what would be done
  status                       how far the formation on this host is
  undo                         take it back; possible until the cluster is declared formed
  discover                     hosts that wait to be found
  hash                         read a password from the standard input, print the hash for admin.passwordHash

  --json                       for machines: one JSON value a line
  --version, --help

Run it as root on the first host; "example", "validate" without --live and "hash" work anywhere.
Ends with 0 when it did what was asked, 1 when it could not, 2 when it was called wrongly, 3 when another formation is at
work on this host.
`;

const wrong = (message: string): AppError =>
  new AppError({
    code: 'usage.invalid',
    family: 'invalid',
    message,
    remedy: 'See "trefoil-installer --help".',
  });

/** Hidden: `--stop-after STEP` ends a formation in an orderly way, `--kill-at STEP:before|after|MS` as a crash would. */
export function parseCommand(argv: readonly string[]): Command {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(argv);
  } catch (cause) {
    throw wrong(
      `${cause instanceof Error ? cause.message.split(/\.(?:\s|$)/)[0] : String(cause)}`.replace(/\.?$/, '.'),
    );
  }
  const { values, positionals } = parsed;
  if (values.help === true) return { name: 'help' };
  if (values.version === true) return { name: 'version' };
  const [name, ...files] = positionals;
  const json = values.json === true;
  const only = (...allowed: string[]) => {
    const given = Object.keys(values).find((key) => !allowed.includes(key));
    if (given !== undefined) throw wrong(`"${name}" knows no option --${given}.`);
    const wanted = name === 'validate' ? 1 : 0;
    if (files.length !== wanted)
      throw wrong(wanted === 0 ? `"${name}" takes no file name.` : `"${name}" takes the name of one file.`);
  };
  switch (name) {
    case 'help':
    case undefined:
      return { name: 'help' };
    case 'example':
    case 'hash':
      only();
      return { name };
    case 'status':
    case 'undo':
    case 'discover':
      only('json');
      return { name, json };
    case 'validate':
      only('json', 'live');
      return { name, file: files[0] ?? '', live: values.live === true, json };
    case 'form':
      only('json', 'answers', 'dry-run', 'stop-after', 'kill-at');
      return {
        name,
        json,
        file: values.answers,
        dryRun: values['dry-run'] === true,
        stopAfter: values['stop-after'],
        killAt: values['kill-at'] === undefined ? undefined : parsePlace(values['kill-at']),
      };
    default:
      throw wrong(`There is no command "${name}".`);
  }
}

function parse(argv: readonly string[]) {
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean' },
      json: { type: 'boolean' },
      live: { type: 'boolean' },
      answers: { type: 'string' },
      'dry-run': { type: 'boolean' },
      'stop-after': { type: 'string' },
      'kill-at': { type: 'string' },
    },
  });
}

function parsePlace(text: string): KillPlace {
  const [step, when] = text.split(':');
  const during = Number(when);
  if (step !== undefined && step !== '' && when !== undefined) {
    if (when === 'before' || when === 'after') return { step, when };
    if (Number.isInteger(during) && during >= 0) return { step, when: { during } };
  }
  throw wrong('--kill-at wants STEP:before, STEP:after or STEP:MILLISECONDS.');
}
