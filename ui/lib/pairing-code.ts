/** The code that a host shows on its console: eight characters as XXXX-XXXX, Crockford's alphabet (no I, L, O, U). */
const lookalikes: Record<string, string> = { I: '1', L: '1', O: '0' };

/** What was typed or pasted, as far as it can be part of a code, with the hyphen set. */
export function formatPairingCode(typed: string): string {
  const characters = [...typed.toUpperCase()]
    .map((character) => lookalikes[character] ?? character)
    .filter((character) => /[0-9A-HJKMNP-TV-Z]/.test(character))
    .slice(0, 8)
    .join('');
  return characters.length > 4 ? `${characters.slice(0, 4)}-${characters.slice(4)}` : characters;
}

export const isWholePairingCode = (code: string): boolean => code.replace('-', '').length === 8;
