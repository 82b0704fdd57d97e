import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { Readable } from 'node:stream';

/**
 * The UI's files. They are listed once at the start and only what is listed is served, so that no path of a request ever
 * reaches the file system. A file with a hash in its name never changes and is kept by browsers for ever.
 */
type Encoding = 'br' | 'gzip' | 'plain';
type File = {
  type: string;
  etag: string;
  forever: boolean;
  variants: Partial<Record<Encoding, { path: string; size: number }>>;
};
export type StaticFiles = (request: Request) => Response | undefined;

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
};
const suffixes: ReadonlyArray<[string, Encoding]> = [
  ['.br', 'br'],
  ['.gz', 'gzip'],
];

function listFiles(directory: string): Map<string, File> {
  const files = new Map<string, File>();
  if (!existsSync(directory)) return files;
  const paths = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  for (const path of paths.filter((each) => !each.endsWith('.br') && !each.endsWith('.gz'))) {
    const url = `/${relative(directory, path)}`;
    const plain = readFileSync(path);
    const variants: File['variants'] = { plain: { path, size: plain.length } };
    for (const [suffix, encoding] of suffixes)
      if (paths.includes(path + suffix))
        variants[encoding] = { path: path + suffix, size: statSync(path + suffix).size };
    files.set(url, {
      type: types[extname(path)] ?? 'application/octet-stream',
      etag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
      forever: /[-.][A-Za-z0-9_-]{8,}\.\w+$/.test(url) && url.startsWith('/assets/'),
      variants,
    });
  }
  return files;
}

const accepts = (request: Request, encoding: Encoding): boolean =>
  encoding === 'plain' ||
  (request.headers.get('accept-encoding') ?? '')
    .split(',')
    .some((each) => each.trim().split(';')[0] === encoding);

/** Undefined: not ours. A path of the page itself (`/vms/...`) is answered with index.html. */
export function staticFiles(directory: string): StaticFiles {
  const files = listFiles(directory);
  return (request) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
    const { pathname } = new URL(request.url);
    const isPage = extname(pathname) === '';
    const file = files.get(pathname) ?? (isPage ? files.get('/index.html') : undefined);
    if (file === undefined) return undefined;
    const encoding =
      (['br', 'gzip', 'plain'] as const).find(
        (each) => file.variants[each] !== undefined && accepts(request, each),
      ) ?? 'plain';
    const variant = file.variants[encoding];
    if (variant === undefined) return undefined;
    const headers: Record<string, string> = {
      'content-type': file.type,
      etag: file.etag,
      vary: 'accept-encoding',
      'cache-control': file.forever ? 'public, max-age=31536000, immutable' : 'no-cache',
    };
    if (request.headers.get('if-none-match') === file.etag)
      return new Response(null, { status: 304, headers });
    if (encoding !== 'plain') headers['content-encoding'] = encoding;
    headers['content-length'] = String(variant.size);
    if (request.method === 'HEAD') return new Response(null, { headers });
    // Node's web stream is the same thing as the DOM's, but for its name.
    const stream = Readable.toWeb(createReadStream(variant.path)) as ReadableStream<Uint8Array>;
    return new Response(stream, { headers });
  };
}
