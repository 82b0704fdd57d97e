import { XMLParser } from 'fast-xml-parser';
import { z } from 'zod';
import { unreadable } from '../command/run.ts';

/**
 * The CPU models that a guest can have here, from libvirt's domain capabilities:
 *   <cpu><mode name='custom' supported='yes'><model usable='yes' vendor='AMD'>EPYC</model>...</mode></cpu>
 */
const modelSchema = z.object({ '#text': z.string(), usable: z.string().optional() });
const modeSchema = z.object({ name: z.string(), model: z.array(modelSchema).default([]) });
const schema = z.object({
  domainCapabilities: z.object({ cpu: z.object({ mode: z.array(modeSchema).default([]) }) }),
});

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '',
  alwaysCreateTextNode: true,
  parseTagValue: false,
  parseAttributeValue: false,
  isArray: (name) => name === 'mode' || name === 'model',
});

export function usableModelsOf(capabilities: string): string[] {
  try {
    const { domainCapabilities } = schema.parse(parser.parse(capabilities));
    const custom = domainCapabilities.cpu.mode.find(({ name }) => name === 'custom');
    return (custom?.model ?? [])
      .filter(({ usable }) => usable === 'yes')
      .map((model) => model['#text'])
      .sort();
  } catch (error) {
    throw unreadable('libvirt', 'its list of CPU models', error);
  }
}
