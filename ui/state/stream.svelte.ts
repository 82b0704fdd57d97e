/**
 * The connection that live messages come over. Opens it, opens it again when it ends, and knows whether the engine is there.
 * Only this module sets `connection`.
 */
import { type LiveMessage, liveMessageSchema } from '../../engine/contract/events.ts';
import { engineRoutes } from '../../engine/contract/routes.ts';
import { retryDelayMs } from '../lib/retry.ts';

export type Connection = { state: 'connecting' } | { state: 'live' } | { state: 'away'; since: number };

export type StreamEnv = {
  receive(message: LiveMessage): void;
  /** an ordinary request: is the engine there? (That the session is over counts as there.) */
  answers(): Promise<boolean>;
};

/** A tab that nobody sees gives its connection back: browsers allow only six to one server. */
const hiddenMs = 60_000;
const kinds = liveMessageSchema.options.map((option) => option.shape.kind.value);

export class Stream {
  connection = $state.raw<Connection>({ state: 'connecting' });
  readonly #env: StreamEnv;
  #source: EventSource | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #hidden: ReturnType<typeof setTimeout> | undefined;
  #running = false;
  #failures = 0;

  constructor(env: StreamEnv) {
    this.#env = env;
  }

  start(): void {
    this.#running = true;
    document.addEventListener('visibilitychange', this.#onVisibility);
    this.#open();
  }

  stop(): void {
    this.#running = false;
    document.removeEventListener('visibilitychange', this.#onVisibility);
    clearTimeout(this.#hidden);
    this.#close();
    this.connection = { state: 'connecting' };
  }

  /** At once, instead of when the next try is due. */
  tryNow(): void {
    if (this.#running) this.#open();
  }

  /** The stream is open and what was asked besides was answered. */
  healthy(): void {
    this.#failures = 0;
  }

  /** The stream is open, yet what was asked besides failed: as good as not there. */
  broken(): void {
    if (this.connection.state === 'live') void this.#lost();
  }

  #open(): void {
    this.#close();
    const source = new EventSource(engineRoutes.listEvents.path);
    this.#source = source;
    const receive = (event: MessageEvent<string>) => {
      const message = parse(event.data);
      if (message?.kind === 'hello') this.connection = { state: 'live' };
      if (message !== undefined) this.#env.receive(message);
    };
    source.onmessage = receive;
    for (const kind of kinds) source.addEventListener(kind, receive);
    source.onerror = () => {
      if (this.#source === source) void this.#lost();
    };
  }

  #close(): void {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = undefined;
  }

  /** A stream that merely ended is opened again at once and in silence; that nobody answers is news. */
  async #lost(): Promise<void> {
    this.#close();
    const before = this.connection;
    this.#failures += 1;
    const there = await this.#env.answers();
    if (!this.#running || this.#source !== undefined) return;
    if (!there || this.#failures > 1)
      this.connection = { state: 'away', since: before.state === 'away' ? before.since : Date.now() };
    const retry = () => (there ? this.#open() : void this.#lost());
    this.#retry = setTimeout(retry, retryDelayMs(this.#failures, Math.random()));
  }

  readonly #onVisibility = (): void => {
    clearTimeout(this.#hidden);
    if (document.hidden) this.#hidden = setTimeout(() => this.#close(), hiddenMs);
    else if (this.#source === undefined) this.#open();
  };
}

/** A kind that this page is too old for is not an error. */
function parse(text: string): LiveMessage | undefined {
  try {
    return liveMessageSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
