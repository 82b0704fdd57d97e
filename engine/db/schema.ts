import {
  bigint,
  bigserial,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core';

/**
 * The tables as drizzle sees them. The truth is migrations/*; a test compares both. JSON columns are `unknown` here on
 * purpose: each store parses them with its zod schema when it reads.
 */
const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' });

/** One row: the cluster that this engine manages, from the seed. */
export const cluster = pgTable('cluster', {
  one: boolean('one').primaryKey(),
  id: uuid('id').notNull(),
  name: text('name').notNull(),
  seedGeneration: integer('seed_generation').notNull(),
  etcdEndpoints: jsonb('etcd_endpoints').$type<unknown>().notNull(),
  timeServers: jsonb('time_servers').$type<unknown>().notNull(),
});

export const users = pgTable('users', {
  id: uuid('id').primaryKey(),
  name: text('name').notNull(),
  passwordHash: text('password_hash').notNull(),
  createdAt: at('created_at').notNull(),
});

/** The token itself is never stored: `token_hash` is its SHA-256. */
export const sessions = pgTable('sessions', {
  tokenHash: text('token_hash').primaryKey(),
  userId: uuid('user_id').notNull(),
  cookie: boolean('cookie').notNull(),
  createdAt: at('created_at').notNull(),
  usedAt: at('used_at').notNull(),
  expiresAt: at('expires_at').notNull(),
});

export const hosts = pgTable('hosts', {
  id: uuid('id').primaryKey(),
  name: text('name').notNull(),
  address: text('address').notNull(),
  storageAddress: text('storage_address').notNull(),
  /** joining | member */
  membership: text('membership').notNull(),
  createdAt: at('created_at').notNull(),
});

export const networks = pgTable('networks', {
  name: text('name').primaryKey(),
  bridge: text('bridge').notNull(),
});

export const volumes = pgTable('volumes', {
  name: text('name').primaryKey(),
  forVms: boolean('for_vms').notNull(),
});

export const images = pgTable('images', {
  id: uuid('id').primaryKey(),
  name: text('name').notNull(),
  volume: text('volume').notNull(),
  path: text('path').notNull(),
  format: text('format').notNull(),
  sizeMib: bigint('size_mib', { mode: 'number' }).notNull(),
  createdAt: at('created_at').notNull(),
});

/** What is wanted of each VM; what hosts report is kept in memory only. */
export const vms = pgTable('vms', {
  id: uuid('id').primaryKey(),
  name: text('name').notNull(),
  description: text('description').notNull(),
  /** creating | present | deleting */
  lifecycle: text('lifecycle').notNull(),
  /** running | off */
  power: text('power').notNull(),
  generation: integer('generation').notNull(),
  /** the one host that may run it now */
  hostId: uuid('host_id'),
  hardware: jsonb('hardware').$type<unknown>().notNull(),
  imageId: uuid('image_id'),
  imageName: text('image_name'),
  /** why it is as it is, for people; empty when there is nothing to say */
  note: text('note').notNull(),
  isEngine: boolean('is_engine').notNull(),
  /** HA keeps it running; of the engine's own VM nobody asks */
  haEnabled: boolean('ha_enabled').notNull(),
  /** low | normal | high */
  haPriority: text('ha_priority').notNull(),
  createdAt: at('created_at').notNull(),
});

export const jobs = pgTable(
  'jobs',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind').notNull(),
    title: text('title').notNull(),
    state: text('state').notNull(),
    input: jsonb('input').$type<unknown>().notNull(),
    /** what the steps found out and need again after a crash: ids, chosen hosts */
    memory: jsonb('memory').$type<unknown>().notNull(),
    steps: jsonb('steps').$type<unknown>().notNull(),
    locks: jsonb('locks').$type<unknown>().notNull(),
    subject: jsonb('subject').$type<unknown>(),
    userName: text('user_name').notNull(),
    error: jsonb('error').$type<unknown>(),
    cancelRequested: boolean('cancel_requested').notNull(),
    number: bigserial('number', { mode: 'number' }).notNull(),
    createdAt: at('created_at').notNull(),
    endedAt: at('ended_at'),
  },
  (table) => [index('jobs_number').on(table.number)],
);

/** A subject is worked on by one job at a time. */
export const jobLocks = pgTable('job_locks', {
  subject: text('subject').primaryKey(),
  jobId: uuid('job_id').notNull(),
});

export const events = pgTable('events', {
  id: bigserial('id', { mode: 'number' }).primaryKey(),
  at: at('at').notNull(),
  severity: text('severity').notNull(),
  code: text('code').notNull(),
  message: text('message').notNull(),
  subject: jsonb('subject').$type<unknown>(),
  userName: text('user_name'),
  jobId: uuid('job_id'),
});

/** Per host: the last note of its timeline that is an event already. */
export const haTimeline = pgTable('ha_timeline', {
  hostId: uuid('host_id').primaryKey(),
  lastKey: text('last_key').notNull(),
});

export const schemaMigrations = pgTable(
  'schema_migrations',
  {
    number: integer('number').notNull(),
    name: text('name').notNull(),
    sha256: text('sha256').notNull(),
    appliedAt: at('applied_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.number] })],
);

export const tables = {
  cluster,
  users,
  sessions,
  hosts,
  networks,
  volumes,
  images,
  vms,
  jobs,
  jobLocks,
  events,
  haTimeline,
  schemaMigrations,
};
