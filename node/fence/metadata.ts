import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { unreadable } from '../command/run.ts';
import { type FenceAgent, type FenceParameter, fenceAgentSchema } from '../contract/fence.ts';
import { isHidden, isSecret } from './options.ts';

/**
 * What an agent says of itself (`-o metadata`), as a form:
 *   <parameter name="ipport" required="0"><content type="integer" default="623"/><shortdesc>...</shortdesc></parameter>
 * captured/ holds the answers of Debian 13's agents.
 */
const text = z.union([z.string(), z.object({ '#text': z.string().default('') })]).default('');
const parameterSchema = z.object({
  name: z.string(),
  required: z.string().default('0'),
  deprecated: z.string().optional(),
  content: z
    .object({
      type: z.string().default('string'),
      default: z.string().optional(),
      option: z.array(z.object({ value: z.string() })).default([]),
    })
    .default({ type: 'string', option: [] }),
  shortdesc: text,
});
const schema = z.object({
  'resource-agent': z.object({
    name: z.string(),
    shortdesc: z.string().default(''),
    longdesc: text,
    parameters: z.object({ parameter: z.array(parameterSchema) }),
    actions: z.object({ action: z.array(z.object({ name: z.string() })) }),
  }),
});

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  isArray: (name) => name === 'parameter' || name === 'option' || name === 'action',
});

/** `name` is the agent that was asked: some give the name of the agent that they are another name of. */
export function readMetadata(name: string, xml: string): FenceAgent {
  try {
    const { 'resource-agent': agent } = schema.parse(parser.parse(xml));
    const actions = new Set(agent.actions.action.map((action) => action.name));
    for (const needed of ['off', 'status'])
      if (!actions.has(needed)) throw new Error(`it has no action "${needed}"`);
    const asIp = agent.parameters.parameter.some((parameter) => parameter.name === 'port_as_ip');
    return fenceAgentSchema.parse({
      name,
      shortdesc: agent.shortdesc,
      longdesc: plain(agent.longdesc),
      parameters: agent.parameters.parameter
        .filter((parameter) => parameter.deprecated !== '1' && isShown(parameter))
        .map((parameter) => toParameter(parameter, asIp))
        .sort((a, b) => rank(a) - rank(b)),
    });
  } catch (error) {
    throw unreadable(name, 'its description of itself', error);
  }
}

type Parameter = z.output<typeof parameterSchema>;

const plain = (value: z.output<typeof text>): string =>
  (typeof value === 'string' ? value : value['#text']).replaceAll(/\s+/g, ' ').trim();

/** The plug is the outlet of a power strip, which needs it; where it is optional it is only another name of the address. */
const isShown = ({ name, required }: Parameter): boolean =>
  name === 'plug' ? required === '1' : !isHidden(name);

const isTime = ({ name, content }: Parameter): boolean => content.type === 'second' || /_timeout$/.test(name);

function toParameter(parameter: Parameter, asIp: boolean): FenceParameter {
  const { name, content } = parameter;
  const type = typeOf(parameter);
  const byDefault = type === 'secret' ? undefined : defaultOf(type, content.default);
  return {
    name,
    type,
    ...(type === 'select' ? { options: content.option.map(({ value }) => value) } : {}),
    // "ip" is optional only because the plug may stand for it, which we do not offer
    required: parameter.required === '1' || (name === 'ip' && asIp),
    ...(byDefault === undefined ? {} : { default: byDefault }),
    shortdesc: plain(parameter.shortdesc),
    ...(isTime(parameter) ? { unit: 's' as const } : {}),
    advanced: isTime(parameter) || advanced.has(name),
  };
}

function typeOf(parameter: Parameter): FenceParameter['type'] {
  if (isSecret(parameter.name)) return 'secret';
  if (isTime(parameter)) return 'integer';
  switch (parameter.content.type) {
    case 'boolean':
    case 'integer':
    case 'select':
      return parameter.content.type;
    default:
      return 'string';
  }
}

function defaultOf(type: FenceParameter['type'], value: string | undefined): string | undefined {
  if (value === undefined || type !== 'boolean') return value;
  return /^(1|yes|on|true)$/i.test(value) ? '1' : '0';
}

const advanced = new Set([
  'auth',
  'cipher',
  'inet4_only',
  'inet6_only',
  'privlvl',
  'redfish_uri',
  'systems_uri',
  'target',
]);

/** What everybody fills in comes first: the address, the plug, who, the secret. */
const first = ['ip', 'ipport', 'plug', 'username', 'password'];
const rank = ({ name, advanced: rarely }: FenceParameter): number => {
  const at = first.indexOf(name);
  if (at !== -1) return at;
  return first.length + (rarely ? 1 : 0);
};
