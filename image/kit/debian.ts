import { tool } from '../tool.ts';

export const suite = 'trixie';

/**
 * Makes a Debian tree. `extract`: packages are unpacked, none is configured (to take files from); `minbase`, `apt`,
 * `custom`: installed, see mmdebstrap(1). The mirror is mmdebstrap's default.
 */
export async function debianTree(options: {
  into: string;
  variant: 'extract' | 'apt' | 'custom' | 'minbase';
  packages: readonly string[];
  more?: readonly string[];
}): Promise<void> {
  await tool(
    [
      'mmdebstrap',
      `--variant=${options.variant}`,
      `--include=${options.packages.join(',')}`,
      ...(options.more ?? []),
      suite,
      options.into,
    ],
    { timeoutMs: 15 * 60_000 },
  );
}

/** A packages.txt: one package a line, `#` starts a comment. */
export function packageList(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
}
