// One stored resource: its cache, its rules and the write paths to the store.

import { storedVersion } from '../../api/convert.ts';
import type { KubeObject, Mutable, ObjectKey } from '../../api/meta.ts';
import { apiVersionOf } from '../../api/ref.ts';
import type { Resource } from '../../api/resource.ts';
import type { PartSharer } from '../../api/share.ts';
import { internalError, invalid, modified, notFound, StatusError } from '../../api/status.ts';
import type { RuleContext, Strategy } from '../../api/strategy.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { longestKeyBytes } from '../../store/revision-store.ts';
import { type Store, StoreConflictError, StoreFullError, StoreKeyError } from '../../store/store.ts';
import type { AdmissionAttributes, AdmissionChain, Operation } from '../admission/admission.ts';
import type { Level } from '../audit/kernel/policy.ts';
import type { UserInfo } from '../authn/user.ts';
import type { Dispatcher } from './dispatcher.ts';
import { Stored } from './stored.ts';
import { decodeStored, encodeWithoutRevision } from './stored-form.ts';
import { convertObject, showAs, showCustom } from './versions.ts';
import type { WatchCache } from './watch-cache.ts';

/** Who writes and how. */
export interface WriteContext {
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** Owner of the written fields in managedFields. */
  readonly fieldManager: string;
  /** A server-side apply: who owns what is settled with the object. */
  readonly applied?: boolean;
  /** '' for the object itself. */
  readonly subresource: string;
  /** The request's options object, for admission. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The resource in the client's version, when that is another than the registry's. */
  readonly requested?: Resource;
  /** Admission has decided already, about what the client sent instead of the object: a Binding, a Scale. */
  readonly admitted?: boolean;
  /** The request names no object, but asks for many to be deleted. */
  readonly collection?: boolean;
  /** Length of the request's body. */
  readonly bytes?: number;
  /** The answer is the object in protobuf: it may lie in the store as the same bytes. Absent: as it did before. */
  readonly protobuf?: boolean;
  /** Adds to the request's audit event; with `level` only where as much as that is recorded. */
  annotate?(key: string, value: string, level?: Level): void;
  /** Throws once the request's time is over: nothing is to be written any more. */
  checkDeadline?(): void;
  warn(message: string): void;
}

export interface RegistryOptions {
  readonly resource: Resource;
  readonly strategy: Strategy;
  readonly cache: WatchCache;
  readonly store: Store;
  /** Whether what lies at a key would be written otherwise today: then a write that changes nothing is one. */
  readonly isStale?: (key: string) => Promise<boolean>;
  readonly dispatcher: Dispatcher;
  readonly admission: AdmissionChain;
  readonly clock: Clock;
  readonly random: Random;
  readonly featureEnabled: (gate: string) => boolean;
  /** Objects vanish by themselves after this long (Events). */
  readonly ttlMs?: number;
  readonly hooks?: RegistryHooks;
  /** Holds equal parts of objects once. */
  readonly sharer?: PartSharer;
}

// Somebody else has always gone on by then, so this is no end of patience but of what would never end.
const mostTries = 1000;

/** What some kinds do besides storing: allocate addresses and ports, issue, release. */
export interface RegistryHooks {
  /** After validation, before the write; returns an undo for when the write fails. May change the object. */
  beforeCreate?(object: Mutable<KubeObject>, context: WriteContext): Promise<(() => void) | undefined>;
  beforeUpdate?(object: Mutable<KubeObject>, old: KubeObject, context: WriteContext): Promise<(() => void) | undefined>;
  /** After a durable update: frees what the object gave up. */
  afterUpdate?(object: KubeObject, old: KubeObject): void | Promise<void>;
  /** After a durable delete. */
  afterDelete?(object: KubeObject): void | Promise<void>;
}

export class Registry {
  readonly resource: Resource;
  readonly strategy: Strategy;
  readonly cache: WatchCache;
  readonly options: RegistryOptions;
  /** The version objects are stored in when it is another than the resource's. */
  readonly #storedAs: string | undefined;

  constructor(options: RegistryOptions) {
    this.options = options;
    this.resource = options.resource;
    this.strategy = options.strategy;
    this.cache = options.cache;
    this.#storedAs = storedVersion(options.resource);
  }

  keyOf(key: ObjectKey): string {
    return this.resource.namespaced ? `${key.namespace ?? ''}/${key.name}` : key.name;
  }

  /** Throws 404. */
  get(key: ObjectKey): Stored {
    const stored = this.cache.get(this.keyOf(key));
    if (!stored) throw notFound(this.resource, key.name);
    return this.show(stored);
  }

  /** As this resource's version shows it. */
  show(stored: Stored): Stored {
    const { custom } = this.resource;
    if (custom) return showCustom(stored, custom);
    return this.#storedAs ? showAs(stored, apiVersionOf(this.resource)) : stored;
  }

  /** What must be awaited before `show` can show these: the conversion of custom resources by a webhook. */
  prepare(items: readonly Stored[]): Promise<void> | undefined {
    return this.resource.custom?.prepare(items.map(i => i.object));
  }

  ruleContext(subresource: string, user?: UserInfo): RuleContext {
    const { clock, featureEnabled } = this.options;
    return { nowMs: clock.now(), subresource, featureEnabled, ...(user ? { user } : {}) };
  }

  attributes(
    operation: Operation,
    context: WriteContext,
    key: ObjectKey,
    object: Mutable<KubeObject> | undefined,
    old: KubeObject | undefined,
  ): AdmissionAttributes {
    return {
      operation,
      resource: this.resource,
      subresource: context.subresource,
      namespace: key.namespace ?? '',
      name: context.collection ? '' : key.name,
      user: context.user,
      dryRun: context.dryRun,
      object,
      old,
      options: context.options,
      warn: context.warn,
      ...(context.requested ? { requested: context.requested } : {}),
      ...(context.annotate ? { annotate: context.annotate } : {}),
    };
  }

  storeKey(key: string): string {
    return `${this.resource.storagePrefix}/${key}`;
  }

  /** Objects are kept as they are shown: not custom ones, and none of two versions. */
  get storesAsShown(): boolean {
    return !this.resource.custom && !this.#storedAs;
  }

  /** Lies the object in another version than it would be written in today? */
  isOutdated(key: string): boolean {
    const { resource } = this;
    const today = resource.custom ? resource.storedAs : (this.#storedAs ?? apiVersionOf(resource));
    const kept = this.cache.latest(key)?.object.apiVersion;
    return kept !== undefined && kept !== today;
  }

  /**
   * Writes `object` over `ifRevision` (0: must not exist). Throws StoreConflictError when another write came first.
   * `old` is what it has taken parts from, `protobuf` whether it is stored as that, where the kind may be.
   */
  async put(
    key: string,
    shown: Mutable<KubeObject>,
    ifRevision: number,
    { old, protobuf }: { old?: KubeObject | undefined; protobuf?: boolean } = {},
  ): Promise<Stored> {
    const { custom } = this.resource;
    const object = custom
      ? await custom.store(shown)
      : this.#storedAs
        ? convertObject(shown as KubeObject, this.#storedAs)
        : shown;
    const form = { protobufType: protobuf && this.storesAsShown ? this.resource.typeName : undefined };
    let stored: Stored | undefined;
    this.options.sharer?.share(object, old);
    const encode = (revision: number) => {
      if (revision === 0) return encodeWithoutRevision(object);
      object.metadata.resourceVersion = String(revision);
      stored = new Stored(key, object as KubeObject, revision, form);
      this.cache.notePending(key, revision, stored);
      return stored;
    };
    const { store, ttlMs } = this.options;
    const writeOptions = ttlMs ? { ttlMs } : undefined;
    try {
      const revision =
        ifRevision === 0
          ? await store.create(this.storeKey(key), encode, writeOptions)
          : await store.update(this.storeKey(key), ifRevision, encode, writeOptions);
      stored ??= this.#written(key, object, revision);
    } catch (error) {
      if (stored) this.cache.dropPending(key, stored.revision);
      throw this.#failure(error, key);
    }
    const unseen = this.prepare([stored!]);
    if (unseen) await unseen;
    return this.show(stored!);
  }

  /** Names have no limit of their own in some kinds. */
  #failure(error: unknown, key: string): unknown {
    if (!(error instanceof StoreKeyError && key.isWellFormed())) return storeFailure(error);
    const { group, kind } = this.resource;
    const name = key.slice(key.indexOf('/') + 1);
    const longest = longestKeyBytes - Buffer.byteLength(this.storeKey(key)) + Buffer.byteLength(name);
    const message = `Too long: may not be more than ${longest} bytes`;
    return invalid({ group, resource: kind }, name, [{ reason: 'FieldValueTooLong', message, field: 'metadata.name' }]);
  }

  /** What a store has written that said its revision afterwards. */
  #written(key: string, object: Mutable<KubeObject>, revision: number): Stored {
    const seen = this.cache.get(key);
    if (seen?.revision === revision) return seen;
    return new Stored(key, decodeStored(encodeWithoutRevision(object), revision) as KubeObject, revision);
  }

  /** Other servers write to the store too: the cache may not have their writes yet. */
  get shared(): boolean {
    return this.options.store.newestRevision !== undefined;
  }

  /** Resolves when the cache has everything that was written before; undefined when it does already. */
  freshen(): Promise<void> | undefined {
    return this.options.dispatcher.freshen();
  }

  /** Removes the object; watchers see `final` at the revision of the delete. */
  async remove(key: string, current: Stored): Promise<Stored> {
    let final: Stored | undefined;
    const finish = (revision: number): Stored => {
      const object = this.resource.custom
        ? (this.cache.latest(key)?.object ?? current.object)
        : this.#storedAs
          ? convertObject(current.object, this.#storedAs)
          : current.object;
      final = new Stored(
        key,
        { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } },
        revision,
        { protobufType: current.protobufType },
      );
      return final;
    };
    const encode = (revision: number) => {
      if (revision === 0) return nothing;
      const last = finish(revision);
      this.cache.notePending(key, revision, undefined, last);
      return last;
    };
    try {
      const revision = await this.options.store.delete(this.storeKey(key), current.revision, encode);
      final ??= finish(revision);
    } catch (error) {
      if (final) this.cache.dropPending(key, final.revision);
      throw this.#failure(error, key);
    }
    const unseen = this.prepare([final!]);
    if (unseen) await unseen;
    const gone = this.show(final!);
    const after = this.options.hooks?.afterDelete?.(gone.object);
    if (after) await after;
    return gone;
  }

  /** Runs `attempt` on the newest version until no other writer comes between. */
  async retry<T>(key: ObjectKey, attempt: (current: Stored | undefined) => Promise<T>): Promise<T> {
    return this.onFreshCaches(() => this.#retry(key, attempt));
  }

  /** Attempts again what was refused if that may have been for something another server has changed since. */
  async onFreshCaches<T>(attempt: () => Promise<T>): Promise<T> {
    if (!this.shared) return attempt();
    const { dispatcher } = this.options;
    const { revision } = dispatcher;
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof StatusError) || error.code >= 500) throw error;
      await this.freshen();
      if (dispatcher.revision === revision) throw error;
      return await attempt();
    }
  }

  async #retry<T>(key: ObjectKey, attempt: (current: Stored | undefined) => Promise<T>): Promise<T> {
    const id = this.keyOf(key);
    /** As the store had it after another server came first. */
    let read: Stored | undefined;
    for (let tries = 0; ; tries++) {
      const undurable = this.cache.undurable(id);
      try {
        const latest = this.cache.latest(id);
        const current = read && read.revision > (latest?.revision ?? 0) ? read : latest;
        const unseen = current && this.prepare([current]);
        if (unseen) await unseen;
        const done = await attempt(current && this.show(current));
        if (undurable) await this.whenDurable(id, undurable);
        return done;
      } catch (error) {
        if (!(error instanceof StoreConflictError)) {
          if (undurable) await this.whenDurable(id, undurable);
          throw error;
        }
        if (tries >= mostTries) throw modified(this.resource, key.name);
        if (this.shared) read = await this.#read(id);
      }
    }
  }

  /** What the store has, which may not have come to the cache yet; when it has nothing, the cache shall know. */
  async #read(id: string): Promise<Stored | undefined> {
    const entry = await this.options.store.get(this.storeKey(id));
    if (entry) return this.cache.storedOf(entry);
    await this.freshen();
    return undefined;
  }

  /**
   * Resolves when the write decided at `revision` can be read, or is lost. An answer that rests on it, a refusal too, waits
   * for this: nobody may learn of what a read just after does not show and a crash may undo. Rejects with 503 when the
   * server stops before.
   */
  async whenDurable(key: string, revision: number): Promise<void> {
    const { dispatcher } = this.options;
    while (dispatcher.revision < revision && this.cache.undurable(key) >= revision)
      await dispatcher.waitFor(revision)?.catch(error => {
        if (dispatcher.stopped) throw error;
      });
  }
}

const nothing = new Uint8Array();

function storeFailure(error: unknown): unknown {
  if (error instanceof StoreConflictError || error instanceof StatusError) return error;
  if (error instanceof StoreFullError)
    return new StatusError(507, 'InsufficientStorage', `the cluster's store is full: ${error.message}`);
  return internalError(error);
}
