// Everything of one resource in memory, current with the store: gets, lists at any revision in its window, watches.

import type { KubeObject } from '../../api/meta.ts';
import { isProtobuf } from '../../api/protobuf.ts';
import { builtinResources } from '../../api/resource.ts';
import { internalError, resourceExpired, StatusError } from '../../api/status.ts';
import type { StoreEntry, StoreEvent } from '../../store/store.ts';
import { CacheCounts } from './cache-counts.ts';
import { KeptBytes } from './kept-bytes.ts';
import { SortedTree } from './kernel/sorted-tree.ts';
import { Stored, type StoredOptions } from './stored.ts';

/** A durable change, in order of revision. */
export interface CacheEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly key: string;
  readonly revision: number;
  /** The new version; of a DELETED its final state at the revision of the delete. */
  readonly stored: Stored;
  readonly previous: Stored | undefined;
}

export interface CacheListener {
  onEvent(event: CacheEvent): void;
  /** No event comes after this revision has been reached without one: for bookmarks. */
  readonly namespace?: string | undefined;
  /** Sees objects of this name only. */
  readonly name?: string | undefined;
  /** Sees objects only that are, or were just now, on this node. */
  readonly node?: string | undefined;
  /** Tells a client over the network. */
  readonly remote?: boolean | undefined;
}

export interface WatchCacheOptions {
  /** `/registry/pods/` */
  readonly prefix: string;
  /** Parses stored bytes that this process did not write itself. Throws for what is no object. */
  decode(bytes: Uint8Array, revision: number): KubeObject;
  /** Told of each that could not be decoded, with the key in the store. */
  onUndecodable?(key: string, error: Error): void;
  /** Events kept for watches that resume and lists at old revisions. */
  readonly window?: number;
  /** Bounds the encoded forms kept beside the objects, of several caches together. */
  readonly kept?: KeptBytes;
}

// So many changes wait for being put in order at most: all together take a few milliseconds.
const mostUnsorted = 512;
// How many changes keep their watch frames.
const framesKept = 64;
// Of changes that are old: what a watch may resume behind where little happens, as in Kubernetes.
const eventsKept = 100;

interface Unreadable {
  readonly failure: Error;
  readonly revision: number;
}

// What was decided but is not durable yet: writers build on it, readers do not see it.
interface Pending {
  readonly revision: number;
  readonly stored: Stored | undefined;
  /** The deleted object's last state, when `stored` is undefined. */
  readonly final: Stored | undefined;
}

export class WatchCache {
  readonly counts = new CacheCounts();
  readonly #options: WatchCacheOptions;
  readonly #byKey = new Map<string, Stored>();
  /** The content when somebody last asked for it in order, and what has changed since: undefined is gone. */
  #tree = SortedTree.empty<Stored>();
  readonly #changed = new Map<string, Stored | undefined>();
  readonly #pending = new Map<string, Pending[]>();
  // A ring of the newest events: #events[#head] is the oldest.
  #events: CacheEvent[] = [];
  #windowStart = 0;
  #bytes = 0;
  /** Some have never been encoded: what is counted is not all. */
  #isUnmeasured = false;
  /** What lies in the store and cannot be read, by key: none but where encryption is not what it was, or others write. */
  readonly #unreadable = new Map<string, Unreadable>();
  readonly #window: number;
  readonly #everywhere = new Set<CacheListener>();
  readonly #inNamespace = new Map<string, Set<CacheListener>>();
  // A node's agent asks for its own pods: of thousands of such watchers a change concerns one.
  readonly #ofName = new Map<string, Set<CacheListener>>();
  readonly #onNode = new Map<string, Set<CacheListener>>();
  /** Of those everywhere. */
  #remotes = 0;
  readonly #kept: KeptBytes;
  #framed: Stored[] = [];

  constructor(options: WatchCacheOptions) {
    this.#options = options;
    this.#window = options.window ?? 10_000;
    this.#kept = options.kept ?? new KeptBytes(4 << 20);
  }

  /** Fills an empty cache. `revision` is the store's when the entries were read. */
  load(entries: readonly StoreEntry[], revision: number): void {
    for (const entry of entries) this.take(entry);
    this.loaded(revision);
  }

  /** One entry of an empty cache that is being filled, in order of keys. */
  take(entry: StoreEntry): void {
    if (entry.failure) this.#note(this.#keyOf(entry.key), entry.failure, entry.revision);
    const stored = this.storedOf(entry);
    if (!stored) return;
    this.#byKey.set(stored.key, stored);
    this.#bytes += stored.size;
  }

  /** All entries there were at `revision` have been taken. */
  loaded(revision: number): void {
    this.counts.initializations++;
    this.#tree = SortedTree.from([...this.#byKey]);
    this.#windowStart = revision;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Of all objects, as they are stored. */
  get bytes(): number {
    if (!this.#isUnmeasured) return this.#bytes;
    let bytes = 0;
    for (const stored of this.#byKey.values()) bytes += stored.size;
    return bytes;
  }

  /** The same where it is known; undefined where it would have to be found out. */
  get measuredBytes(): number | undefined {
    return this.#isUnmeasured ? undefined : this.#bytes;
  }

  /** The newest durable version. */
  get(key: string): Stored | undefined {
    if (this.#unreadable.size > 0) this.#checkKey(key);
    return this.#byKey.get(key);
  }

  /** The newest that could be read. */
  peek(key: string): Stored | undefined {
    return this.#byKey.get(key);
  }

  /** Keys that lie in the store and cannot be read. */
  get unreadable(): readonly string[] {
    return [...this.#unreadable.keys()];
  }

  /** Throws 500 when something that begins with `scope` cannot be read: what is left out must not look as if it were gone. */
  checkReadable(scope: string): void {
    if (this.#unreadable.size === 0) return;
    for (const [key, { failure }] of this.#unreadable) if (key.startsWith(scope)) throw told(failure);
  }

  #checkKey(key: string): void {
    const found = this.#unreadable.get(key);
    if (found) throw told(found.failure);
  }

  /** The revision of what lies there and cannot be read; 0 for all else. */
  unreadableAt(key: string): number {
    return this.#unreadable.get(key)?.revision ?? 0;
  }

  /** Undefined, and noted, for what is no object. */
  #decode(storeKey: string, bytes: Uint8Array, revision: number): KubeObject | undefined {
    try {
      return this.#options.decode(bytes, revision);
    } catch (error) {
      this.#options.onUndecodable?.(storeKey, error as Error);
      this.#note(this.#keyOf(storeKey), error as Error, revision);
      return undefined;
    }
  }

  #note(key: string, failure: Error, revision: number): void {
    this.counts.undecodable++;
    this.#unreadable.set(key, { failure, revision });
  }

  #keyOf(storeKey: string): string {
    return storeKey.slice(this.#options.prefix.length);
  }

  /** What could not be read can be. Nobody is told: who lists or watches has been refused until now. */
  restore(entry: StoreEntry): void {
    const key = this.#keyOf(entry.key);
    if (entry.failure || this.#unreadable.get(key)?.revision !== entry.revision) return;
    const stored = this.#storedOf(entry);
    if (!stored) return;
    this.#unreadable.delete(key);
    this.#bytes += stored.size - (this.#byKey.get(key)?.size ?? 0);
    this.#byKey.set(key, stored);
    this.#change(key, stored);
  }

  /** Whether that is all there is to do about the event. */
  #applyUnreadable(key: string, event: StoreEvent): boolean {
    if (event.type === 'put' && event.failure) {
      this.#takePending(key, event.revision);
      this.#note(key, event.failure, event.revision);
      return true;
    }
    this.#unreadable.delete(key);
    return event.type === 'delete' && !this.#byKey.has(key);
  }

  /** The newest decided version, durable or not: what a write builds on. */
  latest(key: string): Stored | undefined {
    const pending = this.#pending.get(key);
    return pending ? pending.at(-1)!.stored : this.get(key);
  }

  /** The revision of the newest decided write that is not durable yet; 0 when there is none. */
  undurable(key: string): number {
    return this.#pending.get(key)?.at(-1)?.revision ?? 0;
  }

  /** Called while the store decides a write (see Encode). */
  notePending(key: string, revision: number, stored: Stored | undefined, final?: Stored): void {
    const entry = { revision, stored, final };
    const list = this.#pending.get(key);
    if (list) list.push(entry);
    else this.#pending.set(key, [entry]);
  }

  /** A decided write that never became durable. */
  dropPending(key: string, revision: number): void {
    const left = this.#pending.get(key)?.filter(p => p.revision !== revision);
    if (left?.length) this.#pending.set(key, left);
    else this.#pending.delete(key);
  }

  /** Takes one durable event of the store. */
  apply(event: StoreEvent): void {
    this.counts.received++;
    const key = this.#keyOf(event.key);
    if ((event.failure || this.#unreadable.size > 0) && this.#applyUnreadable(key, event)) return;
    const pending = this.#takePending(key, event.revision);
    const previous = this.#byKey.get(key);
    if (event.type === 'put') {
      const object = pending?.stored?.object ?? this.#decode(event.key, event.value, event.revision);
      if (!object) return;
      const stored = pending?.stored ?? new Stored(key, object, event.revision, formOf(object, event.value));
      if (!stored.isMeasured) this.#isUnmeasured = true;
      if (!this.#isUnmeasured) this.#bytes += stored.size - (previous?.size ?? 0);
      previous?.release();
      this.#byKey.set(key, stored);
      this.#change(key, stored);
      stored.retain(this.#kept);
      this.#publish({ type: previous ? 'MODIFIED' : 'ADDED', key, revision: event.revision, stored, previous });
    } else {
      this.#byKey.delete(key);
      if (!this.#isUnmeasured) this.#bytes -= previous?.size ?? 0;
      this.#change(key, undefined);
      const last = () => previous?.object ?? this.#options.decode(event.value, event.revision);
      previous?.release();
      const final = pending?.final ?? withRevision(last(), key, event.revision);
      this.#publish({ type: 'DELETED', key, revision: event.revision, stored: final, previous });
    }
  }

  /** Nobody may ever ask for the order of what changes all the time: leases, events. */
  #change(key: string, stored: Stored | undefined): void {
    this.#changed.set(key, stored);
    if (this.#changed.size > mostUnsorted) this.snapshot();
  }

  #takePending(key: string, revision: number): Pending | undefined {
    const list = this.#pending.get(key);
    if (!list) return undefined;
    const found = list.find(p => p.revision === revision);
    const left = list.filter(p => p.revision > revision);
    if (left.length) this.#pending.set(key, left);
    else this.#pending.delete(key);
    return found;
  }

  /** Lets go of the changes up to `revision`, but for the newest `eventsKept`: they may hold objects long gone. */
  forget(revision: number): void {
    const most = this.#events.length - eventsKept;
    let old = 0;
    while (old < most && this.#events[old]!.revision <= revision) old++;
    if (old > 0) this.#drop(old);
  }

  #drop(oldest: number): void {
    this.#windowStart = this.#events[oldest - 1]!.revision;
    this.#events = this.#events.slice(oldest);
  }

  #publish(event: CacheEvent): void {
    this.#events.push(event);
    if (this.#events.length > this.#window * 1.25) this.#drop(this.#events.length - this.#window);
    this.counts.dispatched++;
    this.#noteFramed(event.stored);
    for (const listener of this.#everywhere) listener.onEvent(event);
    const slash = event.key.indexOf('/');
    if (slash >= 0 && this.#inNamespace.size > 0) tell(this.#inNamespace.get(event.key.slice(0, slash)), event);
    if (this.#ofName.size > 0) tell(this.#ofName.get(event.key.slice(slash + 1)), event);
    if (this.#onNode.size === 0) return;
    const node = nodeOf(event.stored);
    const left = event.previous && nodeOf(event.previous);
    tell(this.#onNode.get(node), event);
    if (left !== undefined && left !== node) tell(this.#onNode.get(left), event);
  }

  // Frames are shared by the watchers of one change; a slow watcher holds its own references.
  #noteFramed(stored: Stored): void {
    this.#framed.push(stored);
    if (this.#framed.length <= framesKept) return;
    for (const old of this.#framed) {
      if (this.#byKey.get(old.key) === old) old.releaseFrames();
      // Replaced or deleted: only watches that resume may ask for it again.
      else if (old !== stored) old.release();
    }
    this.#framed = [stored];
  }

  /** From now on; `namespace` set: that namespace only. */
  listen(listener: CacheListener): () => void {
    const { namespace, name, node } = listener;
    if (name !== undefined) return addTo(this.#ofName, name, listener);
    if (node !== undefined) return addTo(this.#onNode, node, listener);
    if (namespace) return addTo(this.#inNamespace, namespace, listener);
    this.#everywhere.add(listener);
    if (listener.remote) this.#remotes++;
    return () => {
      if (this.#everywhere.delete(listener) && listener.remote) this.#remotes--;
    };
  }

  /** How many clients over the network are told of a change in `namespace`: of those that see one name or node, one. */
  watchers(namespace: string): number {
    let count = this.#remotes;
    const here = namespace ? this.#inNamespace.get(namespace) : undefined;
    if (here) for (const listener of here) if (listener.remote) count++;
    return this.#ofName.size + this.#onNode.size > 0 ? count + 1 : count;
  }

  /** Events behind `revision`, oldest first. Throws 410 Expired when some of them are gone. */
  since(revision: number): readonly CacheEvent[] {
    if (revision < this.#windowStart) throw resourceExpired(revision, this.#windowStart);
    // Watches resume near the end far more often than near the start.
    let i = this.#events.length;
    while (i > 0 && this.#events[i - 1]!.revision > revision) i--;
    return this.#events.slice(i);
  }

  /** The present content: an immutable snapshot. */
  snapshot(): SortedTree<Stored> {
    if (this.#changed.size > 0) {
      this.#tree = this.#tree.changed(this.#changed);
      this.#changed.clear();
    }
    return this.#tree;
  }

  /** The content as it was at `revision`. Throws 410 Expired when that is out of the window. */
  snapshotAt(revision: number): SortedTree<Stored> {
    let tree = this.snapshot();
    const later = this.since(revision);
    for (let i = later.length - 1; i >= 0; i--) {
      const { key, previous } = later[i]!;
      tree = previous ? tree.set(key, previous) : tree.delete(key);
    }
    return tree;
  }

  /** What the store showed at a revision out of the window. */
  treeOf(entries: readonly StoreEntry[]): SortedTree<Stored> {
    const { decode } = this.#options;
    const failed = entries.find(e => e.failure);
    if (failed) throw told(failed.failure!);
    return SortedTree.from(
      entries.map(e => {
        const stored = this.#storedAs(e, decode(e.value, e.revision));
        return [stored.key, stored] as const;
      }),
    );
  }

  /** What a read of the store has brought, as the cache would have it; undefined when it cannot be read. */
  storedOf(entry: StoreEntry): Stored | undefined {
    return entry.failure ? undefined : this.#storedOf(entry);
  }

  #storedOf(entry: StoreEntry): Stored | undefined {
    const object = this.#decode(entry.key, entry.value, entry.revision);
    return object && this.#storedAs(entry, object);
  }

  #storedAs({ key, value, revision }: StoreEntry, object: KubeObject): Stored {
    return new Stored(this.#keyOf(key), object, revision, { ...formOf(object, value), kept: this.#kept });
  }

  /** Changes that a watch may resume behind. */
  get capacity(): number {
    return this.#window;
  }

  /** `/registry/pods/` */
  get prefix(): string {
    return this.#options.prefix;
  }

  /** Oldest revision a watch may start behind. */
  get windowStart(): number {
    return this.#windowStart;
  }
}

/** What is known of an object by the bytes it lies in. */
function formOf({ apiVersion = '', kind = '' }: KubeObject, value: Uint8Array): StoredOptions {
  const protobufType = isProtobuf(value) ? builtinResources().typeNameOf(apiVersion, kind) : undefined;
  return { protobufType, size: value.length };
}

// What cannot be decoded says so itself.
const told = (failure: Error): StatusError => (failure instanceof StatusError ? failure : internalError(failure));

// A delete by another process: watchers get the last state at the revision of the delete.
function withRevision(object: KubeObject, key: string, revision: number): Stored {
  return new Stored(key, { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }, revision);
}

function addTo(sets: Map<string, Set<CacheListener>>, key: string, listener: CacheListener): () => void {
  const set = sets.get(key) ?? new Set();
  sets.set(key, set.add(listener));
  return () => {
    set.delete(listener);
    if (set.size === 0 && sets.get(key) === set) sets.delete(key);
  };
}

function tell(listeners: Set<CacheListener> | undefined, event: CacheEvent): void {
  if (!listeners) return;
  for (const listener of listeners)
    if (!listener.namespace || event.key.startsWith(`${listener.namespace}/`)) listener.onEvent(event);
}

const nodeOf = ({ object }: Stored): string =>
  (object as { readonly spec?: { readonly nodeName?: string } }).spec?.nodeName ?? '';
