/** A fence device's form, drawn from what its agent says of itself: fields in plain words, and what was typed as a request. */
import type { FenceDeviceSight, FenceKind } from '../../engine/contract/fence.ts';

export type FenceField = FenceKind['parameters'][number] & { label: string; hint: string | undefined };
/** By option; a checkbox is '1' or '0'. */
export type FenceValues = Record<string, string>;

const plainNames: Record<string, string> = {
  ip: 'Address',
  ipport: 'Port',
  plug: 'Plug',
  username: 'User',
  password: 'Password',
  community: 'SNMP community',
  ssh: 'Use SSH',
  ssl: 'Use TLS',
  ssl_secure: 'Use TLS and check its certificate',
  ssl_insecure: 'Use TLS without checking its certificate',
  lanplus: 'IPMI 2.0 (lanplus)',
  switch: 'Switch number',
  cipher: 'Cipher suite',
  auth: 'Kind of login',
  privlvl: 'Privilege level',
  snmp_version: 'SNMP version',
  snmp_auth_prot: 'SNMP login hash',
  snmp_priv_prot: 'SNMP encryption',
  snmp_priv_passwd: 'SNMP encryption password',
  snmp_sec_level: 'SNMP security level',
  inet4_only: 'IPv4 only',
  inet6_only: 'IPv6 only',
};
const hints: Record<string, string> = {
  ip: 'Of the device, not of the host.',
  community: 'For SNMP versions 1 and 2c.',
};
/** Where it is one of several, what it is of this kind of device. */
const byAgent: Record<string, Record<string, string>> = {
  fence_virsh: { plug: 'Name of the virtual machine', ip: 'Address of the libvirt server' },
};

export const fieldsOf = (kind: FenceKind): FenceField[] =>
  kind.parameters.map((parameter) => {
    const label = byAgent[kind.name]?.[parameter.name] ?? plainNames[parameter.name];
    return {
      ...parameter,
      label: label ?? parameter.shortdesc,
      // A label of ours takes the place of the agent's words, which then say more.
      hint: hints[parameter.name] ?? (label === undefined ? undefined : spoken(label, parameter.shortdesc)),
    };
  });

/** The agent's own words, unless they say no more than the label does. */
const obvious = new Set(['ip', 'login name', 'login password or passphrase', 'use ssh connection']);
function spoken(label: string, shortdesc: string): string | undefined {
  const plain = shortdesc.replace(/\.$/, '');
  const isObvious =
    obvious.has(plain.toLowerCase()) ||
    plain.toLowerCase() === label.toLowerCase() ||
    /TCP\/UDP port/.test(plain);
  return isObvious || /^(IP address or hostname|Physical plug number|Set |Specifies SNMP)/.test(plain)
    ? undefined
    : plain;
}

/** What every device of the last twenty years speaks, though the agent's own default is older. */
const onAtFirst = new Set(['lanplus']);

/** What the form begins with: what is kept of the device, else the agent's own default. */
export function startValues(kind: FenceKind, device?: FenceDeviceSight): FenceValues {
  return Object.fromEntries(
    kind.parameters.map(({ name, type, default: byDefault }) => [
      name,
      device?.options[name] ??
        (type !== 'boolean' ? '' : device === undefined && onAtFirst.has(name) ? '1' : (byDefault ?? '0')),
    ]),
  );
}

export type FenceRequest = { options: FenceValues; secrets: FenceValues };
export type FenceRead = { ok: true; request: FenceRequest } | { ok: false; problems: Record<string, string> };

/** What is left empty is not sent: the agent's default holds, and a secret that is kept stays. */
export function readFenceForm(
  fields: readonly FenceField[],
  values: FenceValues,
  kept: readonly string[],
): FenceRead {
  const problems: Record<string, string> = {};
  const request: FenceRequest = { options: {}, secrets: {} };
  for (const field of fields) {
    const { name, type, required, default: byDefault } = field;
    const value = type === 'secret' ? (values[name] ?? '') : (values[name] ?? '').trim();
    if (type === 'secret') {
      if (value !== '') request.secrets[name] = value;
      else if (required && !kept.includes(name)) problems[name] = 'It is needed.';
      continue;
    }
    if (value === '' || (type === 'boolean' && value === (byDefault ?? '0'))) {
      if (required && type !== 'boolean') problems[name] = 'It is needed.';
      continue;
    }
    if (type === 'integer' && !/^\d{1,9}$/.test(value)) problems[name] = 'A whole number.';
    else if (type === 'string' && name !== 'plug' && name !== 'username' && /[\s"'\\]/.test(value))
      problems[name] = 'Without spaces, quotes or backslashes.';
    request.options[name] = value;
  }
  return Object.keys(problems).length > 0 ? { ok: false, problems } : { ok: true, request };
}

/** "IPMI (most servers)" at 10.0.0.5, plug 3 */
export const placeOf = ({ options }: Pick<FenceDeviceSight, 'options'>): string =>
  [options['ip'], options['plug'] === undefined ? undefined : `plug ${options['plug']}`]
    .filter((part) => part !== undefined)
    .join(', ');
