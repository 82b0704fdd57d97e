/** How long to wait before the next try to reach the engine: soon at first, then every few seconds, never in step with others. */
export function retryDelayMs(failures: number, random: number): number {
  const base = Math.min(5000, 400 * 2 ** Math.max(0, failures - 1));
  return Math.round(base * (0.8 + 0.4 * random));
}
