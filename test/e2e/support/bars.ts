/**
 * Measured times, printed beside the time that is promised; the runner shows what follows `measured:`. They are not asserted: a
 * machine that is busy with other things would make tests fail that have nothing wrong. The best round says what the page
 * needs, the others what the machine did.
 */
export function tell(what: string, values: readonly number[], bar: number, unit = 'ms'): void {
  const best = Math.min(...values);
  const all = values.length > 1 ? `, all ${values.map(Math.round).join(' ')}` : '';
  const verdict = best <= bar ? 'met' : 'NOT MET';
  console.log(`measured: ${what}: ${Math.round(best)} ${unit} (bar ${bar} ${unit}, ${verdict}${all})`);
}
