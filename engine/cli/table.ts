/** Rows as aligned columns; the head in capitals, as people know it. */
export function table(head: readonly string[], rows: ReadonlyArray<readonly string[]>): string[] {
  const all = [head.map((cell) => cell.toUpperCase()), ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

export const mib = (value: number): string =>
  value < 1024
    ? `${Math.round(value)} MiB`
    : value < 1024 * 1024
      ? `${(value / 1024).toFixed(1)} GiB`
      : `${(value / 1024 / 1024).toFixed(1)} TiB`;

/** `512`, `512M`, `2G`, `1T` as MiB */
export function parseMib(text: string): number | undefined {
  const found = /^(\d+(?:\.\d+)?)\s*([MGT]?)(?:i?B)?$/i.exec(text.trim());
  if (found === null) return undefined;
  const factor = { '': 1, M: 1, G: 1024, T: 1024 * 1024 }[found[2]?.toUpperCase() ?? ''] ?? 1;
  return Math.round(Number(found[1]) * factor);
}
