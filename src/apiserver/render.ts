// How objects, lists and watch events are written for one media type and form.
import { apiVersionOf } from '../api/ref.ts';
import type { Resource } from '../api/resource.ts';
import { bytesOf, lineOf } from '../base/bytes.ts';
import { jsonText } from '../base/json-text.ts';
import type { Accepted } from './negotiation.ts';
import type { ListForm } from './packed-parts.ts';
import type { ListResult } from './registry/listing.ts';
import type { Stored } from './registry/stored.ts';

export interface Renderer {
  readonly contentType: string;
  /** Content type of a watch. */
  readonly streamType: string;
  object(stored: Stored): Uint8Array;
  /** Those bytes are the stored object's own protobuf. */
  readonly isProtobuf?: boolean | undefined;
  /** Pieces in order: head, items parted as needed, tail. */
  list(result: ListResult): Iterable<Uint8Array>;
  /** The same list in parts, where an item's bytes depend on nothing but the item. */
  readonly parts?: ListParts | undefined;
  frame(type: 'ADDED' | 'MODIFIED' | 'DELETED', stored: Stored): Uint8Array;
  /** The pieces of an ADDED frame for an object that exists when a watch begins. */
  initial(stored: Stored): readonly Uint8Array[];
  bookmark(revision: number, initial: boolean): Uint8Array;
  /** An ERROR event with this Status. */
  error(status: unknown): Uint8Array;
}

export interface ListParts extends ListForm {
  /** What stands before and behind the items, which are so many bytes. */
  ends(result: ListResult, bytes: number): { head: Uint8Array; tail: Uint8Array };
}

export interface RenderOptions {
  readonly resource: Resource;
  readonly accepted: Accepted;
  /** Of a Table: None, Metadata, Object. */
  readonly includeObject: string;
  /** A watch goes on for long: ages are as of each event. */
  readonly now: () => number;
}

const end = Buffer.from(']}\n');

/** Objects as they are, in JSON: nothing is serialised again. */
export function jsonRenderer(resource: Resource): Renderer {
  const kind = resource.custom?.listKind ?? `${resource.kind}List`;
  const typeMeta = resource.custom ? '' : `{"kind":"${resource.kind}","apiVersion":"${apiVersionOf(resource)}",`;
  const parts: ListParts = {
    name: `json ${resource.custom ? '' : apiVersionOf(resource)}`,
    items: (items, first) => itemPieces(items, first, typeMeta),
    ends: result =>
      resource.custom
        ? customEnds(kind, apiVersionOf(resource), result)
        : { head: listHead(kind, apiVersionOf(resource), result), tail: end },
  };
  return {
    contentType: 'application/json',
    streamType: 'application/json',
    object: stored => stored.line,
    *list(result) {
      const { head, tail } = parts.ends(result, 0);
      yield head;
      yield* parts.items(result.items, true);
      yield tail;
    },
    parts,
    frame: (type, stored) => stored.frame(type),
    initial: stored => stored.framePieces('ADDED'),
    bookmark: (revision, initial) =>
      eventFrame(
        'BOOKMARK',
        (resource.custom ? customBookmark : bookmarkOf)(
          { kind: resource.kind, apiVersion: apiVersionOf(resource) },
          revision,
          initial,
        ),
      ),
    error: status => eventFrame('ERROR', status),
  };
}

/** Lists of custom resources are maps to Kubernetes: their keys stand in order, and none is left out for being empty. */
function customEnds(kind: string, apiVersion: string, result: ListResult): { head: Buffer; tail: Buffer } {
  const { resourceVersion, remainingItemCount } = listMetadata(result);
  const metadata = { continue: result.continue ?? '', remainingItemCount, resourceVersion };
  return {
    head: Buffer.from(`{"apiVersion":"${apiVersion}","items":[`),
    tail: Buffer.from(`],"kind":"${kind}","metadata":${JSON.stringify(metadata)}}\n`),
  };
}

/**
 * The items of a list, parted by commas. Items of a list of a built-in kind lack `typeMeta`, which the list says of all of
 * them; it stands first.
 */
function* itemPieces(items: readonly Stored[], begins: boolean, typeMeta: string): Iterable<Uint8Array> {
  const { length } = typeMeta;
  const typed = Buffer.from(typeMeta);
  let first = begins;
  // Texts are encoded many at a time.
  let text = '';
  for (const item of items) {
    const json = item.jsonOrPieces;
    if (!first) text += ',';
    first = false;
    if (!Buffer.isBuffer(json)) {
      const [head = '', ...others] = json;
      text += length > 0 && head.startsWith(typeMeta) ? `{${head.slice(length)}` : head;
      for (const other of others) text += other;
      if (text.length < mostText) continue;
      yield bytesOf(text);
    } else {
      const bare = length > 0 && typed.compare(json, 0, length) === 0;
      if (bare) text += '{';
      if (text) yield separators.get(text) ?? bytesOf(text);
      yield bare ? json.subarray(length) : json;
    }
    text = '';
  }
  if (text) yield bytesOf(text);
}

const mostText = 64 << 10;
const separators = new Map(['{', ',', ',{'].map(text => [text, Buffer.from(text)]));

/** The object of a BOOKMARK: its kind and how far the watch has come. */
export function bookmarkOf(typeMeta: { kind: string; apiVersion: string }, revision: number, initial: boolean): object {
  return {
    ...typeMeta,
    metadata: {
      resourceVersion: String(revision),
      ...(initial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
    },
  };
}

/** Keys stand in order, as all of a custom resource's. */
function customBookmark(typeMeta: { kind: string; apiVersion: string }, revision: number, initial: boolean): object {
  return {
    apiVersion: typeMeta.apiVersion,
    kind: typeMeta.kind,
    metadata: {
      ...(initial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
      resourceVersion: String(revision),
    },
  };
}

export function eventFrame(type: string, object: unknown): Buffer {
  return lineOf(jsonText({ type, object }));
}

/** A list's JSON up to its first item. */
export function listHead(kind: string, apiVersion: string, result: ListResult, extra = ''): Buffer {
  return Buffer.from(
    `{"kind":"${kind}","apiVersion":"${apiVersion}","metadata":${JSON.stringify(listMetadata(result))},${extra}"items":[`,
  );
}

export function listMetadata(result: ListResult) {
  return {
    resourceVersion: String(result.revision),
    ...(result.continue ? { continue: result.continue } : {}),
    ...(result.remaining !== undefined ? { remainingItemCount: result.remaining } : {}),
  };
}
