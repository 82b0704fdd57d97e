/** X11 key symbols for text that is typed into a console, character by character (paste as keys). */
const special: Record<string, number> = { '\n': 0xff0d, '\t': 0xff09, '\b': 0xff08, '\u001b': 0xff1b };

export function keysymsOf(text: string): number[] {
  return [...text.replaceAll('\r\n', '\n').replaceAll('\r', '\n')].flatMap((character) => {
    const known = special[character];
    if (known !== undefined) return [known];
    const point = character.codePointAt(0) ?? 0;
    if (point < 0x20 || (point >= 0x7f && point < 0xa0)) return [];
    return [point <= 0xff ? point : 0x0100_0000 | point];
  });
}
