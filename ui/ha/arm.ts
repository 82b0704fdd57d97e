import type { App } from '../state/app.svelte.ts';

/** Lost hosts are acted upon again, at once. */
export async function armHa(app: App): Promise<void> {
  try {
    await app.api.call('armHa');
    app.toasts.show('ok', 'HA is armed again');
  } catch (error) {
    app.toasts.error(error);
  }
}
