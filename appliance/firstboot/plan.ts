import { type EngineConfig, engineConfigSchema } from '../../engine/contract/config.ts';
import type { EngineSeed } from '../../engine/contract/seed.ts';

/** Who may read a file: the engine's user alone, or the system (root writes, all read). Ids as in tree/etc/passwd. */
export const ownerIds = { system: 0, engine: 700 } as const;
export type StateFile = {
  path: string;
  owner: keyof typeof ownerIds;
  mode: number;
  content: string;
};

export const engineState = '/var/lib/trefoil-engine';
/** Read by scripts that run as root, so never writable by the engine. */
export const systemState = '/var/lib/trefoil-appliance';
export const appliedSeedPath = `${systemState}/applied-seed`;
const seedFile = `${engineState}/seed.json`;

/** What the seed turns into. Pure: the same seed gives the same files, so that writing them twice does no harm. */
export function stateFiles(seed: EngineSeed): StateFile[] {
  const { network, tls } = seed;
  const engine = (name: string, content: string): StateFile => ({
    path: `${engineState}/${name}`,
    owner: 'engine',
    mode: 0o600,
    content,
  });
  const system = (name: string, lines: readonly string[]): StateFile => ({
    path: `${systemState}/${name}`,
    owner: 'system',
    mode: 0o644,
    content: lines.map((line) => `${line}\n`).join(''),
  });
  return [
    engine('tls/ca.pem', tls.caCertificate),
    engine('tls/cert.pem', tls.certificate),
    engine('tls/key.pem', tls.key),
    engine('seed.json', `${JSON.stringify(seed)}\n`),
    engine('engine.json', `${JSON.stringify(engineConfig(), null, 2)}\n`),
    system('hostname', [network.hostName]),
    system('hosts', [
      '127.0.0.1 localhost',
      '::1 localhost',
      `${withoutPrefix(network.address)} ${network.hostName}`,
      ...seed.hosts.map((host) => `${host.address} ${host.name}`),
    ]),
    system(
      'resolv.conf',
      network.dns.map((server) => `nameserver ${server}`),
    ),
    system('timesyncd.conf', ['[Time]', `NTP=${seed.timeServers.join(' ')}`, 'FallbackNTP=']),
    system('network', [
      `address ${network.address}`,
      ...(network.gateway === undefined ? [] : [`gateway ${network.gateway}`]),
    ]),
  ];
}

/** The defaults are made for this machine; written out so that a person who looks finds them. */
const engineConfig = (): EngineConfig => engineConfigSchema.parse({ seedFile });

const withoutPrefix = (cidr: string): string => cidr.split('/')[0] ?? cidr;

/** What was applied last, as appliance/initramfs/init reads it: hash of the whole seed disk, generation. */
export type AppliedSeed = { sha256: string; generation: number };
export const formatApplied = ({ sha256, generation }: AppliedSeed): string => `${sha256} ${generation}\n`;
export function parseApplied(text: string): AppliedSeed | undefined {
  const found = /^([0-9a-f]{64}) (\d+)\n$/.exec(text);
  return found?.[1] === undefined ? undefined : { sha256: found[1], generation: Number(found[2]) };
}

export type Decision = { action: 'apply' } | { action: 'keep'; why: 'the same' | 'an older generation' };

/** A seed replaces another of its own or a lower generation; an old disk found again changes nothing. */
export function decide(applied: AppliedSeed | undefined, sha256: string, generation: number): Decision {
  if (applied === undefined) return { action: 'apply' };
  if (applied.sha256 === sha256) return { action: 'keep', why: 'the same' };
  if (generation < applied.generation) return { action: 'keep', why: 'an older generation' };
  return { action: 'apply' };
}
