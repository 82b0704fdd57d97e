/** Names as systemd and D-Bus write them. All pure. */

/** `/var/lib/x-y` -> `var-lib-x\x2dy`: what systemd-escape --path does. */
export function escapePath(path: string): string {
  const trimmed = path
    .split('/')
    .filter((part) => part !== '')
    .join('/');
  if (trimmed === '') return '-';
  return [...Buffer.from(trimmed, 'utf8')]
    .map((byte, index) => {
      const character = String.fromCharCode(byte);
      if (character === '/') return '-';
      if (/[A-Za-z0-9:_]/.test(character) || (character === '.' && index > 0)) return character;
      return `\\x${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

export const mountUnitOf = (mountPoint: string): string => `${escapePath(mountPoint)}.mount`;

/** The D-Bus object of a unit: everything but letters and digits is `_xx`, also a digit in first place. */
export function unitObjectPath(unit: string): string {
  const label = [...Buffer.from(unit, 'utf8')]
    .map((byte, index) => {
      const character = String.fromCharCode(byte);
      const plain = /[A-Za-z]/.test(character) || (/[0-9]/.test(character) && index > 0);
      return plain ? character : `_${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
  return `/org/freedesktop/systemd1/unit/${label}`;
}
