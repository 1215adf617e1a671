import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { KubeObject } from '../api/meta.ts';
import { encodeProtobuf } from '../api/protobuf.ts';
import { internalError, methodNotAllowed, notAcceptable, StatusError } from '../api/status.ts';
import { jsonText } from '../base/json-text.ts';
import { yamlText } from '../base/yaml-text.ts';
import type { Exchange } from './http/exchange.ts';
import { type Accepted, checkRouted, type MediaType, negotiate } from './negotiation.ts';
import { currentTrace } from './observe/trace.ts';
import { PlainRefusal } from './plain-refusal.ts';
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
  if (e instanceof PlainRefusal) {
    sendText(exchange, e.code, e.text, undefined, e.headers);
    return;
  }
  // Who takes no form that a Status has is answered in JSON for people.
  const accepted = acceptedOf(exchange) ?? fallback;
  const body = documentBody(exchange, statusTypeName, e.status, accepted);
  exchange.respond(e.code, { ...responseHeaders(accepted.mediaType, warnings), ...e.headers }, body);
}

/** Answers with a document of meta/v1 in the form the client accepts; throws 406 when it accepts none of ours. */
export function sendDocument(exchange: Exchange, document: object): void {
  const accepted = acceptedOf(exchange);
  if (!accepted) throw notAcceptable(documentTypes);
  const typeName = `io.k8s.apimachinery.pkg.apis.meta.v1.${(document as KubeObject).kind}`;
  exchange.respond(200, responseHeaders(accepted.mediaType, []), documentBody(exchange, typeName, document, accepted));
}

type Form = Pick<Accepted, 'mediaType' | 'pretty'>;

const fallback: Form = { mediaType: 'application/json', pretty: true };

function acceptedOf({ headers }: Exchange): Form | undefined {
  try {
    return negotiate(headers.accept, { offered: documentTypes, plainOnly: true });
  } catch {
    return undefined;
  }
}

function documentBody(exchange: Exchange, typeName: string, document: object, { mediaType, pretty }: Form) {
  if (mediaType === 'application/vnd.kubernetes.protobuf') return encodeProtobuf(typeName, document as KubeObject);
  if (mediaType === 'application/yaml') return yamlText(document);
  return pretty || wantsPretty(exchange) ? jsonText(document, 2) : `${jsonText(document)}\n`;
}

const documentTypes: readonly MediaType[] = [
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
];

/**
 * Throws 405 for what the router of such documents does not take: everything but GET, HEAD too; 406 for who takes none of
 * their types.
 */
export function onlyGet({ method, headers }: Exchange, types: readonly string[] = documentTypes): void {
  if (method !== 'GET') throw methodNotAllowed();
  checkRouted(headers.accept, types);
}

/** On text, and on refusals by the authorizer, which quote what the client sent. */
export const nosniff = { 'x-content-type-options': 'nosniff' };

export function sendText(
  exchange: Exchange,
  code: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
  more: Readonly<Record<string, string>> = {},
): void {
  const headers = { 'content-type': contentType, 'cache-control': 'no-cache, private', ...nosniff, ...more };
  exchange.respond(code, headers, text);
}

/** The promise, of an answer that is packed beside the loop: what happens after the answer waits for it. */
export function sendObject(
  { exchange, warnings }: { exchange: Exchange; warnings: readonly string[] },
  code: number,
  renderer: Renderer,
  stored: Stored,
): void | Promise<void> {
  const headers = responseHeaders(renderer.contentType, warnings);
  const trace = currentTrace();
  trace?.begin('SerializeObject');
  const body = renderer.object(stored);
  const respond = (more: Readonly<Record<string, string>>, bytes: Uint8Array) => {
    exchange.respond(code, { ...headers, ...more }, bytes);
    trace?.end('SerializeObject');
  };
  if (body.length <= compressBytes || exchange.method !== 'GET' || !acceptsGzip(exchange)) return respond({}, body);
  // What fails in answering is told as that, not in the packer's callback, where nobody would catch it.
  return pack(body, { level: 1 }).then(
    packed => respond(gzipHeaders, packed),
    () => respond({}, body),
  );
}

export function responseHeaders(
  contentType: string,
  warnings: readonly string[],
): Record<string, string | readonly string[]> {
  const base = { 'content-type': contentType, 'cache-control': 'no-cache, private' };
  return warnings.length ? { ...base, warning: warningHeaders(warnings) } : base;
}

/** Characters of all warnings of an answer, and of one where that is too little. */
const allWarnings = 4096;
const oneWarning = 256;

/** Each text once; in all their length unless that is too much. What has control characters is left out. */
export function warningHeaders(warnings: readonly string[]): string[] {
  const texts = [...new Set(warnings)].filter(text => text !== '' && !/\p{Cc}/u.test(text));
  const lengths = texts.map(text => [...text].length);
  if (lengths.reduce((a, b) => a + b, 0) <= allWarnings) return texts.map(warningHeader);
  const headers: string[] = [];
  for (let i = 0, written = 0; i < texts.length && written < allWarnings; i++) {
    headers.push(warningHeader([...texts[i]!].slice(0, oneWarning).join('')));
    written += Math.min(lengths[i]!, oneWarning);
  }
  return headers;
}

/** RFC 7234: `299 - "text"`, the text in bytes of UTF-8 as a header has them. */
const warningHeader = (text: string): string =>
  `299 - "${Buffer.from(text.replace(/(["\\])/g, '\\$1')).toString('latin1')}"`;

const pack = promisify(gzip);

/** Answers below this size are not worth compressing. */
export const compressBytes = 128 << 10;
export const gzipHeaders = { 'content-encoding': 'gzip', vary: 'Accept-Encoding' };

/** Not who gives it no weight: `gzip;q=0`. */
export const acceptsGzip = ({ headers }: Exchange): boolean =>
  /(^|,)\s*gzip\s*(;(?!\s*q=0(\.0*)?\s*(,|$))|,|$)/i.test(String(headers['accept-encoding'] ?? ''));
