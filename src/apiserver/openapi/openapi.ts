// /openapi/v2 and /openapi/v3: made when first asked for, kept compressed only.
import { createHash } from 'node:crypto';
import type { UserInfo } from '../authn/user.ts';
import type { PathHandler } from '../handler.ts';
import type { Exchange } from '../http/exchange.ts';
import { drained } from '../list-writer.ts';
import { GzipTrailer, gzipHeader, keptLevel, nothingMore, type Packed, pack, unpack } from '../packed-parts.ts';
import { acceptsGzip } from '../respond.ts';
import { preferred } from './accept.ts';
import { documentsV3, type Source } from './documents.ts';
import { formsV2, PackedV2 } from './packed-v2.ts';
import { encodeV3 } from './protobuf-v3.ts';
import { hashOf, identify } from './source-hash.ts';

interface Document {
  /** Of what the document is made from, so that the index need not make it. */
  readonly hash: string;
  readonly packed: Promise<readonly Packed[]>;
}

export interface OpenApiOptions {
  /** What is served now; asked for at every request. */
  source(): Source;
  /** Hands a request for the document of a remote group version to its server. */
  serveRemote?(exchange: Exchange, user: UserInfo, id: string): Promise<void>;
}

const json = 'application/json';
// Asked for with an @ before the version, too; answered without, for an @ has no place in a media type.
const protobufOf = (openApi: 2 | 3) => `application/com.github.proto-openapi.spec.v${openApi}.v1.0+protobuf`;
const aYear = 31_536_000;

export function openApiPaths({ source, serveRemote }: OpenApiOptions): PathHandler {
  const documents = new Map<string, Document>();
  const versions2 = { 'v2.json': new PackedV2(formsV2.json), 'v2.pb': new PackedV2(formsV2.protobuf) };

  /** The document made from what is served now. */
  function document(id: string, hash: string, make: () => Promise<readonly Packed[]>): Document {
    const known = documents.get(id);
    if (known?.hash === hash) return known;
    const made = { hash, packed: make() };
    documents.set(id, made);
    // Who asked knows it already has it and does not wait; who asks next tries anew.
    made.packed.catch(() => {
      if (documents.get(id) === made) documents.delete(id);
    });
    return made;
  }

  /** Index of the documents; the same while what is served is. */
  let index: { readonly of: string; readonly body: Buffer; readonly etag: string } | undefined;

  async function serveIndex(exchange: Exchange): Promise<void> {
    const now = source();
    await identify(now);
    const own = [...documentsV3(now).keys()].map(id => [id, `/openapi/v3/${id}?hash=${hashOf(id, now)}`] as const);
    const urls = new Map([...(now.remote ?? []).flatMap(r => [...r.urls]), ...own]);
    const paths = Object.fromEntries([...urls].map(([id, serverRelativeURL]) => [id, { serverRelativeURL }]));
    const text = JSON.stringify({ paths });
    if (index?.of !== text) {
      const etag = `"${createHash('sha512').update(text).digest('hex').toUpperCase()}"`;
      index = { of: text, body: Buffer.from(text), etag };
    }
    const { body, etag } = index;
    const headers = { 'content-type': json, etag, 'cache-control': 'no-cache, private' };
    if (isKnown(exchange, etag)) exchange.respond(304, headers);
    else exchange.respond(200, headers, body);
  }

  async function servesV3(exchange: Exchange, user: UserInfo, id: string): Promise<boolean> {
    const now = source();
    const make = documentsV3(now).get(id);
    if (!make) {
      if (!serveRemote || !now.remote?.some(r => r.urls.has(id))) return false;
      await serveRemote(exchange, user, id);
      return true;
    }
    const type = preferred(exchange.headers.accept, [json, protobufOf(3)]);
    if (!type) {
      refuse(exchange);
      return true;
    }
    const hash = hashOf(id, now);
    const asked = exchange.query.get('hash');
    if (asked && asked !== hash) {
      exchange.respond(301, { location: `/openapi/v3/${id}?hash=${hash}` });
      return true;
    }
    const protobuf = type !== json;
    const { packed } = document(protobuf ? `${id}.pb` : id, hash, () =>
      packedWhole(protobuf ? encodeV3(make()) : Buffer.from(JSON.stringify(make()))),
    );
    const caching = asked
      ? { 'cache-control': `public, immutable, max-age=${aYear}` }
      : { 'cache-control': 'no-cache, private' };
    await send(exchange, packed, { 'content-type': type, etag: `"${hash}"`, ...caching });
    return true;
  }

  async function serveV2(exchange: Exchange): Promise<void> {
    const type = preferred(exchange.headers.accept, [json, protobufOf(2)]);
    if (!type) return refuse(exchange);
    const now = source();
    await identify(now);
    const id = type === json ? 'v2.json' : 'v2.pb';
    const hash = hashOf(id, now);
    const { packed } = document(id, hash, () => versions2[id].make(now));
    await send(exchange, packed, { 'content-type': type, etag: `"${hash}"`, 'cache-control': 'no-cache, private' });
  }

  return async (exchange, user) => {
    if (!exchange.path.startsWith('/openapi/')) return false;
    const path = exchange.path.replace(/\/$/, '');
    if (exchange.path === '/openapi/v2') {
      await serveV2(exchange);
      return true;
    }
    if (path === '/openapi/v3') {
      await serveIndex(exchange);
      return true;
    }
    return path.startsWith('/openapi/v3/') && servesV3(exchange, user, path.slice('/openapi/v3/'.length));
  };
}

/** Version 3 is packed as a whole: a document is one group's. */
const packedWhole = async (bytes: Uint8Array): Promise<Packed[]> => [await pack(bytes, keptLevel), nothingMore];

const vary = { vary: 'Accept-Encoding, Accept' };

function refuse(exchange: Exchange): void {
  exchange.respond(406, { ...vary, 'cache-control': 'no-cache, private' });
}

function isKnown({ headers }: Exchange, etag: string): boolean {
  const known = headers['if-none-match'];
  return known !== undefined && (known.includes(etag) || known.trim() === '*');
}

async function send(
  exchange: Exchange,
  packed: Promise<readonly Packed[]>,
  headers: Record<string, string>,
): Promise<void> {
  const all = { ...headers, ...vary };
  if (isKnown(exchange, headers.etag!)) return exchange.respond(304, all);
  const parts = await packed;
  const trailer = new GzipTrailer();
  for (const part of parts) trailer.add(part);
  if (acceptsGzip(exchange)) {
    const whole = [gzipHeader, ...parts.map(part => part.bytes), trailer.bytes];
    return exchange.respond(200, { ...all, 'content-encoding': 'gzip' }, Buffer.concat(whole));
  }
  const length = { 'content-length': String(trailer.length) };
  if (exchange.method === 'HEAD') return exchange.respond(200, { ...all, ...length });
  const out = exchange.open(200, { ...all, ...length });
  exchange.sentBytes = trailer.length;
  for (const part of parts) {
    const bytes = await unpack(part);
    if (out.destroyed) return;
    if (!out.write(bytes)) await drained(out);
  }
  out.end();
}
