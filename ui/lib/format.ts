/** Numbers as people read them. Sizes come in MiB; binary units throughout, as the engine counts. */
const units = ['MiB', 'GiB', 'TiB', 'PiB'] as const;

export function formatMiB(mib: number): string {
  if (!Number.isFinite(mib)) return '–';
  let value = mib;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = Number.isInteger(value) || Math.abs(value) >= 100 ? 0 : 1;
  return `${trimZero(value.toFixed(digits))} ${units[unit]}`;
}

/** "42 GiB of 96 GiB" without saying the unit twice: "42 of 96 GiB" */
export function formatMiBOf(used: number, total: number): string {
  const [usedText, totalText] = [formatMiB(used), formatMiB(total)];
  const [usedNumber, usedUnit] = usedText.split(' ');
  return totalText.endsWith(` ${usedUnit}`) ? `${usedNumber} of ${totalText}` : `${usedText} of ${totalText}`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KiB`;
  return formatMiB(bytes / (1024 * 1024));
}

export function formatPercent(percent: number): string {
  if (!Number.isFinite(percent)) return '–';
  return `${percent > 0 && percent < 1 ? '<1' : Math.round(percent)}\u00a0%`;
}

/** The part of the whole in percent, 0 when there is no whole. */
export const share = (part: number, whole: number): number =>
  whole > 0 ? Math.min(100, Math.max(0, (part / whole) * 100)) : 0;

export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole === 0) return 'under 1 s';
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(whole, 60, 'min', 1, 's', whole < 600);
  if (whole < 86_400) return two(whole, 3600, 'h', 60, 'min', true);
  return two(whole, 86_400, 'd', 3600, 'h', whole < 10 * 86_400);
}

export function formatSecondsLeft(seconds: number): string {
  return seconds < 5 ? 'a few seconds left' : `about ${formatDuration(seconds)} left`;
}

/** "just now", "3 min ago", "yesterday 14:02", else the date. `now` is given so that lists agree with each other. */
export function formatAgo(at: string | Date, now: Date): string {
  const then = new Date(at);
  const seconds = (now.getTime() - then.getTime()) / 1000;
  if (seconds < 10) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (dayKey(then) === dayKey(now)) return `${Math.floor(seconds / 3600)} h ago`;
  if (dayKey(then) === dayKey(daysBefore(now, 1))) return `yesterday ${formatTime(then)}`;
  return `${formatDay(then, now)} ${formatTime(then)}`;
}

export const formatTime = (at: string | Date): string => {
  const date = new Date(at);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}`;
};
export const formatTimeWithSeconds = (at: string | Date): string =>
  `${formatTime(at)}:${pad(new Date(at).getSeconds())}`;

export function formatDay(at: string | Date, now: Date): string {
  const date = new Date(at);
  if (dayKey(date) === dayKey(now)) return 'Today';
  if (dayKey(date) === dayKey(daysBefore(now, 1))) return 'Yesterday';
  const month = date.toLocaleString('en', { month: 'short' });
  const year = date.getFullYear() === now.getFullYear() ? '' : ` ${date.getFullYear()}`;
  return `${date.getDate()} ${month}${year}`;
}

export const formatDateTime = (at: string | Date): string => {
  const date = new Date(at);
  const month = date.toLocaleString('en', { month: 'short' });
  return `${date.getDate()} ${month} ${date.getFullYear()}, ${formatTime(date)}`;
};

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

export function listWords(words: readonly string[]): string {
  if (words.length <= 1) return words[0] ?? '';
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** Local calendar day, as a key: 2026-11-22 */
export function dayKey(at: string | Date): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

const pad = (value: number) => String(value).padStart(2, '0');
const trimZero = (text: string) => text.replace(/\.0$/, '');
const daysBefore = (date: Date, days: number) =>
  new Date(date.getFullYear(), date.getMonth(), date.getDate() - days);
function two(whole: number, big: number, bigUnit: string, small: number, smallUnit: string, both: boolean) {
  const first = Math.floor(whole / big);
  const rest = Math.floor((whole - first * big) / small);
  return both && rest > 0 ? `${first} ${bigUnit} ${rest} ${smallUnit}` : `${first} ${bigUnit}`;
}
