import { z } from 'zod';
import { generationSchema } from '../contract/ids.ts';
import { vmSpecSchema } from '../contract/vms.ts';
import { type Xml, xml } from './xml.ts';

/**
 * What a running domain knows about itself, as JSON inside `<metadata>`. It moves with the domain, and it survives the
 * loss of this host's own record.
 */
export const vmMetadataSchema = z.object({
  generation: generationSchema,
  startedAt: z.iso.datetime(),
  accelerator: z.enum(['kvm', 'tcg']),
  spec: vmSpecSchema,
  /** of the assignment that it runs by, when HA started it (node/contract/ha.ts) */
  epoch: z.number().int().positive().optional(),
});
export type VmMetadata = z.infer<typeof vmMetadataSchema>;

export const metadataNamespace = 'urn:trefoil:vm:1';

export const metadataXml = (metadata: VmMetadata): Xml =>
  xml('trefoil:vm', { 'xmlns:trefoil': metadataNamespace }, JSON.stringify(metadata));

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', apos: "'", quot: '"' };

/** Reads the element as libvirt gives it back; undefined when it is none of ours or cannot be understood. */
export function readMetadata(element: string): VmMetadata | undefined {
  const text = />([^<]*)</.exec(element)?.[1];
  if (text === undefined) return undefined;
  const json = text.replaceAll(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return entities[name] ?? whole;
  });
  try {
    return vmMetadataSchema.parse(JSON.parse(json));
  } catch {
    return undefined;
  }
}
