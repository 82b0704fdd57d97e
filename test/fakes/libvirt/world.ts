import type { DomainEvent } from '../../../node/libvirt/events.ts';
import type { ArgsOf, DomainRef, RetOf } from '../../../node/libvirt/procedures/shapes.ts';
import type { ProcedureName, procedures } from '../../../node/libvirt/procedures/table.ts';
import { param, type TypedParam } from '../../../node/libvirt/typed-params.ts';
import { errorCode, remoteErrorOf } from './faults.ts';

type Table = typeof procedures;
export type Handlers = { [N in ProcedureName]?: (args: ArgsOf<Table[N]>) => RetOf<Table[N]> };

export type FakeDomain = {
  ref: DomainRef;
  xml: string;
  /** virDomainState and its reason, as numbers */
  state: number;
  reason: number;
  stats: TypedParam[];
};

/** Thrown by a handler to refuse. */
export class Refusal extends Error {
  readonly error: ReturnType<typeof remoteErrorOf>;
  constructor(error: Parameters<typeof remoteErrorOf>[0]) {
    super(error.message ?? 'refused');
    this.error = remoteErrorOf(error);
  }
}

const running = 1;
const lifecycle = { started: 2, suspended: 3, resumed: 4, stopped: 5, shutdown: 6 } as const;
const stopped = { shutdown: 0, destroyed: 1, crashed: 2, migrated: 3 } as const;
type Emit = (event: DomainEvent) => void;

/** A host with virtual machines that only exist as entries here: transient ones, as the agent makes them. */
export class FakeWorld {
  readonly domains = new Map<string, FakeDomain>();
  /** told of every event; the server sends it to those who registered */
  emit: Emit = () => {};
  /** a guest that ignores the power button */
  ignoresShutdown = false;
  #nextId = 1;

  #find(ref: DomainRef): FakeDomain {
    const domain = this.domains.get(ref.uuid);
    if (domain === undefined)
      throw new Refusal({
        code: errorCode.noDomain,
        message: `Domain not found: no domain with matching uuid '${ref.uuid}' (${ref.name})`,
      });
    return domain;
  }

  #tell(ref: DomainRef, event: number, detail: number): void {
    this.emit({ kind: 'lifecycle', callbackId: 0, domain: ref, event, detail });
  }

  start(xml: string, paused = false): FakeDomain {
    const name = /<name>([^<]+)<\/name>/.exec(xml)?.[1];
    const uuid = /<uuid>([^<]+)<\/uuid>/.exec(xml)?.[1];
    if (name === undefined || uuid === undefined)
      throw new Refusal({ code: 27, message: 'XML error: no name or uuid' });
    if (this.domains.has(uuid))
      throw new Refusal({
        code: errorCode.domainExists,
        message: `operation failed: domain '${name}' already exists with uuid ${uuid}`,
      });
    const domain: FakeDomain = {
      ref: { name, uuid, id: this.#nextId++ },
      xml,
      state: paused ? 3 : running,
      reason: 1,
      stats: [],
    };
    this.domains.set(uuid, domain);
    this.#tell(domain.ref, lifecycle.started, 0);
    return domain;
  }

  /** Gone, as a transient domain is when it stops. */
  stop(uuid: string, why: keyof typeof stopped): void {
    const domain = this.domains.get(uuid);
    if (domain === undefined) return;
    this.domains.delete(uuid);
    this.#tell({ ...domain.ref, id: -1 }, lifecycle.stopped, stopped[why]);
  }

  readonly handlers: Handlers = {
    authList: () => ({ types: [0] }),
    open: () => ({}),
    close: () => ({}),
    getLibVersion: () => ({ version: 11_003_000n }),
    getVersion: () => ({ version: 10_000_000n }),
    getHostname: () => ({ hostname: 'fake' }),
    getUri: () => ({ uri: 'qemu:///system' }),
    nodeGetInfo: () => ({
      model: 'x86_64',
      memoryKiB: 8_388_608n,
      cpus: 4,
      mhz: 2000,
      nodes: 1,
      sockets: 1,
      cores: 4,
      threads: 1,
    }),
    getDomainCapabilities: () => ({ xml: '<domainCapabilities/>' }),
    getCapabilities: () => ({ xml: '<capabilities/>' }),
    listAllDomains: () => {
      const domains = [...this.domains.values()].map((domain) => domain.ref);
      return { domains, count: domains.length };
    },
    lookupByUuid: ({ uuid }) => ({ domain: this.#find({ uuid, name: '', id: -1 }).ref }),
    createXml: ({ xml, flags }) => ({ domain: this.start(xml, (flags & 1) !== 0).ref }),
    getState: ({ domain }) => {
      const { state, reason } = this.#find(domain);
      return { state, reason };
    },
    getXml: ({ domain }) => ({ xml: this.#find(domain).xml }),
    destroy: ({ domain }) => {
      this.stop(this.#find(domain).ref.uuid, 'destroyed');
      return {};
    },
    shutdown: ({ domain }) => {
      const { ref } = this.#find(domain);
      if (!this.ignoresShutdown) this.stop(ref.uuid, 'shutdown');
      return {};
    },
    reboot: ({ domain }) => {
      const { ref } = this.#find(domain);
      this.emit({ kind: 'reboot', callbackId: 0, domain: ref });
      return {};
    },
    reset: ({ domain }) => {
      this.#find(domain);
      return {};
    },
    suspend: ({ domain }) => {
      const found = this.#find(domain);
      found.state = 3;
      this.#tell(found.ref, lifecycle.suspended, 0);
      return {};
    },
    resume: ({ domain }) => {
      const found = this.#find(domain);
      found.state = running;
      this.#tell(found.ref, lifecycle.resumed, 0);
      return {};
    },
    getAllStats: () => ({
      records: [...this.domains.values()].map((domain) => ({
        domain: domain.ref,
        params: [
          param.int('state.state', domain.state),
          param.int('state.reason', domain.reason),
          ...domain.stats,
        ],
      })),
    }),
    setMaxDowntime: () => ({}),
    getJobStats: () => ({ type: 0, params: [] }),
    perform3: ({ domain }) => {
      this.stop(this.#find(domain).ref.uuid, 'migrated');
      return { cookie: new Uint8Array(0) };
    },
    agentCommand: () => {
      throw new Refusal({ code: 86, domain: 10, message: 'Guest agent is not responding' });
    },
  };
}
