/**
 * A VM's spec as libvirt's domain XML: pure, so that the goldens in golden/ show what each choice does.
 *
 * Choices that are not obvious:
 * - disks: cache=none, or a VM could not move safely; io=threads, since FUSE has no asynchronous I/O; a write error
 *   stops the VM instead of reaching the guest, so that a short loss of storage is a pause and no broken file system;
 * - nobody changes the owner of a disk file when a VM starts or ends: on a shared volume the other host may be using it;
 * - without KVM the CPU is all that QEMU can emulate, without la57: five-level page tables only cost time there;
 * - the whole record travels in the domain's metadata: a host to which the VM moves knows from it what it runs.
 */
import type { VmDisk, VmNic, VmSpec } from '../contract/vms.ts';
import type { Accelerator } from './accelerator.ts';
import { metadataXml, type VmMetadata } from './metadata.ts';
import { consoleLog, nvramPath, onVolume, seedPath, type VmPaths, vncSocket } from './paths.ts';
import { writeXml, type Xml, xml } from './xml.ts';

export type DomainHost = {
  paths: VmPaths;
  bridgeOf(network: string): string;
};

/** Unique on a host, and still readable in `virsh list`. */
export const domainName = (spec: Pick<VmSpec, 'id' | 'name'>): string =>
  `${spec.name}-${spec.id.slice(0, 8)}`;

function cpu(spec: VmSpec, accelerator: Accelerator): Xml {
  const topology = xml('topology', { sockets: 1, cores: spec.cpus, threads: 1 });
  if (spec.cpuModel !== 'host') {
    // Under emulation a model's missing features are left out, or no model could be had at all.
    const check = accelerator === 'kvm' ? 'partial' : 'none';
    const fallback = accelerator === 'kvm' ? 'forbid' : 'allow';
    return xml(
      'cpu',
      { mode: 'custom', match: 'exact', check },
      xml('model', { fallback }, spec.cpuModel),
      topology,
    );
  }
  if (accelerator === 'kvm') return xml('cpu', { mode: 'host-model', check: 'partial' }, topology);
  return xml(
    'cpu',
    { mode: 'maximum', check: 'none', migratable: 'on' },
    topology,
    xml('feature', { policy: 'disable', name: 'la57' }),
  );
}

function system(spec: VmSpec, host: DomainHost): Xml[] {
  const type = xml('type', { arch: 'x86_64', machine: spec.machine }, 'hvm');
  const volume = spec.disks[0]?.volume;
  const efi = spec.firmware === 'uefi';
  const firmware = efi
    ? [
        xml('firmware', {}, xml('feature', { enabled: 'no', name: 'secure-boot' })),
        // Its variables are kept with the first disk: they must be there wherever the VM runs.
        volume === undefined ? undefined : xml('nvram', {}, onVolume(host.paths, volume, nvramPath(spec.id))),
      ]
    : [];
  return [
    xml('os', efi ? { firmware: 'efi' } : {}, type, firmware, xml('bootmenu', { enable: 'no' })),
    xml('features', {}, xml('acpi'), xml('apic'), xml('vmport', { state: 'off' })),
  ];
}

const clock = xml(
  'clock',
  { offset: 'utc' },
  xml('timer', { name: 'rtc', tickpolicy: 'catchup' }),
  xml('timer', { name: 'pit', tickpolicy: 'delay' }),
  xml('timer', { name: 'hpet', present: 'no' }),
);

/** vda, vdb ... or sda, sdb ...: each bus counts for itself. There are at most 25 disks, so one letter is enough. */
const deviceName = (bus: VmDisk['bus'], index: number): string =>
  `${bus === 'virtio' ? 'vd' : 'sd'}${String.fromCharCode(97 + index)}`;

function disks(spec: VmSpec, host: DomainHost): Xml[] {
  const seen = { virtio: 0, sata: 0 };
  const disk = (of: VmDisk, path: string): Xml =>
    xml(
      'disk',
      // QEMU has no read-only SATA disk; what is meant is an ISO image in its drive.
      { type: 'file', device: of.readOnly && of.bus === 'sata' ? 'cdrom' : 'disk' },
      xml('driver', {
        name: 'qemu',
        type: of.format,
        cache: 'none',
        io: 'threads',
        error_policy: 'stop',
        rerror_policy: 'stop',
        discard: of.readOnly ? undefined : 'unmap',
        detect_zeroes: of.readOnly ? undefined : 'unmap',
      }),
      xml('source', { file: path }, xml('seclabel', { model: 'dac', relabel: 'no' })),
      xml('target', { dev: deviceName(of.bus, seen[of.bus]++), bus: of.bus }),
      of.readOnly ? xml('readonly') : undefined,
      xml('serial', {}, of.serial),
      of.bootOrder === undefined ? undefined : xml('boot', { order: of.bootOrder }),
    );
  const all = spec.disks.map((of) => disk(of, onVolume(host.paths, of.volume, of.path)));
  const { cloudInit, seedVolume } = spec;
  if (cloudInit === undefined || seedVolume === undefined) return all;
  const path = seedPath(spec.id);
  // A guest that was given no virtio disk may not know virtio. A drive cannot hold it: FAT has sectors of 512 bytes.
  const bus = spec.disks.some((of) => of.bus === 'virtio') || spec.disks.length === 0 ? 'virtio' : 'sata';
  const seed: VmDisk = {
    serial: 'cidata',
    volume: seedVolume,
    path,
    format: 'raw',
    readOnly: bus === 'virtio',
    bus,
  };
  return [...all, disk(seed, onVolume(host.paths, seedVolume, path))];
}

const nic = (of: VmNic, host: DomainHost): Xml =>
  xml(
    'interface',
    { type: 'bridge' },
    xml('mac', { address: of.mac }),
    xml('source', { bridge: host.bridgeOf(of.network) }),
    xml('model', { type: of.model }),
    // Nobody boots from the network: its ROM would only cost a second of firmware.
    xml('rom', { enabled: 'no' }),
  );

/** Devices are plugged into ports; four stay free for what is added while the VM runs. */
function ports(spec: VmSpec): Xml[] {
  if (spec.machine !== 'q35') return [];
  const virtioDisks = spec.disks.filter((of) => of.bus === 'virtio').length;
  // USB, serial channels, entropy, balloon, and the seed whether there is one or not
  const others = 5 + (spec.vga === 'virtio' ? 1 : 0);
  const count = virtioDisks + spec.nics.length + others + 4;
  return [
    xml('controller', { type: 'pci', model: 'pcie-root' }),
    ...Array.from({ length: count }, () => xml('controller', { type: 'pci', model: 'pcie-root-port' })),
  ];
}

function consoles(spec: VmSpec, host: DomainHost): Xml[] {
  return [
    xml(
      'serial',
      { type: 'pty' },
      xml('log', { file: consoleLog(host.paths, spec.id), append: 'on' }),
      xml('target', { type: 'isa-serial', port: 0 }),
    ),
    xml('console', { type: 'pty' }, xml('target', { type: 'serial', port: 0 })),
    xml('channel', { type: 'unix' }, xml('target', { type: 'virtio', name: 'org.qemu.guest_agent.0' })),
    // The absolute pointer: without it a browser's pointer and the guest's drift apart.
    xml('input', { type: 'tablet', bus: 'usb' }),
    xml('graphics', { type: 'vnc', socket: vncSocket(host.paths, spec.id) }),
    xml(
      'video',
      {},
      spec.vga === 'virtio' ? xml('model', { type: 'virtio' }) : xml('model', { type: 'vga', vram: 16_384 }),
    ),
  ];
}

export function domainXml(metadata: VmMetadata, host: DomainHost): string {
  const { spec, accelerator } = metadata;
  const off = { enabled: 'no' };
  return writeXml(
    xml(
      'domain',
      { type: accelerator === 'kvm' ? 'kvm' : 'qemu' },
      xml('name', {}, domainName(spec)),
      xml('uuid', {}, spec.id),
      xml('title', {}, spec.name),
      xml('metadata', {}, metadataXml(metadata)),
      xml('memory', { unit: 'MiB' }, `${spec.memoryMiB}`),
      xml('vcpu', {}, `${spec.cpus}`),
      system(spec, host),
      cpu(spec, accelerator),
      clock,
      xml('on_poweroff', {}, 'destroy'),
      xml('on_reboot', {}, 'restart'),
      xml('on_crash', {}, 'destroy'),
      xml('pm', {}, xml('suspend-to-mem', off), xml('suspend-to-disk', off)),
      xml(
        'devices',
        {},
        ports(spec),
        disks(spec, host),
        spec.nics.map((of) => nic(of, host)),
        xml('controller', { type: 'usb', model: 'qemu-xhci' }),
        consoles(spec, host),
        xml('panic', { model: 'isa' }),
        xml('rng', { model: 'virtio' }, xml('backend', { model: 'random' }, '/dev/urandom')),
        xml('memballoon', { model: 'virtio', freePageReporting: 'on' }, xml('stats', { period: 5 })),
      ),
    ),
  );
}
