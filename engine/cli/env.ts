import type { EngineClient } from '../contract/client.ts';

/** Where the command line keeps who is logged in where; one file, readable by its owner alone. */
export type SavedSession = {
  url: string;
  token: string;
  user: string;
  /** PEM of the authority, or the SHA-256 of the engine's certificate that a person has confirmed */
  trust: { kind: 'ca'; pem: string } | { kind: 'fingerprint'; sha256: string } | { kind: 'system' };
};

/** The command line's world; tests give their own. */
export type CliEnv = {
  out(line: string): void;
  err(line: string): void;
  /** true: lines may be rewritten, questions may be asked */
  interactive: boolean;
  ask(question: string, options?: { secret?: boolean }): Promise<string>;
  variable(name: string): string | undefined;
  readFile(path: string): Promise<string>;
  /** all of the standard input, when it is no terminal */
  readInput(): Promise<string>;
  load(): Promise<SavedSession | undefined>;
  save(session: SavedSession | undefined): Promise<void>;
  /** requests with the given trust; streams too */
  fetchWith(trust: SavedSession['trust']): typeof globalThis.fetch;
  /** the SHA-256 of the certificate that answers there, whoever signed it */
  fingerprintOf(url: string): Promise<string>;
  /** asks this host's own agent by its unix socket */
  localAgent(path: string): Promise<unknown>;
  /** asks the HA agent of this host by its unix socket */
  localHaAgent(path: string): Promise<unknown>;
  sleep(ms: number): Promise<void>;
  signal: AbortSignal;
};

export type Context = {
  env: CliEnv;
  client: EngineClient;
  session: SavedSession;
  json: boolean;
  wait: boolean;
  args: string[];
  options: Record<string, string | boolean | string[] | undefined>;
};
export type Command = {
  /** `vms start NAME` */
  usage: string;
  help: string;
  run(context: Context): Promise<void>;
};
