/** Cuts a byte stream into lines, however it was split on the way. */
export type LineSplitter = { push(chunk: Uint8Array): string[]; rest(): string };

/** A watch of ours never sends a line near this; without a bound a broken member could fill our memory. */
const maxLine = 64 * 1024 * 1024;

export function makeLineSplitter(): LineSplitter {
  const decoder = new TextDecoder('utf-8');
  let held = '';
  return {
    push(chunk) {
      held += decoder.decode(chunk, { stream: true });
      const parts = held.split('\n');
      held = parts.pop() ?? '';
      if (held.length > maxLine) throw new Error(`a line is longer than ${maxLine} characters`);
      return parts.filter((line) => line.trim() !== '');
    },
    rest: () => held,
  };
}
