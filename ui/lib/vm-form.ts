/** The "Create VM" form: what was typed, as text, and the request that it makes; every problem by field, at once. */
import type { Image } from '../../engine/contract/storage.ts';
import { type VmCreate, vmCreateSchema } from '../../engine/contract/vms.ts';
import { formatMiB } from './format.ts';
import { haRequest } from './ha-form.ts';

export type VmForm = {
  name: string;
  description: string;
  cpus: string;
  memoryGiB: string;
  diskGiB: string;
  imageId: string;
  volume: string;
  network: string;
  start: boolean;
  /** auto | on | off */
  ha: string;
  priority: string;
  hostName: string;
  userData: string;
};
export type VmFormField = keyof VmForm;
export type VmFormProblems = Partial<Record<VmFormField, string>>;

export const sizePresets = [
  { name: 'Small', cpus: 1, memoryMiB: 1024 },
  { name: 'Medium', cpus: 2, memoryMiB: 4096 },
  { name: 'Large', cpus: 4, memoryMiB: 8192 },
  { name: 'Extra large', cpus: 8, memoryMiB: 16_384 },
] as const;
export type SizePreset = (typeof sizePresets)[number];

export const gibText = (mib: number): string => String(Math.round((mib / 1024) * 1000) / 1000);
const toMiB = (gib: string): number => Math.round(Number(gib.replace(',', '.')) * 1024);

export const presetOf = (form: Pick<VmForm, 'cpus' | 'memoryGiB'>): SizePreset | undefined =>
  sizePresets.find(
    (preset) => form.cpus === String(preset.cpus) && toMiB(form.memoryGiB) === preset.memoryMiB,
  );

/** A disk is never smaller than the image it starts from. */
export const smallestDiskMiB = (image: Image | undefined): number => Math.ceil(image?.sizeMiB ?? 1);

export function readVmForm(
  form: VmForm,
  image: Image | undefined,
  takenNames: ReadonlySet<string>,
): { ok: true; request: VmCreate } | { ok: false; problems: VmFormProblems } {
  const problems: VmFormProblems = {};
  const diskMiB = toMiB(form.diskGiB);
  const name = form.name.trim();
  if (takenNames.has(name.toLowerCase())) problems.name = `There is a VM called ${name} already.`;
  if (Number.isFinite(diskMiB) && diskMiB < smallestDiskMiB(image))
    problems.diskGiB = `At least ${formatMiB(smallestDiskMiB(image))}, the size of the image.`;
  const hostName = form.hostName.trim();
  const cloudInit = {
    ...(hostName === '' ? {} : { hostName }),
    ...(form.userData.trim() === '' ? {} : { userData: form.userData }),
  };
  const parsed = vmCreateSchema.safeParse({
    name,
    description: form.description.trim(),
    cpus: Number(form.cpus),
    memoryMiB: toMiB(form.memoryGiB),
    diskMiB,
    volume: form.volume,
    network: form.network,
    start: form.start,
    ha: haRequest(form.ha, form.priority),
    ...(image === undefined ? {} : { imageId: image.id }),
    ...(Object.keys(cloudInit).length === 0 ? {} : { cloudInit }),
  });
  for (const issue of parsed.error?.issues ?? []) {
    const field = fieldOf(issue.path.map(String));
    problems[field] ??= sentence(field, issue.message);
  }
  return parsed.success && Object.keys(problems).length === 0
    ? { ok: true, request: parsed.data }
    : { ok: false, problems };
}

function fieldOf(path: readonly string[]): VmFormField {
  const last = path.at(-1) ?? 'name';
  switch (last) {
    case 'memoryMiB':
      return 'memoryGiB';
    case 'diskMiB':
      return 'diskGiB';
    case 'cpus':
    case 'description':
    case 'volume':
    case 'network':
    case 'hostName':
    case 'userData':
    case 'imageId':
      return last;
    default:
      return 'name';
  }
}

/** Messages of our own schemas are sentences; the numbers' are the schema library's and are said better here. */
function sentence(field: VmFormField, message: string): string {
  switch (field) {
    case 'cpus':
      return 'A whole number from 1 to 128.';
    case 'memoryGiB':
      return 'A size in GiB, at least 0.0625 (64 MiB).';
    case 'diskGiB':
      return 'A size in GiB.';
    case 'volume':
    case 'network':
      return 'Choose one.';
    default:
      return `${message.charAt(0).toUpperCase()}${message.slice(1)}${message.endsWith('.') ? '' : '.'}`;
  }
}
