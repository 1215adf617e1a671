// Content negotiation: what the client accepts against what the server can say.
import { notAcceptable, StatusError } from '../api/status.ts';

export type MediaType = 'application/json' | 'application/yaml' | 'application/vnd.kubernetes.protobuf';

/** What to answer with. */
export interface Accepted {
  readonly mediaType: MediaType;
  /** 'Table', 'PartialObjectMetadata', 'PartialObjectMetadataList' of meta.k8s.io; '' for the object itself. */
  readonly as: '' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
  /** Version of meta.k8s.io for `as`. */
  readonly asVersion: 'v1' | 'v1beta1';
  readonly pretty: boolean;
}

const plain: Accepted = { mediaType: 'application/json', as: '', asVersion: 'v1', pretty: false };
const cache = new Map<string, Accepted | null>();
// Clients send few headers again and again; of one that is longer anybody could have us keep a thousand.
const longestKept = 512;

export interface Negotiated {
  readonly offered: readonly MediaType[];
  /** The forms of meta.k8s.io are not to be had. */
  readonly plainOnly?: boolean;
  /** There is protobuf for them alone. */
  readonly protobufOfForms?: boolean;
}

/** Throws 406 when nothing fits. */
export function negotiate(accept: string | undefined, asked: Negotiated): Accepted {
  if (!accept || accept === '*/*' || accept === 'application/json') return plain;
  const id = `${asked.offered.length}${asked.plainOnly ?? false}${asked.protobufOfForms ?? false}${accept}`;
  let found = cache.get(id);
  if (found === undefined) {
    found = choose(accept, asked) ?? null;
    if (cache.size < 1000 && accept.length <= longestKept) cache.set(id, found);
  }
  if (!found) throw notAcceptable(asked.offered);
  return found;
}

/** A q that is no number counts as none, and one of 0 comes last, as in Kubernetes. */
function weightOf(text: string | undefined): number {
  const q = text ? Number(text) : 1;
  return Number.isNaN(q) ? 1 : q;
}

// More of either nobody means: a megabyte of them would hold the loop for a quarter of a second.
const mostClauses = 1000;
const mostParameters = 100;

interface Clause {
  readonly mediaType: MediaType;
  readonly map: ReadonlyMap<string, string>;
  readonly q: number;
}

/** What is offered among what is accepted, the dearest first. */
function clausesOf(accept: string, offered: readonly MediaType[]): Clause[] {
  const clauses: Clause[] = [];
  for (const text of accept.split(',')) {
    const [head = '', ...parameters] = text.split(';', mostParameters);
    const type = head.trim();
    const mediaType = offered.find(o => type === o || type === '*/*' || type === 'application/*');
    if (!mediaType) continue;
    const map = new Map(
      parameters.map(p => [p.slice(0, p.indexOf('=')).trim(), p.slice(p.indexOf('=') + 1).trim()] as const),
    );
    clauses.push({ mediaType, map, q: weightOf(map.get('q')) });
    if (clauses.length === mostClauses) break;
  }
  return clauses.sort((a, b) => b.q - a.q);
}

function choose(accept: string, { offered, plainOnly, protobufOfForms }: Negotiated): Accepted | undefined {
  for (const { mediaType, map } of clausesOf(accept, offered)) {
    const isProtobuf = mediaType === 'application/vnd.kubernetes.protobuf';
    const as = map.get('as') ?? '';
    const version = map.get('v');
    if (as) {
      if (plainOnly) continue;
      if (as !== 'Table' && as !== 'PartialObjectMetadata' && as !== 'PartialObjectMetadataList') continue;
      // A Table has no protobuf form.
      if (as === 'Table' && isProtobuf) continue;
      if (map.get('g') !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) continue;
      return { mediaType, as, asVersion: version, pretty: map.get('pretty') === '1' };
    }
    // A version of nothing, and streams of nobody.
    if (map.get('g') || version || (map.get('stream') ?? 'watch') !== 'watch') continue;
    if (isProtobuf && protobufOfForms) continue;
    return { mediaType, as: '', asVersion: 'v1', pretty: map.get('pretty') === '1' };
  }
  return undefined;
}

/** Throws 406 as Kubernetes' router does before it looks for a handler: a clause has to name one of a route's types, or any. */
export function checkRouted(accept: string | undefined, types: readonly string[]): void {
  if (!accept) return;
  const named = accept.split(',').map(clause => clause.split(';', 1)[0]!.trim());
  if (named.some(type => type === '*/*' || types.includes(type))) return;
  const message = `406: Not Acceptable\n\nAvailable representations: ${types.join(', ')}`;
  throw new StatusError(406, 'NotAcceptable', message, {});
}
