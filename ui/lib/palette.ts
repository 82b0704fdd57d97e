/** Ranking for the command palette: whole prefix, then word prefix, then anywhere, then letters in order. 0: no match. */
export function rank(text: string, query: string): number {
  const wanted = query.trim().toLowerCase();
  if (wanted === '') return 1;
  const inside = text.toLowerCase();
  if (inside.startsWith(wanted)) return 100 - Math.min(50, inside.length - wanted.length);
  if (inside.split(/[\s\-_.:]+/).some((word) => word.startsWith(wanted))) return 45;
  if (inside.includes(wanted)) return 30;
  const words = wanted.split(/\s+/);
  if (words.length > 1 && words.every((word) => inside.includes(word))) return 25;
  let from = 0;
  for (const letter of wanted) {
    const found = inside.indexOf(letter, from);
    if (found < 0) return 0;
    from = found + 1;
  }
  return wanted.length >= 3 ? 5 : 0;
}

/** `wordsOf`: what an item is found by besides; a match there counts less than any in its text. */
export function bestMatches<T>(
  items: readonly T[],
  query: string,
  textOf: (item: T) => string,
  limit: number,
  wordsOf: (item: T) => string = () => '',
): T[] {
  return items
    .map((item, index) => ({
      item,
      index,
      score: rank(textOf(item), query) || rankWords(wordsOf(item), textOf(item), query),
    }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, limit)
    .map(({ item }) => item);
}

/** Each word of the query begins one of the words. */
function rankWords(words: string, text: string, query: string): number {
  if (words === '') return 0;
  const known = `${text} ${words}`.toLowerCase().split(/\s+/);
  const wanted = query.trim().toLowerCase().split(/\s+/);
  return wanted.every((word) => known.some((one) => one.startsWith(word))) ? 4 : 0;
}
