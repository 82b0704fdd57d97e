import { z } from 'zod';
import { passwordHashSchema } from '../../engine/contract/seed.ts';
import { cidrSchema, hostIdSchema, ipv4Schema, nameSchema } from '../../node/contract/ids.ts';
import { pairingCodeSchema } from '../../node/contract/pairing.ts';

/**
 * What a person has to say to form a cluster: one schema for the answer file, the console and the browser. Everything
 * that can have a sensible default has one; keys that are not here are refused.
 */
const nicSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/, 'the name of a network card, such as eno1');
const vlanSchema = z.number().int().min(1).max(4094);
const mtuSchema = z.number().int().min(1280).max(9216).default(1500);

export const clusterNameSchema = z
  .string()
  .min(1, 'give it a name')
  .max(63)
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9 ._-]*[A-Za-z0-9])?$/,
    'letters, digits, spaces, dots, hyphens; starting and ending with a letter or digit',
  );

/** A name or address that a browser may call the engine by. */
export const certificateNameSchema = z.union(
  [
    z.ipv4(),
    z.ipv6(),
    z
      .string()
      .max(253)
      .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/),
  ],
  { error: 'a DNS name in lower case, or an address' },
);

export const staticAddressingSchema = z.strictObject({
  kind: z.literal('static'),
  address: cidrSchema,
  gateway: ipv4Schema.optional(),
  dns: z.array(ipv4Schema).default([]),
});
export const answerAddressingSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('dhcp') }),
  staticAddressingSchema,
]);

export const hostFindSchema = z.union(
  [
    z.literal('this'),
    z.strictObject({ id: hostIdSchema }),
    z.strictObject({ address: z.union([ipv4Schema, z.ipv6()]) }),
  ],
  { error: 'say "this", or {"id": "..."}, or {"address": "..."}' },
);

export const diskChoiceSchema = z.union(
  [
    /** the largest disk with nothing on it */
    z.literal('largest-free'),
    /** a directory on the system disk: for trials, and for witnesses */
    z.literal('directory'),
    z.array(z.strictObject({ serial: z.string().min(1) })).min(1),
  ],
  { error: 'say "largest-free", "directory", or a list such as [{"serial": "..."}]' },
);

export const hostAnswerSchema = z.strictObject({
  name: nameSchema,
  /** `this` is the host that the installer runs on; the others are found by id or by address */
  find: hostFindSchema,
  /** as the host shows it on its console; not for `this` */
  pairingCode: pairingCodeSchema.optional(),
  /** `arbiter`: a small witness beside two full hosts; it keeps no data and runs no VMs */
  role: z.enum(['full', 'arbiter']).default('full'),
  disks: diskChoiceSchema.optional(),
  /** disks that hold data are taken only with this, and only by their serial numbers */
  eraseData: z.boolean().default(false),
  /** no NIC: the one that has the host's address now */
  management: z
    .strictObject({
      nic: nicSchema.optional(),
      addressing: answerAddressingSchema.default({ kind: 'dhcp' }),
    })
    .prefault({}),
  /** no NIC: the network's; no address: the next free of the storage network */
  storage: z.strictObject({ nic: nicSchema.optional(), address: ipv4Schema.optional() }).prefault({}),
});

export const managementNetworkSchema = z.strictObject({
  nic: nicSchema.optional(),
  vlan: vlanSchema.optional(),
  mtu: mtuSchema,
});
export const storageNetworkSchema = z.strictObject({
  /** the same card on all hosts; a host may name another; absent: the only other card with a link */
  nic: nicSchema.optional(),
  vlan: vlanSchema.optional(),
  mtu: mtuSchema,
  cidr: cidrSchema.default('172.29.77.0/24'),
});

export const engineAnswerSchema = z.strictObject({
  /** fixed address of the engine on the management network, with prefix length */
  address: cidrSchema,
  gateway: ipv4Schema.optional(),
  dns: z.array(ipv4Schema).default([]),
  hostName: nameSchema.default('engine'),
  /** more names and addresses that its certificate shall be good for, e.g. trefoil.office.example */
  names: z.array(certificateNameSchema).max(32).default([]),
  memoryMiB: z.number().int().min(1024).max(65_536).default(2048),
  cpus: z.number().int().min(1).max(32).default(2),
  systemDiskMiB: z.number().int().min(1024).max(1_048_576).default(4096),
  dataDiskMiB: z.number().int().min(2048).max(4_194_304).default(32_768),
});

export const adminAnswerSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9._-]{0,62}$/, 'letters, digits, dots, hyphens; starting with a letter')
    .default('admin'),
  /** one of the two; the hash is made by `trefoil-installer hash` */
  password: z.string().max(1024).optional(),
  passwordHash: passwordHashSchema.optional(),
});

export const answersSchema = z.strictObject({
  format: z.literal(1).default(1),
  cluster: z.strictObject({ name: clusterNameSchema }),
  admin: adminAnswerSchema,
  hosts: z.array(hostAnswerSchema).min(1).max(12),
  networks: z
    .strictObject({
      management: managementNetworkSchema.prefault({}),
      /** absent: storage shares the management network */
      storage: storageNetworkSchema.optional(),
    })
    .prefault({}),
  engine: engineAnswerSchema,
  /** none: the hosts keep each other's clocks together */
  timeServers: z
    .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$/))
    .max(8)
    .default([]),
  volumes: z.strictObject({ layout: z.literal('auto').default('auto') }).prefault({}),
  /** guest images of the installation medium that are put on the volume `data`: all, or those with these names */
  images: z.union([z.literal('all'), z.array(z.string().min(1))]).default('all'),
});

export type Answers = z.infer<typeof answersSchema>;
export type AnswersInput = z.input<typeof answersSchema>;
export type HostAnswer = z.infer<typeof hostAnswerSchema>;
export type HostFind = z.infer<typeof hostFindSchema>;
export type EngineAnswer = z.infer<typeof engineAnswerSchema>;
