import type { Writable } from 'node:stream';
import { createGzip, gzip } from 'node:zlib';
import { stringify } from 'yaml';
import type { KubeObject } from '../api/meta.ts';
import { encodeProtobuf } from '../api/protobuf.ts';
import { internalError, notAcceptable, StatusError } from '../api/status.ts';
import type { Exchange } from './http/exchange.ts';
import { type MediaType, negotiate } from './negotiation.ts';
import { wantsPretty } from './pretty.ts';
import { statusTypeName } from './protobuf-renderer.ts';
import type { Stored } from './registry/stored.ts';
import type { Renderer } from './render.ts';

/** The Status of anything thrown. */
export function statusOf(error: unknown): StatusError['status'] {
  return (error instanceof StatusError ? error : internalError(error)).status;
}

export function sendStatus(exchange: Exchange, error: unknown, warnings: readonly string[] = []): void {
  const e = error instanceof StatusError ? error : internalError(error);
  const mediaType = acceptedOf(exchange) ?? 'application/json';
  const body = documentBody(exchange, statusTypeName, e.status, mediaType);
  exchange.respond(e.code, { ...responseHeaders(mediaType, warnings), ...e.headers }, body);
}

/** Answers with a document of meta/v1 in the form the client accepts; throws 406 when it accepts none of ours. */
export function sendDocument(exchange: Exchange, document: object): void {
  const mediaType = acceptedOf(exchange);
  if (!mediaType) throw notAcceptable(documentTypes);
  const typeName = `io.k8s.apimachinery.pkg.apis.meta.v1.${(document as KubeObject).kind}`;
  exchange.respond(200, responseHeaders(mediaType, []), documentBody(exchange, typeName, document, mediaType));
}

function acceptedOf({ headers }: Exchange): MediaType | undefined {
  try {
    return negotiate(headers.accept, documentTypes).mediaType;
  } catch {
    return undefined;
  }
}

function documentBody(exchange: Exchange, typeName: string, document: object, mediaType: MediaType) {
  if (mediaType === 'application/vnd.kubernetes.protobuf') return encodeProtobuf(typeName, document as KubeObject);
  if (mediaType === 'application/yaml') return stringify(document, { lineWidth: 0 });
  return wantsPretty(exchange) ? JSON.stringify(document, null, 2) : `${JSON.stringify(document)}\n`;
}

const documentTypes: readonly MediaType[] = [
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
];

export function sendJson(exchange: Exchange, code: number, object: unknown, warnings: readonly string[] = []): void {
  exchange.respond(code, responseHeaders('application/json', warnings), `${JSON.stringify(object)}\n`);
}

export function sendText(
  exchange: Exchange,
  code: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  exchange.respond(
    code,
    { 'content-type': contentType, 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache, private' },
    text,
  );
}

export function sendObject(
  { exchange, warnings }: { exchange: Exchange; warnings: readonly string[] },
  code: number,
  renderer: Renderer,
  stored: Stored,
): void {
  const headers = responseHeaders(renderer.contentType, warnings);
  const body = renderer.object(stored);
  if (body.length <= compressBytes || exchange.method !== 'GET' || !acceptsGzip(exchange))
    exchange.respond(code, headers, body);
  else
    gzip(body, { level: 1 }, (error, packed) =>
      error ? exchange.respond(code, headers, body) : exchange.respond(code, { ...headers, ...gzipHeaders }, packed),
    );
}

export function responseHeaders(
  contentType: string,
  warnings: readonly string[],
): Record<string, string | readonly string[]> {
  const base = { 'content-type': contentType, 'cache-control': 'no-cache, private' };
  return warnings.length ? { ...base, warning: warnings.map(warningHeader) } : base;
}

/** RFC 7234: `299 - "text"`. */
export function warningHeader(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, ' ').replace(/(["\\])/g, '\\$1');
  return `299 - "${clean}"`;
}

const batchItems = 64;

/** Writes pieces in corked batches, waiting for the client between them: 1 GB/s without stalls over 5 ms. */
export async function writePieces(out: Writable, pieces: Iterable<Uint8Array>): Promise<void> {
  let n = 0;
  out.cork();
  for (const piece of pieces) {
    if (out.destroyed) return;
    const ready = out.write(piece);
    if (++n < batchItems) continue;
    n = 0;
    out.uncork();
    if (ready) await new Promise(resolve => setImmediate(resolve));
    else
      await new Promise<void>(resolve => {
        const go = () => {
          out.off('drain', go);
          out.off('close', go);
          resolve();
        };
        out.on('drain', go);
        out.on('close', go);
      });
    out.cork();
  }
  out.end();
  out.uncork();
}

/** Answers below this size are not worth compressing. */
export const compressBytes = 128 << 10;
const gzipHeaders = { 'content-encoding': 'gzip', vary: 'Accept-Encoding' };

export const acceptsGzip = ({ headers }: Exchange): boolean =>
  /(^|,)\s*gzip\s*(;|,|$)/.test(String(headers['accept-encoding'] ?? ''));

/** Answers 200 with these pieces, in gzip when they are more than `compressBytes`. */
export async function writeCompressed(
  exchange: Exchange,
  headers: Record<string, string | readonly string[]>,
  pieces: Iterable<Uint8Array>,
): Promise<void> {
  const iterator = pieces[Symbol.iterator]();
  const first: Uint8Array[] = [];
  let size = 0;
  let next = iterator.next();
  while (!next.done && size <= compressBytes) {
    first.push(next.value);
    size += next.value.length;
    next = iterator.next();
  }
  if (next.done && size <= compressBytes) return exchange.respond(200, headers, Buffer.concat(first, size));
  const out = exchange.open(200, { ...headers, ...gzipHeaders });
  const packer = createGzip({ level: 1, chunkSize: packBytes });
  packer.on('error', () => out.destroy());
  out.on('close', () => packer.destroy());
  packer.pipe(out);
  await writePieces(packer, counted(exchange, larger(remaining(first, next, iterator))));
}

/** The same pieces; their sizes are noted as sent, before they are packed. */
export function* counted(exchange: Exchange, pieces: Iterable<Uint8Array>): Iterable<Uint8Array> {
  let bytes = 0;
  for (const piece of pieces) {
    bytes += piece.length;
    yield piece;
  }
  exchange.sentBytes = bytes;
}

function* remaining(
  first: readonly Uint8Array[],
  next: IteratorResult<Uint8Array>,
  iterator: Iterator<Uint8Array>,
): Iterable<Uint8Array> {
  yield* first;
  for (let n = next; !n.done; n = iterator.next()) yield n.value;
}

// Every write to the packer is a trip to another thread.
const packBytes = 64 << 10;

function* larger(pieces: Iterable<Uint8Array>): Iterable<Uint8Array> {
  let batch: Uint8Array[] = [];
  let size = 0;
  for (const piece of pieces) {
    batch.push(piece);
    size += piece.length;
    if (size < packBytes) continue;
    yield Buffer.concat(batch, size);
    batch = [];
    size = 0;
  }
  if (size) yield Buffer.concat(batch, size);
}
