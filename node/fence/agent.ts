import type { Run, RunResult } from '../command/run.ts';
import { unreadable } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import { type FenceAgent, type FenceOptions, fenceAgentNameSchema } from '../contract/fence.ts';
import { readMetadata } from './metadata.ts';
import { isHidden } from './options.ts';
import { type Action, checkDone, holdsSecret, missing, type PowerState, powerStateOf } from './said.ts';

/**
 * Runs Debian's fence agents as they are: options as lines on the standard input, never as arguments. An agent starts
 * programs of its own; timeout(1) ends them with it.
 */
export type FenceCall = { agent: string; options: FenceOptions; secrets: FenceOptions };
export type CallLimits = { timeoutMs: number; signal?: AbortSignal };

export type Agents = {
  /** the agent's own description, asked once */
  describe(agent: string): Promise<FenceAgent>;
  status(call: FenceCall, limits: CallLimits): Promise<PowerState>;
  /** its word alone proves nothing: read it back by `status` */
  off(call: FenceCall, limits: CallLimits): Promise<void>;
  on(call: FenceCall, limits: CallLimits): Promise<void>;
  /** whether the device itself answers, whatever its plug says */
  monitor(call: FenceCall, limits: CallLimits): Promise<void>;
};

export type AgentsEnv = {
  run: Run;
  /** where agents are; tests have some of their own elsewhere */
  directory?: string;
  /** takes the password from the environment; see image/host/files/usr/lib/trefoil/ipmitool */
  ipmitool?: string;
  /** of `snmpget` and its like, which take communities and passwords from the environment */
  snmpFolder?: string;
};

type Tools = { ipmitool: string; snmpFolder: string };

export const agentDirectory = '/usr/sbin';
const ourFolder = '/usr/lib/trefoil';
const metadataMs = 20_000;
const killAfterS = 1;
const killedCode = 137;
const wasKilled = ({ code, details }: AppError): boolean =>
  code === 'command.could-not-run' && details?.['signal'] === 'SIGKILL';
const everyExitCode = Array.from({ length: 256 }, (_, code) => code);

/** They say "off" without a machine being off: tests, human words, networks and disks that are cut off, other products. */
const provesNothing = new Set([
  'fence_ack_manual',
  'fence_brocade',
  'fence_cisco_mds',
  'fence_compute',
  'fence_crosslink',
  'fence_dummy',
  'fence_evacuate',
  'fence_heuristics_ping',
  'fence_ifmib',
  'fence_kdump',
  'fence_mpath',
  'fence_sanbox2',
  'fence_sbd',
  'fence_scsi',
]);

export const isPowerAgent = (name: string): boolean =>
  fenceAgentNameSchema.safeParse(name).success && !provesNothing.has(name);

/** fence_ipmilan under all its names. */
const ipmiAgents = new Set([
  'fence_idrac',
  'fence_ilo3',
  'fence_ilo4',
  'fence_ilo5',
  'fence_imm',
  'fence_ipmilan',
  'fence_ipmilanplus',
]);

export function makeAgents(env: AgentsEnv): Agents {
  const directory = env.directory ?? agentDirectory;
  const known = new Map<string, Promise<FenceAgent>>();
  const tools = {
    ipmitool: env.ipmitool ?? `${ourFolder}/ipmitool`,
    snmpFolder: env.snmpFolder ?? ourFolder,
  };

  const start = async (
    agent: string,
    action: Action,
    call: Pick<FenceCall, 'options' | 'secrets'>,
    { timeoutMs, signal }: CallLimits,
  ): Promise<RunResult> => {
    if (!isPowerAgent(agent)) throw missing(agent);
    signal?.throwIfAborted();
    const { input, environment } = inputOf(agent, action, call, tools);
    const seconds = Math.max(1, Math.ceil(timeoutMs / 1000));
    try {
      return await env.run(['timeout', `--kill-after=${killAfterS}`, `${seconds}`, `${directory}/${agent}`], {
        input,
        env: environment,
        okExitCodes: everyExitCode,
        maxOutputBytes: 1_048_576,
        // only when timeout(1) itself does not work
        timeoutMs: (seconds + killAfterS + 5) * 1000,
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      // when its child does not end by a SIGTERM, timeout(1) kills the whole group, itself too
      if (error instanceof AppError && (error.code === 'command.timed-out' || wasKilled(error)))
        return { exitCode: killedCode, stdout: '', stderr: '' };
      throw new AppError({
        code: 'fence.could-not-run',
        family: 'unavailable',
        message: `${agent} could not be run to its end.`,
        cause: error,
      });
    }
  };
  const done =
    (action: 'on' | 'off' | 'monitor') =>
    async (call: FenceCall, limits: CallLimits): Promise<void> => {
      const result = await start(call.agent, action, call, limits);
      checkDone(call.agent, limits.timeoutMs, result, Object.values(call.secrets));
    };
  const describe = async (agent: string): Promise<FenceAgent> => {
    const result = await start(agent, 'metadata', { options: {}, secrets: {} }, { timeoutMs: metadataMs });
    checkDone(agent, metadataMs, result, []);
    if (result.stdout === '') throw unreadable(agent, 'it says nothing of itself');
    return readMetadata(agent, result.stdout);
  };

  return {
    describe: (agent) => {
      const asked = known.get(agent) ?? describe(agent);
      known.set(agent, asked);
      asked.catch(() => known.delete(agent));
      return asked;
    },
    status: async (call, limits) => {
      const result = await start(call.agent, 'status', call, limits);
      return powerStateOf(call.agent, limits.timeoutMs, result, Object.values(call.secrets));
    },
    off: done('off'),
    on: done('on'),
    monitor: done('monitor'),
  };
}

/**
 * The lines that an agent reads:
 *   action="off"
 *   ip="10.0.0.5"
 * It takes white space from the ends of a line and one pair of quotes from around a value: so all values are in quotes.
 */
export function inputOf(
  agent: string,
  action: Action,
  { options, secrets }: Pick<FenceCall, 'options' | 'secrets'>,
  tools: Tools,
): { input: string; environment: Record<string, string> } {
  for (const [name, value] of Object.entries({ ...options, ...secrets }))
    if ((isHidden(name) && name !== 'plug') || /[\p{Cc}=]/u.test(name) || /\p{Cc}/u.test(value))
      throw new AppError({
        code: 'fence.option-refused',
        family: 'invalid',
        message: `The option "${name}" of ${agent} is not one that may be given, or has a line break in it.`,
        details: { option: name },
      });
  const { ours, environment, unsaid } = aside(agent, options, secrets, tools);
  const given = Object.entries({ ...options, ...secrets }).filter(([name]) => !unsaid.includes(name));
  const lines = [['action', action], ...ours, ...given];
  return { input: lines.map(([name, value]) => `${name}="${value}"\n`).join(''), environment };
}

type Aside = { ours: [string, string][]; environment: Record<string, string>; unsaid: string[] };

/** Secrets that the agent would hand on as arguments: it is not told them, and its tool, one of ours, has them otherwise. */
function aside(agent: string, options: FenceOptions, secrets: FenceOptions, tools: Tools): Aside {
  if (ipmiAgents.has(agent)) {
    const { password } = secrets;
    return {
      ours: [['ipmitool_path', tools.ipmitool]],
      environment: password === undefined ? {} : { IPMI_PASSWORD: password },
      unsaid: ['password'],
    };
  }
  if (isSnmpAgent(agent) && Object.keys(secrets).length > 0) {
    const { community = 'private', password, snmp_priv_passwd: privacy } = secrets;
    const lines = [
      // what agents say when they are told none
      ['defCommunity', community],
      ...(password === undefined ? [] : [['defAuthPassphrase', password]]),
      ...(privacy === undefined ? [] : [['defPrivPassphrase', privacy]]),
    ];
    const isPrivate = password !== undefined && privacy !== undefined;
    return {
      ours: [
        ...['snmpget', 'snmpset', 'snmpwalk'].map((tool): [string, string] => [
          `${tool}_path`,
          `${tools.snmpFolder}/${tool}`,
        ]),
        // the agent sets it by the passwords that it is told
        ...(isPrivate && options['snmp_sec_level'] === undefined
          ? [['snmp_sec_level', 'authPriv'] as [string, string]]
          : []),
      ],
      environment: {
        TREFOIL_SNMP_CONF: lines.map(([name, value = '']) => `${name} "${quoted(value)}"`).join('\n'),
      },
      unsaid: ['community', 'password', 'snmp_priv_passwd'],
    };
  }
  return { ours: [], environment: {}, unsaid: [] };
}

const isSnmpAgent = (agent: string): boolean =>
  agent.endsWith('_snmp') || ['fence_emerson', 'fence_ibmblade', 'fence_intelmodular'].includes(agent);

/** As Net-SNMP reads a value in quotes. */
const quoted = (value: string): string => value.replaceAll(/["\\]/g, '\\$&');

/** For logs of this room: never a sentence with a secret in it. */
export const sayable = (text: string, secrets: FenceOptions): string =>
  holdsSecret(text, Object.values(secrets)) ? '(not shown: it has a secret in it)' : text;
