// /openapi/v2 and /openapi/v3: made when first asked for, kept compressed only.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { gunzipSync, gzip } from 'node:zlib';
import { descriptionFiles } from '../../api/description.ts';
import type { Resource } from '../../api/resource.ts';
import type { UserInfo } from '../authn/user.ts';
import type { PathHandler } from '../handler.ts';
import type { Exchange } from '../http/exchange.ts';
import { acceptsGzip } from '../respond.ts';
import { preferred } from './accept.ts';
import { documentsV3, pathOf, type Source, slicesV2 } from './documents.ts';
import { encodeV2 } from './protobuf-v2.ts';
import { encodeV3 } from './protobuf-v3.ts';

const pack = promisify(gzip);

interface Document {
  /** Of what the document is made from, so that the index need not make it. */
  readonly hash: string;
  readonly packed: Promise<Buffer>;
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

  /** The document made from what is served now. */
  function document(id: string, hash: string, make: () => Buffer | Promise<Buffer>): Document {
    const known = documents.get(id);
    if (known?.hash === hash) return known;
    const bytes = make();
    const made = { hash, packed: bytes instanceof Promise ? bytes.then(b => pack(b)) : pack(bytes) };
    documents.set(id, made);
    return made;
  }

  /** Index of the documents; the same while what is served is. */
  let index: { readonly of: string; readonly body: Buffer; readonly etag: string } | undefined;

  function serveIndex(exchange: Exchange): void {
    const now = source();
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
      protobuf ? encodeV3(make()) : Buffer.from(JSON.stringify(make())),
    );
    const caching = asked
      ? { 'cache-control': `public, immutable, max-age=${aYear}` }
      : { 'cache-control': 'no-cache, private' };
    await send(exchange, packed, { 'content-type': type, etag: `"${hash}"`, ...caching });
    return true;
  }

  async function serveV2(exchange: Exchange): Promise<void> {
    const now = source();
    const type = preferred(exchange.headers.accept, [json, protobufOf(2)]);
    if (!type) return refuse(exchange);
    const protobuf = type !== json;
    const id = protobuf ? 'v2.pb' : 'v2.json';
    const hash = hashOf(id, now);
    const { packed } = document(id, hash, () => (protobuf ? protobufV2(now) : jsonV2(now)));
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
      serveIndex(exchange);
      return true;
    }
    return path.startsWith('/openapi/v3/') && servesV3(exchange, user, path.slice('/openapi/v3/'.length));
  };
}

const vary = { vary: 'Accept-Encoding, Accept' };

function refuse(exchange: Exchange): void {
  exchange.respond(406, { ...vary, 'cache-control': 'no-cache, private' });
}

function isKnown({ headers }: Exchange, etag: string): boolean {
  const known = headers['if-none-match'];
  return known !== undefined && (known.includes(etag) || known.trim() === '*');
}

/** Messages behind one another are one message. */
async function protobufV2(now: Source): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const { head, paths, definitions } of slicesV2(now)) {
    parts.push(encodeV2(head, paths, definitions));
    await immediately();
  }
  return Buffer.concat(parts);
}

async function jsonV2(now: Source): Promise<Buffer> {
  const paths: Buffer[] = [];
  const definitions: Buffer[] = [];
  let head = '';
  const members = (map: ReadonlyMap<string, unknown>) =>
    Buffer.from([...map].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join());
  const comma = Buffer.from(',');
  const add = (list: Buffer[], map: ReadonlyMap<string, unknown>) => {
    if (map.size) list.push(...(list.length ? [comma] : []), members(map));
  };
  for (const part of slicesV2(now)) {
    head ||= JSON.stringify(part.head).slice(0, -1);
    add(paths, part.paths);
    add(definitions, part.definitions);
    await immediately();
  }
  const text = (t: string) => Buffer.from(t);
  return Buffer.concat([text(`${head},"paths":{`), ...paths, text('},"definitions":{'), ...definitions, text('}}')]);
}

const immediately = () => new Promise<void>(resolve => setImmediate(resolve));

async function send(exchange: Exchange, packed: Promise<Buffer>, headers: Record<string, string>): Promise<void> {
  const all = { ...headers, ...vary };
  if (isKnown(exchange, headers.etag!)) return exchange.respond(304, all);
  const body = await packed;
  if (acceptsGzip(exchange)) exchange.respond(200, { ...all, 'content-encoding': 'gzip' }, body);
  else exchange.respond(200, all, gunzipSync(body));
}

/** Changes when what a document is made from changes: the facts, the descriptions, what is served. */
function hashOf(id: string, source: Source): string {
  if (id.startsWith('v2')) return makeHash(id, source, source.resources);
  let known = hashes.get(source.resources);
  if (!known) {
    known = new Map();
    for (const r of source.resources) {
      const path = pathOf(r);
      const list = known.get(path);
      if (list) list.of.push(r);
      else known.set(path, { of: [r], hash: '' });
    }
    hashes.set(source.resources, known);
  }
  const own = known.get(id) ?? { of: [], hash: '' };
  own.hash ||= makeHash(id, source, own.of);
  return own.hash;
}

/** By the list of what is served and the document's path. */
const hashes = new WeakMap<readonly Resource[], Map<string, { readonly of: Resource[]; hash: string }>>();

function makeHash(id: string, { customSchema, version, remote = [] }: Source, resources: readonly Resource[]): string {
  const hash = createHash('sha512').update(`${factsHash()} ${version} ${id}`);
  const everything = id.startsWith('v2');
  if (everything) for (const r of remote) hash.update(`${r.id} ${r.hash}\n`);
  for (const r of resources) {
    hash.update(`${r.group}/${r.version}/${r.resource}/${r.kind} ${r.verbs} ${[...r.subresources.keys()]}\n`);
    if (r.typeName || !customSchema) continue;
    hash.update(`${hashOfSchema(customSchema(r, 3))} ${[...r.fieldSelectors.values()]}`);
  }
  return hash.digest('hex').toUpperCase();
}

const schemaHashes = new WeakMap<object, string>();

function hashOfSchema(schema: object | undefined): string {
  if (!schema) return '';
  let hash = schemaHashes.get(schema);
  if (!hash) {
    hash = createHash('sha256').update(JSON.stringify(schema)).digest('base64');
    schemaHashes.set(schema, hash);
  }
  return hash;
}

let facts: string | undefined;
function factsHash(): string {
  if (facts) return facts;
  const hash = createHash('sha512');
  const api = new URL('../../api/', import.meta.url);
  for (const file of [
    'fact/types.json',
    'fact/resources.json',
    ...descriptionFiles().map(f => `description/${f}.json`),
  ])
    hash.update(readFileSync(new URL(file, api)));
  facts = `${generation} ${hash.digest('hex')}`;
  return facts;
}

/** To be raised when documents change for another reason than the facts. */
const generation = 4;
