/** What a file's name says about an image: its format and a name to suggest. */
export type ImageGuess =
  | { ok: true; format: 'raw' | 'qcow2'; name: string }
  | { ok: false; message: string; remedy: string };

export function guessImage(fileName: string): ImageGuess {
  const [, stem = fileName, ending = ''] = /^(.*?)\.([A-Za-z0-9]+)$/.exec(fileName) ?? [];
  const name = stem.replaceAll(/[_\s]+/g, ' ').trim() || fileName;
  switch (ending.toLowerCase()) {
    case 'qcow2':
    case 'qcow':
      return { ok: true, format: 'qcow2', name };
    case 'raw':
    case 'img':
      return { ok: true, format: 'raw', name };
    case 'xz':
    case 'gz':
    case 'zst':
    case 'zip':
      return {
        ok: false,
        message: 'This file is compressed.',
        remedy: 'Unpack it first, then upload the .qcow2 or .raw file.',
      };
    case 'vmdk':
    case 'vhd':
    case 'vhdx':
    case 'vdi':
    case 'ova':
      return {
        ok: false,
        message: `Disks in the ${ending.toUpperCase()} format cannot be used.`,
        remedy: 'Convert it first: qemu-img convert -O qcow2 disk.in disk.qcow2',
      };
    default:
      return {
        ok: false,
        message: 'This does not look like a disk image.',
        remedy: 'Choose a file that ends in .qcow2, .raw or .img.',
      };
  }
}

/** The first bytes tell for sure: a qcow2 file that is called .img is common. */
export const isQcow2 = (firstBytes: Uint8Array): boolean =>
  firstBytes[0] === 0x51 && firstBytes[1] === 0x46 && firstBytes[2] === 0x49 && firstBytes[3] === 0xfb;
