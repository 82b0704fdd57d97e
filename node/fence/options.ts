import { AppError } from '../contract/error.ts';
import type { FenceAgent, FenceOptions, FenceParameter } from '../contract/fence.ts';

/**
 * Which of an agent's options a person may set. What is missing here is ours to set (action), is of no use (help), or
 * would be harm: programs and files of this host to run or write, SSH options (they may name a program), waits that make
 * a fence slow, and `missing_as_off`, with which a device says "off" about a plug that it does not have.
 */
const hidden = new Set([
  'action',
  'command_prompt',
  'debug_file',
  'delay',
  'diag',
  'disable_timeout',
  'help',
  'identity_file',
  'method',
  'missing_as_off',
  'nodename',
  'plug_separator',
  'port_as_ip',
  'quiet',
  'retry_on',
  'separator',
  'ssh_options',
  'stonith_status_sleep',
  'use_sudo',
  'verbose',
  'verbose_level',
  'version',
  // its only way to ipmitool is an argument, which everyone on the host can read
  'hexadecimal_kg',
]);

export const isHidden = (name: string): boolean => hidden.has(name) || /_(path|script)$/.test(name);

export const isSecret = (name: string): boolean => /passw(or)?d$/.test(name) || name === 'community';

/** Agents join some values to a command line as they are: such a value must not become two arguments. */
const wordOnly = (name: string): boolean => name !== 'plug' && name !== 'username';

const refused = (message: string, option: string): AppError =>
  new AppError({ code: 'fence.option-refused', family: 'invalid', message, details: { option } });

/**
 * The options that an agent is run with, checked against what it says of itself; throws about the first that does not fit.
 * No sentence has the value of a secret in it.
 */
export function checkOptions(
  agent: Pick<FenceAgent, 'name' | 'parameters'>,
  options: FenceOptions,
  secrets: FenceOptions,
): void {
  const known = new Map(agent.parameters.map((parameter) => [parameter.name, parameter]));
  for (const [given, secret] of [
    [options, false],
    [secrets, true],
  ] as const)
    for (const [name, value] of Object.entries(given)) {
      const parameter = known.get(name);
      if (parameter === undefined) throw refused(`${agent.name} has no option "${name}".`, name);
      if ((parameter.type === 'secret') !== secret)
        throw refused(
          secret
            ? `The option "${name}" is not a secret.`
            : `The option "${name}" must be given as a secret.`,
          name,
        );
      if (/\p{Cc}/u.test(value))
        throw refused(`The option "${name}" has a line break or another control character in it.`, name);
      if (!secret) checkValue(parameter, value);
    }
  for (const { name, required } of agent.parameters)
    if (required && (options[name] ?? secrets[name] ?? '') === '')
      throw refused(`${agent.name} needs the option "${name}".`, name);
}

function checkValue({ name, type, options }: FenceParameter, value: string): void {
  if (type === 'boolean' && value !== '0' && value !== '1')
    throw refused(`The option "${name}" is 0 or 1.`, name);
  if (type === 'integer' && !/^\d{1,9}$/.test(value))
    throw refused(`The option "${name}" is a whole number.`, name);
  if (type === 'select' && !(options ?? []).includes(value))
    throw refused(`The option "${name}" is one of ${(options ?? []).join(', ')}.`, name);
  if (type === 'string' && wordOnly(name) && /[\s"'\\]/.test(value))
    throw refused(`The option "${name}" has a space, a quote or a backslash in it.`, name);
  if (type === 'string' && value.startsWith('-'))
    throw refused(`The option "${name}" must not begin with a hyphen.`, name);
}
