/** The engine's client for this page: its own origin, the session's cookie, and one place that notices the session's end. */
import {
  type EngineClient,
  type EngineSend,
  makeEngineClient,
  makeFetchSend,
} from '../../engine/contract/client.ts';
import { csrfHeader } from '../../engine/contract/routes.ts';
import { isLoggedOut } from '../lib/error-text.ts';

export type ApiHooks = { csrfToken: () => string | undefined; onLoggedOut: () => void };

export function makeApi(hooks: ApiHooks): EngineClient {
  const client = makeEngineClient(makeFetchSend({ csrfToken: hooks.csrfToken }));
  return {
    async call(name, ...args) {
      try {
        return await client.call(name, ...args);
      } catch (error) {
        if (isLoggedOut(error) && name !== 'createSession' && name !== 'getSession') hooks.onLoggedOut();
        throw error;
      }
    },
  };
}

/** fetch cannot say how far an upload is; XMLHttpRequest can. Same client, other carrier. */
export function makeUploadApi(
  hooks: ApiHooks,
  onProgress: (sent: number, total: number) => void,
): EngineClient {
  const send: EngineSend = ({ method, path, upload, signal }) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(method, path);
      request.setRequestHeader('content-type', 'application/octet-stream');
      request.setRequestHeader('accept', 'application/json');
      const csrf = hooks.csrfToken();
      if (csrf !== undefined) request.setRequestHeader(csrfHeader, csrf);
      request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
      request.onerror = () => reject(new TypeError('no answer'));
      request.onabort = () => reject(new DOMException('cancelled', 'AbortError'));
      request.onload = () => resolve({ status: request.status, body: parseJson(request.responseText) });
      signal?.addEventListener('abort', () => request.abort());
      request.send(upload instanceof Blob ? upload : null);
    });
  return makeEngineClient(send);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
