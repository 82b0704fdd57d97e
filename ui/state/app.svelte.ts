/** Everything that screens share, made once by main.ts and handed down by context: no module holds state of its own. */
import { getContext, setContext } from 'svelte';
import type { EngineClient } from '../../engine/contract/client.ts';
import type { Health } from '../../engine/contract/health.ts';
import type { Job } from '../../engine/contract/jobs.ts';
import type { Vm, VmAction } from '../../engine/contract/vms.ts';
import { errorText } from '../lib/error-text.ts';
import { href } from '../lib/route.ts';
import { type ActionContext, disabledReason } from '../lib/vm-actions.ts';
import { makeApi, makeUploadApi } from './api.ts';
import { Clock } from './clock.svelte.ts';
import { Live } from './live.svelte.ts';
import { Router } from './router.svelte.ts';
import { SessionStore } from './session.svelte.ts';
import { Theme } from './theme.svelte.ts';
import { Toasts } from './toasts.svelte.ts';

/** The one dialog that is open; from any screen, the palette or a key. */
export type OpenDialog =
  | { kind: 'create-vm' }
  | { kind: 'edit-vm'; id: string }
  | { kind: 'confirm-vm'; action: 'shutdown' | 'stop' | 'reboot'; id: string }
  | { kind: 'migrate-vm'; id: string }
  | { kind: 'delete-vm'; id: string }
  | { kind: 'confirm-off'; id: string }
  /** `id`: the host; without `device`: a new one */
  | { kind: 'fence-device'; id: string; device?: string }
  | { kind: 'delete-fence-device'; id: string; device: string }
  | { kind: 'maintenance'; id: string }
  | { kind: 'disarm' }
  | { kind: 'add-host' }
  | { kind: 'upload-image' }
  | { kind: 'delete-image'; id: string }
  | { kind: 'palette' }
  | { kind: 'jobs' };

export class App {
  readonly session = new SessionStore();
  readonly router = new Router();
  readonly theme = new Theme();
  readonly toasts = new Toasts();
  readonly clock = new Clock();
  readonly api: EngineClient;
  readonly live: Live;
  dialog = $state.raw<OpenDialog | undefined>(undefined);
  /** actions whose request is under way, by VM: shown at once, before the engine tells */
  sent = $state.raw<ReadonlyMap<string, VmAction>>(new Map());
  health = $state.raw<Health | undefined>(undefined);

  constructor() {
    this.api = makeApi(this.#hooks);
    this.live = new Live(this.api, (job) => this.#jobEnded(job));
  }

  readonly #hooks = {
    csrfToken: () => this.session.csrfToken,
    onLoggedOut: () => this.session.expired(),
  };

  uploadApi(onProgress: (sent: number, total: number) => void): EngineClient {
    return makeUploadApi(this.#hooks, onProgress);
  }

  get actionContext(): ActionContext {
    return {
      online: this.live.online,
      onlineHosts: this.live.cluster.hosts.filter((host) => host.state === 'online').length,
    };
  }

  /** Why this action is not possible on this VM now; undefined when it is. */
  whyNot(vm: Vm, action: VmAction): string | undefined {
    if (this.sent.has(vm.id) && action !== 'console') return 'The last request is on its way.';
    return disabledReason(vm, action, this.actionContext);
  }

  vm(id: string): Vm | undefined {
    return this.live.cluster.vms.find((vm) => vm.id === id);
  }
  job(id: string | undefined): Job | undefined {
    return id === undefined ? undefined : this.live.cluster.jobs.find((job) => job.id === id);
  }

  /** Sends one action; the button shows it at once, its job is followed, and what goes wrong is told. */
  async act(vm: Vm, action: VmAction, send: () => Promise<{ jobId: string }>): Promise<boolean> {
    this.sent = new Map([...this.sent, [vm.id, action]]);
    try {
      const { jobId } = await send();
      this.live.awaitJob(jobId);
      return true;
    } catch (error) {
      this.toasts.error(error);
      return false;
    } finally {
      this.sent = new Map([...this.sent].filter(([id]) => id !== vm.id));
    }
  }

  async logOut(): Promise<void> {
    try {
      await this.session.logout(this.api);
    } catch (error) {
      this.toasts.error(error, 'You are still logged in.');
    }
  }

  start(vm: Vm): Promise<boolean> {
    return this.act(vm, 'start', () => this.api.call('startVm', { params: { id: vm.id } }));
  }

  #jobEnded(job: Job): void {
    const link = linkOf(job);
    if (job.state === 'done') this.toasts.show('ok', job.title, { text: 'Done.', link });
    else if (job.state === 'cancelled')
      this.toasts.show('idle', job.title, { text: 'Cancelled; what it did was undone.', link });
    else {
      const { message, remedy } =
        job.error === undefined ? { message: 'It failed.', remedy: undefined } : errorText(job.error);
      const text = remedy === undefined ? message : `${message} ${remedy}`;
      this.toasts.show('error', `${job.title} failed`, { text, link });
    }
  }
}

function linkOf(job: Job): { href: string; label: string } | undefined {
  if (job.subject === undefined || (job.kind.includes('delete') && job.state === 'done')) return undefined;
  const { kind, id, name } = job.subject;
  switch (kind) {
    case 'vm':
      return { href: href({ screen: 'vm', id, tab: 'overview' }), label: `Open ${name}` };
    case 'host':
      return { href: href({ screen: 'host', id }), label: `Open ${name}` };
    case 'image':
      return { href: href({ screen: 'storage', tab: 'images' }), label: 'Open images' };
    case 'volume':
      return { href: href({ screen: 'storage', tab: 'volumes' }), label: 'Open storage' };
  }
}

const key = Symbol('trefoil');
export const provideApp = (app: App): App => setContext(key, app);
/** Call while a component is being set up. */
export const useApp = (): App => getContext<App>(key);
