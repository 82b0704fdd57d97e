/** The first schema. Never edited once released: changes are new files. */
export const start = `
CREATE TABLE cluster (
  one boolean PRIMARY KEY CHECK (one),
  id uuid NOT NULL,
  name text NOT NULL,
  seed_generation integer NOT NULL,
  etcd_endpoints jsonb NOT NULL,
  time_servers jsonb NOT NULL
);

CREATE TABLE users (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  password_hash text NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX users_name ON users (lower(name));

CREATE TABLE sessions (
  token_hash text PRIMARY KEY CHECK (token_hash ~ '^[0-9a-f]{64}$'),
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  cookie boolean NOT NULL,
  created_at timestamptz NOT NULL,
  used_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expires_at ON sessions (expires_at);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE hosts (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  address text NOT NULL UNIQUE,
  storage_address text NOT NULL,
  membership text NOT NULL CHECK (membership IN ('joining', 'member')),
  created_at timestamptz NOT NULL
);

CREATE TABLE networks (
  name text PRIMARY KEY,
  bridge text NOT NULL
);

CREATE TABLE volumes (
  name text PRIMARY KEY,
  for_vms boolean NOT NULL
);

CREATE TABLE images (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  volume text NOT NULL,
  path text NOT NULL,
  format text NOT NULL CHECK (format IN ('raw', 'qcow2')),
  size_mib bigint NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE TABLE vms (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  description text NOT NULL,
  lifecycle text NOT NULL CHECK (lifecycle IN ('creating', 'present', 'deleting')),
  power text NOT NULL CHECK (power IN ('running', 'off')),
  generation integer NOT NULL CHECK (generation >= 0),
  host_id uuid REFERENCES hosts,
  hardware jsonb NOT NULL,
  image_id uuid,
  image_name text,
  note text NOT NULL,
  is_engine boolean NOT NULL,
  created_at timestamptz NOT NULL,
  CHECK (power = 'off' OR host_id IS NOT NULL)
);
CREATE UNIQUE INDEX vms_name ON vms (lower(name));
CREATE INDEX vms_host ON vms (host_id);

CREATE TABLE jobs (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  title text NOT NULL,
  state text NOT NULL CHECK (state IN ('queued', 'running', 'cancelling', 'undoing', 'done', 'failed', 'cancelled', 'stuck')),
  input jsonb NOT NULL,
  memory jsonb NOT NULL,
  steps jsonb NOT NULL,
  locks jsonb NOT NULL,
  subject jsonb,
  user_name text NOT NULL,
  error jsonb,
  cancel_requested boolean NOT NULL,
  number bigserial NOT NULL,
  created_at timestamptz NOT NULL,
  ended_at timestamptz,
  CHECK ((ended_at IS NOT NULL) = (state IN ('done', 'failed', 'cancelled', 'stuck')))
);
CREATE INDEX jobs_active ON jobs (number) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX jobs_number ON jobs (number);

CREATE TABLE job_locks (
  subject text PRIMARY KEY,
  job_id uuid NOT NULL REFERENCES jobs ON DELETE CASCADE
);

CREATE TABLE events (
  id bigserial PRIMARY KEY,
  at timestamptz NOT NULL,
  severity text NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
  code text NOT NULL,
  message text NOT NULL,
  subject jsonb,
  user_name text,
  job_id uuid
);
CREATE INDEX events_at ON events (at);
`;
