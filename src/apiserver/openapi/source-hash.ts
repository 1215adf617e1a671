// What OpenAPI documents are made from, as hashes: a document is the same while its hash is.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { descriptionFiles } from '../../api/description.ts';
import type { Resource } from '../../api/resource.ts';
import { pathOf, type Source } from './documents.ts';

/** Changes when what a document is made from changes: the facts, the descriptions, what is served. */
export function hashOf(id: string, source: Source): string {
  if (id.startsWith('v2')) return makeHash(`${id} ${remoteHash(source)}`, source, source.resources);
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

function makeHash(id: string, source: Source, resources: readonly Resource[]): string {
  const hash = createHash('sha512').update(`${factsHash()} ${source.version} ${id}`);
  for (const r of resources) hash.update(resourceIdentity(r, source));
  return hash.digest('hex').toUpperCase();
}

/** Of what is in version 2 beside custom resources. */
export const builtinHash = (source: Source): string =>
  makeHash(
    remoteHash(source),
    source,
    source.resources.filter(r => r.typeName),
  );

const remoteHash = ({ remote = [] }: Source): string => remote.map(r => `${r.id} ${r.hash}\n`).join('');

/** All that documents tell of a resource, in short. */
export function resourceIdentity(r: Resource, { customSchema }: Source): string {
  let known = identities.get(r);
  if (known === undefined) {
    known = `${r.group}/${r.version}/${r.resource}/${r.kind} ${r.namespaced} ${r.verbs} ${[...r.subresources.keys()]}\n`;
    if (!r.typeName && customSchema)
      known += `${r.custom?.listKind} ${hashOfSchema(customSchema(r, 3))} ${[...r.fieldSelectors.values()]}\n`;
    identities.set(r, known);
  }
  return known;
}

const identities = new WeakMap<Resource, string>();

/** Hashes what was never hashed, a resource to a turn of the loop. */
export async function identify(source: Source): Promise<void> {
  for (const r of source.resources) {
    if (r.typeName || identities.has(r)) continue;
    resourceIdentity(r, source);
    await new Promise<void>(resolve => setImmediate(resolve));
  }
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
