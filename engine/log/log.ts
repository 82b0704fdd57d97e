import { errorChain } from '../../node/contract/error.ts';

export type LogFields = Record<string, unknown>;
export type Log = {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, error: unknown, fields?: LogFields): void;
  with(fields: LogFields): Log;
};

/** One JSON line per entry to stdout, from where the journal takes it. */
export function makeLog(
  write: (line: string) => void = (line) => void process.stdout.write(`${line}\n`),
  now: () => Date = () => new Date(),
  base: LogFields = {},
): Log {
  const emit = (level: string, message: string, fields: LogFields = {}) =>
    write(
      JSON.stringify({
        at: now().toISOString(),
        level,
        program: 'trefoil-engine',
        message,
        ...base,
        ...fields,
      }),
    );
  return {
    info: (message, fields) => emit('info', message, fields),
    warn: (message, fields) => emit('warn', message, fields),
    error: (message, error, fields) => emit('error', message, { ...fields, error: errorChain(error) }),
    with: (fields) => makeLog(write, now, { ...base, ...fields }),
  };
}

export const silentLog: Log = makeLog(() => {});
