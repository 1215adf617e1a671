// How objects, lists and watch events are written for one media type and form.
import { apiVersionOf } from '../api/ref.ts';
import type { Resource } from '../api/resource.ts';
import { lineOf } from '../base/bytes.ts';
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

const comma = Buffer.from(',');
const end = Buffer.from(']}\n');
const opening = Buffer.from('{');
const nextOpening = Buffer.from(',{');
const commaByte = 44;

/** Objects as they are, in JSON: nothing is serialised again. */
export function jsonRenderer(resource: Resource): Renderer {
  const kind = resource.custom?.listKind ?? `${resource.kind}List`;
  const parts: ListParts = {
    name: `json ${resource.custom ? '' : apiVersionOf(resource)}`,
    items: (items, first) => (resource.custom ? wholeItems(items, first) : bareItems(items, first, resource)),
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
        bookmarkOf({ kind: resource.kind, apiVersion: apiVersionOf(resource) }, revision, initial),
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

function* wholeItems(items: readonly Stored[], begins: boolean): Iterable<Uint8Array> {
  let first = begins;
  for (const item of items) {
    if (!first) yield comma;
    first = false;
    yield item.json;
  }
}

/** Items of a list of a built-in kind lack what the list says of all of them: kind and apiVersion, which stand first. */
function* bareItems(items: readonly Stored[], begins: boolean, resource: Resource): Iterable<Uint8Array> {
  const { kind } = resource;
  const apiVersion = apiVersionOf(resource);
  const { length } = `{"kind":"${kind}","apiVersion":"${apiVersion}",`;
  let first = begins;
  for (const { json, object } of items) {
    const bare = object.kind === kind && object.apiVersion === apiVersion && json[length - 1] === commaByte;
    if (bare) yield first ? opening : nextOpening;
    else if (!first) yield comma;
    first = false;
    yield bare ? json.subarray(length) : json;
  }
}

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
