// A test double of the API server behind the Client interface: a map of objects with Kubernetes' rules of versions,
// status, deletion and watches, without defaults, validation or admission. For tests of what uses a Client.
import type { Draft, KubeList, KubeObject, ObjectKey } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { builtinResources } from '../api/resource.ts';
import { notFound } from '../api/status.ts';
import type { Status } from '../api/type/meta-v1.ts';
import { must } from '../base/assert.ts';
import { type Clock, VirtualClock } from '../base/clock.ts';
import { type Random, seededRandom } from '../base/random.ts';
import type {
  Client,
  DeleteOptions,
  GetOptions,
  ListOptions,
  Patch,
  PatchOptions,
  WatchHandle,
  WatchHandler,
  WatchOptions,
  WriteOptions,
} from './client.ts';
import { FakeStore } from './fake-store.ts';

export type FakeVerb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

/** One call, as it came in. */
export interface FakeAction {
  readonly verb: FakeVerb;
  readonly resource: ResourceRef;
  /** '' for the object itself. */
  readonly subresource: string;
  readonly namespace: string;
  /** '' for list, watch and generateName. */
  readonly name: string;
  /** What was to be written: the object, the patch, the delete options. */
  readonly body?: any;
  readonly userAgent: string;
  readonly serviceAccount: string;
}

export interface FakeClientOptions {
  /** Default: a VirtualClock of its own. */
  clock?: Clock;
  random?: Random;
  /** Answers of raw(), by path. */
  raw?: Readonly<Record<string, unknown>>;
}

/** Gives an error, throws one, or rejects, to make a call fail; anything else, or a promise of it, lets the call pass. */
export type FakeReactor = (action: FakeAction) => unknown;

export interface FakeClient extends Client {
  readonly clock: Clock;
  /** All calls so far, reads too. */
  readonly actions: FakeAction[];
  /** The calls that write, as `create pods default/web-0`, `update deployments/status default/web`. */
  writes(): string[];
  clearActions(): void;
  /** What exists now, sorted by key. */
  objects<T extends KubeObject>(resource: ResourceRef<T>, namespace?: string): T[];
  object<T extends KubeObject>(resource: ResourceRef<T>, key: string | ObjectKey): T | undefined;
  /** Puts an object there as it is, status and all; watchers are told. Returns what was stored. */
  set<T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>): T;
  /** Takes an object away, finalizers or not. */
  remove(resource: ResourceRef<any>, key: string | ObjectKey): void;
  /** Consulted before each call, the newest first. Returns the removal. */
  react(reactor: FakeReactor): () => void;
  /** The next `times` calls of this verb on this resource (and subresource, if named) fail. */
  failNext(
    verb: FakeVerb,
    resource: ResourceRef<any>,
    error: Error,
    options?: { times?: number; subresource?: string },
  ): void;
  /** Ends all watches (of a resource). */
  dropWatches(error?: Error, resource?: ResourceRef<any>): void;
  /** Forgets history: watches from before now get 410. */
  compact(): void;
  /** Sends a bookmark to every watch. */
  bookmark(): void;
  readonly watchCount: number;
  readonly resourceVersion: string;
}

/** `objects` must carry kind and apiVersion of built-in kinds. */
export function fakeClient(objects: readonly Draft<KubeObject>[] = [], options: FakeClientOptions = {}): FakeClient {
  const clock = options.clock ?? new VirtualClock();
  const store = new FakeStore(clock, options.random ?? seededRandom(1));
  for (const object of objects) store.set(resourceOf(object), object);
  const shared: Shared = { store, clock, actions: [], reactors: [], raw: options.raw ?? {} };
  return new MapClient(shared, { userAgent: 'fake', serviceAccount: '' });
}

/** The resource of an object of a built-in kind. */
export function resourceOf(object: Draft<KubeObject>): ResourceRef<any> {
  return must(
    builtinResources().byKind(object.apiVersion ?? '', object.kind ?? ''),
    `no resource for ${object.apiVersion}/${object.kind} ${object.metadata?.name}`,
  );
}

interface Shared {
  readonly store: FakeStore;
  readonly clock: Clock;
  readonly actions: FakeAction[];
  readonly reactors: FakeReactor[];
  readonly raw: Readonly<Record<string, unknown>>;
}

class MapClient implements FakeClient {
  readonly #s: Shared;
  readonly #identity: { userAgent: string; serviceAccount: string };

  constructor(shared: Shared, identity: { userAgent: string; serviceAccount: string }) {
    this.#s = shared;
    this.#identity = identity;
  }

  get clock(): Clock {
    return this.#s.clock;
  }

  get actions(): FakeAction[] {
    return this.#s.actions;
  }

  get watchCount(): number {
    return this.#s.store.watchCount;
  }

  get resourceVersion(): string {
    return this.#s.store.resourceVersion;
  }

  writes(): string[] {
    return this.actions
      .filter(a => a.verb !== 'get' && a.verb !== 'list' && a.verb !== 'watch')
      .map(a => {
        const sub = a.subresource ? `/${a.subresource}` : '';
        const key = a.namespace ? `${a.namespace}/${a.name}` : a.name;
        return `${a.verb} ${a.resource.resource}${sub} ${key}`;
      });
  }

  clearActions(): void {
    this.actions.length = 0;
  }

  objects<T extends KubeObject>(resource: ResourceRef<T>, namespace?: string): T[] {
    return this.#s.store.all(resource, namespace);
  }

  object<T extends KubeObject>(resource: ResourceRef<T>, key: string | ObjectKey): T | undefined {
    return this.#s.store.find(resource, key);
  }

  set<T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>): T {
    return this.#s.store.set(resource, object as Draft<KubeObject>) as T;
  }

  remove(resource: ResourceRef<any>, key: string | ObjectKey): void {
    this.#s.store.remove(resource, key);
  }

  react(reactor: FakeReactor): () => void {
    this.#s.reactors.unshift(reactor);
    return () => {
      const at = this.#s.reactors.indexOf(reactor);
      if (at >= 0) this.#s.reactors.splice(at, 1);
    };
  }

  failNext(
    verb: FakeVerb,
    resource: ResourceRef<any>,
    error: Error,
    options: { times?: number; subresource?: string } = {},
  ): void {
    let left = options.times ?? 1;
    const stop = this.react(a => {
      if (a.verb !== verb || !sameResource(a.resource, resource)) return undefined;
      if (options.subresource !== undefined && a.subresource !== options.subresource) return undefined;
      if (--left <= 0) stop();
      return error;
    });
  }

  dropWatches(error?: Error, resource?: ResourceRef<any>): void {
    this.#s.store.dropWatches(error, resource);
  }

  compact(): void {
    this.#s.store.compact();
  }

  bookmark(): void {
    this.#s.store.bookmark();
  }

  as(identity: { userAgent: string; serviceAccount?: string }): Client {
    return new MapClient(this.#s, { serviceAccount: '', ...identity });
  }

  async get<T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey, _options?: GetOptions): Promise<T> {
    await this.#act('get', resource, '', key);
    return this.#s.store.get(resource, key);
  }

  async list<T extends KubeObject>(resource: ResourceRef<T>, options: ListOptions = {}): Promise<KubeList<T>> {
    await this.#act('list', resource, '', { namespace: options.namespace });
    return this.#s.store.list(resource, options);
  }

  async create<T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>, options?: WriteOptions): Promise<T> {
    const draft = object as Draft<KubeObject>;
    await this.#act('create', resource, '', draft.metadata ?? {}, object);
    return this.#s.store.create(resource, draft, options?.dryRun) as T;
  }

  async update<T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>, options?: WriteOptions): Promise<T> {
    const draft = object as Draft<KubeObject>;
    await this.#act('update', resource, '', draft.metadata ?? {}, object);
    return this.#s.store.update(resource, draft, '', options?.dryRun) as T;
  }

  async updateStatus<T extends KubeObject>(
    resource: ResourceRef<T>,
    object: Draft<T>,
    options?: WriteOptions,
  ): Promise<T> {
    const draft = object as Draft<KubeObject>;
    await this.#act('update', resource, 'status', draft.metadata ?? {}, object);
    return this.#s.store.update(resource, draft, 'status', options?.dryRun) as T;
  }

  async patch<T extends KubeObject>(
    resource: ResourceRef<T>,
    key: ObjectKey,
    patch: Patch,
    options: PatchOptions = {},
  ): Promise<T> {
    await this.#act('patch', resource, options.subresource ?? '', key, patch.body);
    return this.#s.store.patch(resource, key, patch, options.subresource ?? '', options.dryRun) as T;
  }

  async delete<T extends KubeObject>(
    resource: ResourceRef<T>,
    key: ObjectKey,
    options: DeleteOptions = {},
  ): Promise<T | Status> {
    await this.#act('delete', resource, '', key, options);
    return this.#s.store.delete(resource, key, options) as T | Status;
  }

  async deleteCollection(
    resource: ResourceRef<KubeObject>,
    list: ListOptions,
    options: DeleteOptions = {},
  ): Promise<void> {
    await this.#act('deletecollection', resource, '', { namespace: list.namespace }, options);
    for (const item of this.#s.store.list(resource, list).items)
      this.#s.store.delete(resource, item.metadata as ObjectKey, options);
  }

  watch<T extends KubeObject>(resource: ResourceRef<T>, options: WatchOptions, handler: WatchHandler<T>): WatchHandle {
    let stopped = false;
    let inner: WatchHandle | undefined;
    this.#act('watch', resource, '', { namespace: options.namespace })
      .then(() => {
        if (!stopped) inner = this.#s.store.watch(resource, options, handler as WatchHandler<any>);
      })
      .catch(error => stopped || handler.onClose(error as Error));
    return {
      stop() {
        stopped = true;
        inner?.stop();
      },
    };
  }

  async createSubresource<R = unknown>(
    resource: ResourceRef,
    key: ObjectKey,
    subresource: string,
    body: object,
    _options?: WriteOptions,
  ): Promise<R> {
    await this.#act('create', resource, subresource, key, body);
    return this.#s.store.createSubresource(resource, key, subresource, body) as R;
  }

  async getSubresource<R = unknown>(resource: ResourceRef, key: ObjectKey, subresource: string): Promise<R> {
    await this.#act('get', resource, subresource, key);
    return this.#s.store.getSubresource(resource, key, subresource) as R;
  }

  async updateSubresource<R = unknown>(
    resource: ResourceRef,
    key: ObjectKey,
    subresource: string,
    body: object,
  ): Promise<R> {
    await this.#act('update', resource, subresource, key, body);
    return this.#s.store.updateSubresource(resource, key, subresource, body) as R;
  }

  async raw(path: string): Promise<unknown> {
    if (!(path in this.#s.raw)) throw notFound({ group: '', resource: 'paths' }, path);
    return this.#s.raw[path];
  }

  async #act(
    verb: FakeVerb,
    resource: ResourceRef<any>,
    subresource: string,
    key: { namespace?: string; name?: string },
    body?: unknown,
  ): Promise<void> {
    const { namespace = '', name = '' } = key;
    const action: FakeAction = { verb, resource, subresource, namespace, name, body, ...this.#identity };
    this.actions.push(action);
    for (const reactor of [...this.#s.reactors]) {
      const error = await reactor(action);
      if (error instanceof Error) throw error;
    }
  }
}

function sameResource(a: ResourceRef, b: ResourceRef): boolean {
  return a.resource === b.resource && a.group === b.group;
}
