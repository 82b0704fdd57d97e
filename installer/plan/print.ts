import type { Plan, PlanHost, PlanVolume } from './model.ts';
import { pointOfNoReturn } from './steps.ts';

const copies = {
  single: 'one copy',
  'replica-3': 'three copies',
  'replica-2-arbiter': 'two copies and a witness',
} as const;

const disksOf = (host: PlanHost): string =>
  host.bricks.length === 0
    ? 'none'
    : host.bricks
        .map(({ name, place }) =>
          place.kind === 'directory'
            ? `${name}: a directory`
            : `${name}: ${place.serial}${place.eraseData ? ' (is erased)' : ''}`,
        )
        .join(', ');

const setsOf = ({ layout, bricks }: PlanVolume): PlanVolume['bricks'][] => {
  const size = layout === 'single' ? 1 : 3;
  return bricks.flatMap((_, at) => (at % size === 0 ? [bricks.slice(at, at + size)] : []));
};

const table = (rows: readonly (readonly string[])[]): string[] => {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
};

export const duration = (seconds: number): string =>
  seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;

/** The plan for a person: what each host will be, and what is done in which order. */
export function planText(plan: Plan): string {
  const { engine } = plan;
  const hosts = plan.hosts.length === 1 ? 'one host' : `${plan.hosts.length} hosts`;
  const total = plan.steps.reduce((sum, step) => sum + step.seconds, 0);
  return `${[
    `Cluster "${plan.cluster.name}" of ${hosts}, Trefoil ${plan.version}`,
    '',
    ...table([
      ['host', 'role', 'management', 'storage', 'store', 'disks'],
      ...plan.hosts.map((host) => [
        host.name,
        host.role,
        host.address,
        host.storageAddress,
        host.etcdMember ? 'yes' : 'no',
        disksOf(host),
      ]),
    ]),
    '',
    ...plan.volumes.flatMap((volume) => [
      `  Volume ${volume.name}, ${copies[volume.layout]}:`,
      ...setsOf(volume).map((set) => `    ${set.map((brick) => `${brick.host}/${brick.brick}`).join(' ')}`),
    ]),
    `  Engine ${engine.address}: ${engine.spec.cpus} CPUs (${engine.spec.cpuModel}), ${engine.spec.memoryMiB} MiB`,
    `    its certificate is good for ${engine.names.join(', ')}`,
    `  Clocks: ${plan.timeServers.length === 0 ? 'the hosts keep each other together' : plan.timeServers.join(', ')}`,
    ...(plan.images.length === 0
      ? []
      : [`  Guest images: ${plan.images.map((image) => image.name).join(', ')}`]),
    '',
    `Steps, about ${duration(total)} in all; everything before "${plan.steps.find((step) => step.kind === pointOfNoReturn)?.title}" can be undone:`,
    ...plan.steps.map((step, index) => `  ${String(index + 1).padStart(2)}. ${step.title}`),
  ].join('\n')}\n`;
}
