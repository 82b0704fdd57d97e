import type { RunResult } from '../command/run.ts';
import { AppError } from '../contract/error.ts';

/**
 * What a fence agent's exit code and words mean. For `status`: 0 on, 2 off, and it prints "Status: ON" or "Status: OFF".
 * Both are needed: a shell or Python also ends with 2 when it was used wrongly, and that must never count as "off".
 */
export type PowerState = 'on' | 'off';
export type Action = 'on' | 'off' | 'status' | 'monitor' | 'metadata';

/** timeout(1): the time was over; its child had to be killed, or it ended by its signal */
const hungCodes = [124, 137, 143];
const notRunCodes = [125, 126, 127];

export function powerStateOf(
  agent: string,
  timeoutMs: number,
  result: RunResult,
  secrets: string[],
): PowerState {
  const said = /^\s*Status: (ON|OFF)\s*$/m.exec(result.stdout)?.[1];
  if (result.exitCode === 0 && said === 'ON') return 'on';
  if (result.exitCode === 2 && said === 'OFF') return 'off';
  if (result.exitCode === 0 || result.exitCode === 2)
    throw new AppError({
      code: 'fence.unreadable',
      family: 'unavailable',
      message: `${agent} gave an answer that could not be understood, which counts for nothing.`,
      remedy: 'Check that the device is of the kind that the agent is for.',
      details: { exitCode: result.exitCode, said: lastWords(result, secrets) },
    });
  throw failureOf(agent, timeoutMs, result, secrets);
}

export function checkDone(agent: string, timeoutMs: number, result: RunResult, secrets: string[]): void {
  if (result.exitCode !== 0) throw failureOf(agent, timeoutMs, result, secrets);
}

function failureOf(agent: string, timeoutMs: number, result: RunResult, secrets: string[]): AppError {
  const words = lastWords(result, secrets);
  const details = { exitCode: result.exitCode, said: words };
  if (hungCodes.includes(result.exitCode))
    return new AppError({
      code: 'fence.hung',
      family: 'unavailable',
      message: `${agent} did not finish within ${Math.round(timeoutMs / 1000)} s and was ended.`,
      remedy: 'Check that the device answers at its address.',
      details,
    });
  if (notRunCodes.includes(result.exitCode)) return missing(agent);
  if (isLoginRefused(words))
    return new AppError({
      code: 'fence.login-refused',
      family: 'denied',
      message: `The device refused the user or the password (${words}).`,
      remedy: 'Correct the user and the password.',
      details,
    });
  const more = words === '' ? 'without a word' : `: ${words}`;
  return new AppError({
    code: 'fence.failed',
    family: 'unavailable',
    message: `${agent} failed${words === '' ? ' ' : ''}${more}.`,
    remedy: 'Check the address, the user and the password; many devices do not say which of them is wrong.',
    details,
  });
}

export const missing = (agent: string): AppError =>
  new AppError({
    code: 'fence.agent-missing',
    family: 'missing',
    message: `There is no fence agent ${agent} on this host.`,
  });

/** "Unable to connect/login" is said of devices that do not answer too: that is no word about the password. */
const isLoginRefused = (words: string): boolean =>
  /(invalid|wrong|incorrect|bad) (user|login|password|credential)|authentication (failed|failure|error)|unauthori[sz]ed|(access|permission) denied|login (denied|failed|incorrect)/i.test(
    words,
  );

/**
 * The agent's last sentence, for people: "2026-11-28 00:00:00,123 ERROR: Connection timed out" -> "Connection timed out".
 * Nothing of it is kept when a secret is in it, in whatever way it is written.
 */
export function lastWords(
  { stdout, stderr }: Pick<RunResult, 'stdout' | 'stderr'>,
  secrets: string[],
): string {
  const lines = `${stdout}\n${stderr}`
    .split('\n')
    .map((line) =>
      line
        .replace(/^\d{4}-\d\d-\d\d [\d:,]+ [A-Z]+:\s*/, '')
        .replace(/^(ERROR|WARNING):\s*/, '')
        .replaceAll(/\p{Cc}/gu, ' ')
        .trim()
        .replace(/\.$/, ''),
    )
    .filter((line) => line !== '' && !/^Please use '-h'/.test(line));
  const stumbled = lines.includes('Traceback (most recent call last):');
  const line = stumbled
    ? 'it did not understand what the device answered'
    : (lines.at(-1) ?? '').slice(0, 300);
  return holdsSecret(lines.join('\n'), secrets) ? '(not shown: it has a secret in it)' : line;
}

/** As it is, or as shells, Python, URLs and JSON write it. A secret of one letter hides all: better than telling it. */
export function holdsSecret(text: string, secrets: string[]): boolean {
  return secrets
    .filter((secret) => secret !== '')
    .flatMap((secret) => [
      secret,
      secret.replaceAll("'", `'"'"'`),
      secret.replaceAll('\\', '\\\\').replaceAll("'", "\\'"),
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret),
    ])
    .some((form) => text.includes(form));
}
