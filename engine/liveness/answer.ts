import { z } from 'zod';
import { engineChannel } from '../../node/contract/engine-channel.ts';
import type { Health } from '../contract/health.ts';

/**
 * The words of QEMU's guest agent that libvirt needs to talk at all, and one of our own. Pure: bytes in, lines out.
 *
 *   {"execute":"guest-sync","arguments":{"id":7}}            -> {"return":7}
 *   FF {"execute":"guest-sync-delimited","arguments":{"id":7}} -> FF {"return":7}
 *   {"execute":"guest-ping"}                                 -> {"return":{}}
 *   {"execute":"trefoil-health"}                             -> {"return":{"state":"ready"}}
 */
const commandSchema = z.object({
  execute: z.string(),
  arguments: z.object({ id: z.number().optional() }).optional(),
});
/** Longer than any question: what grows beyond it is no line of ours. */
const maxLineBytes = 4_096;
/** Sent before a question, and wanted before the answer to a delimited one: whatever came before is forgotten. */
const delimiter = 0xff;

const failed = (desc: string, kind: string): string => JSON.stringify({ error: { class: kind, desc } });
const reply = (value: unknown): string => JSON.stringify({ return: value });

export class Conversation {
  readonly #state: () => Promise<Health['state']>;
  #rest = Buffer.alloc(0);

  constructor(state: () => Promise<Health['state']>) {
    this.#state = state;
  }

  /** What is to be written for these bytes, if anything. */
  async take(bytes: Buffer): Promise<Buffer> {
    let all = Buffer.concat([this.#rest, bytes]);
    const forget = all.lastIndexOf(delimiter);
    if (forget !== -1) all = all.subarray(forget + 1);
    const lines: Buffer[] = [];
    for (let end = all.indexOf(10); end !== -1; end = all.indexOf(10)) {
      lines.push(all.subarray(0, end));
      all = all.subarray(end + 1);
    }
    this.#rest = all.length > maxLineBytes ? Buffer.alloc(0) : Buffer.from(all);
    const answers: Buffer[] = [];
    for (const line of lines) if (line.length > 0) answers.push(await this.#answer(line.toString()));
    return Buffer.concat(answers);
  }

  async #answer(line: string): Promise<Buffer> {
    const { text, delimited } = await this.#words(line);
    return Buffer.concat([Buffer.from(delimited ? [delimiter] : []), Buffer.from(`${text}\n`)]);
  }

  async #words(line: string): Promise<{ text: string; delimited: boolean }> {
    const parsed = parse(line);
    if (parsed === undefined) return { text: failed('that is no command', 'GenericError'), delimited: false };
    switch (parsed.execute) {
      case 'guest-sync':
        return { text: reply(parsed.arguments?.id ?? 0), delimited: false };
      case 'guest-sync-delimited':
        return { text: reply(parsed.arguments?.id ?? 0), delimited: true };
      case 'guest-ping':
        return { text: reply({}), delimited: false };
      case engineChannel.healthCommand:
        return { text: reply({ state: await this.#state() }), delimited: false };
      default:
        return {
          text: failed(`the engine does not know ${parsed.execute}`, 'CommandNotFound'),
          delimited: false,
        };
    }
  }
}

function parse(line: string): z.infer<typeof commandSchema> | undefined {
  try {
    return commandSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
