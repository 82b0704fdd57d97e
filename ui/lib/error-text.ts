/**
 * The one place where something that was thrown becomes what a person reads. The engine's errors already are plain
 * sentences with a remedy; what never reached the engine gets one here.
 */
export type ErrorText = {
  message: string;
  remedy: string | undefined;
  code: string | undefined;
};

type BodyLike = { code: string; message: string; remedy?: string | undefined };

const isBodyLike = (value: unknown): value is BodyLike =>
  typeof value === 'object' &&
  value !== null &&
  'code' in value &&
  typeof value.code === 'string' &&
  /^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+$/.test(value.code) &&
  'message' in value &&
  typeof value.message === 'string';

export function errorText(thrown: unknown): ErrorText {
  if (isBodyLike(thrown)) return { message: thrown.message, remedy: thrown.remedy, code: thrown.code };
  if (thrown instanceof DOMException && thrown.name === 'AbortError')
    return { message: 'This was cancelled.', remedy: undefined, code: undefined };
  // What fetch throws when no answer came: a TypeError with words of the browser's own.
  if (thrown instanceof TypeError)
    return {
      message: 'The engine cannot be reached.',
      remedy: 'Your virtual machines keep running. This page tries again by itself.',
      code: 'engine.unreachable',
    };
  return {
    message: 'Something unexpected went wrong in this page.',
    remedy: 'Reload the page; if it happens again, tell us what you did just before.',
    code: undefined,
  };
}

/** The same on one line, where there is no room for two. */
export function errorSentence(thrown: unknown): string {
  const { message, remedy } = errorText(thrown);
  return remedy === undefined ? message : `${message} ${remedy}`;
}

/** The session is over (or never was): time to log in. A refusal of one action is not that. */
export const isLoggedOut = (thrown: unknown): boolean =>
  isBodyLike(thrown) && /^session\.(missing|expired|required|unknown|invalid)$/.test(thrown.code);
