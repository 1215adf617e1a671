// The state behind fakeClient: objects, their history, and who watches them.
import { isDeepStrictEqual } from 'node:util';
import type { Draft, KubeList, KubeObject, ObjectKey } from '../api/meta.ts';
import { cloneDeep, formatTime, keyOf } from '../api/meta.ts';
import { apiVersionOf, type ResourceRef } from '../api/ref.ts';
import { builtinResources, resourceId } from '../api/resource.ts';
import { alreadyExists, conflict, expired, invalid, modified, notFound, resourceExpired } from '../api/status.ts';
import type { Status } from '../api/type/meta-v1.ts';
import type { Clock } from '../base/clock.ts';
import { type Random, randomUuid } from '../base/random.ts';
import type { DeleteOptions, ListOptions, Patch, WatchHandle, WatchHandler, WatchOptions } from './client.ts';
import { fakePatch } from './fake-patch.ts';
import { fakeSelector } from './fake-select.ts';
import { bind, scaleOf, tokenOf } from './fake-subresource.ts';
import { type FakeChange, FakeWatch } from './fake-watch.ts';
import {
  changed,
  checkPreconditions,
  complete,
  finalizersFor,
  graceSeconds,
  type Loose,
  markDeleted,
  nameNew,
  namespaceIsHeld,
  prepareForCreate,
} from './fake-write.ts';

export class FakeStore {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #watches = new Set<FakeWatch>();
  #history: FakeChange[] = [];
  #revision = 1000;
  #compacted = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  get watchCount(): number {
    return this.#watches.size;
  }

  get resourceVersion(): string {
    return String(this.#revision);
  }

  all<T extends KubeObject>(resource: ResourceRef<T>, namespace?: string): T[] {
    const all = [...this.#of(resource).values()] as T[];
    return all
      .filter(o => !namespace || o.metadata.namespace === namespace)
      .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  }

  find<T extends KubeObject>(resource: ResourceRef<T>, key: string | ObjectKey): T | undefined {
    return this.#of(resource).get(typeof key === 'string' ? key : keyOf({ metadata: scoped(resource, key) })) as T;
  }

  get<T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey): T {
    const found = this.find(resource, key);
    if (!found) throw notFound(resource, key.name);
    return found;
  }

  /** As it is: only what every object has is filled in. */
  set(resource: ResourceRef<any>, object: Draft<KubeObject>): KubeObject {
    const next = complete(resource, object);
    const old = this.#of(resource).get(keyOf(next as unknown as KubeObject));
    next.metadata.uid ??= old?.metadata.uid;
    next.metadata.creationTimestamp ??= old?.metadata.creationTimestamp;
    this.#stamp(next);
    return this.#put(resource, next);
  }

  remove(resource: ResourceRef<any>, key: string | ObjectKey): void {
    const old = this.find(resource, key);
    if (old) this.#drop(resource, cloneDeep(old) as unknown as Loose);
  }

  create(resource: ResourceRef<any>, object: Draft<KubeObject>, dryRun = false): KubeObject {
    const next = complete(resource, object);
    nameNew(resource, next, this.#random);
    if (this.find(resource, next.metadata as ObjectKey)) throw alreadyExists(resource, next.metadata.name);
    prepareForCreate(resource, next, this.#hasStatus(resource));
    this.#stamp(next);
    return dryRun ? (next as unknown as KubeObject) : this.#put(resource, next);
  }

  update(resource: ResourceRef<any>, object: Draft<KubeObject>, subresource: string, dryRun = false): KubeObject {
    const old = this.get(resource, (object.metadata ?? {}) as ObjectKey);
    const next = complete(resource, object);
    const { resourceVersion, uid } = next.metadata;
    if (resourceVersion && resourceVersion !== old.metadata.resourceVersion)
      throw modified(resource, old.metadata.name);
    if (uid && uid !== old.metadata.uid)
      throw conflict(
        resource,
        old.metadata.name,
        `StorageError: invalid object, Code: 4, Key: /registry/${resource.resource}/${keyOf(old)}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
      );
    return this.#replace(resource, old, next, subresource, dryRun);
  }

  patch(resource: ResourceRef<any>, key: ObjectKey, patch: Patch, subresource: string, dryRun = false): KubeObject {
    if (patch.type === 'apply' && !this.find(resource, key)) {
      const body = patch.body as Draft<KubeObject>;
      return this.create(resource, { ...body, metadata: { ...body.metadata, ...scoped(resource, key) } }, dryRun);
    }
    const old = this.get(resource, key);
    const next = fakePatch(resource, old, patch) as unknown as Loose;
    if (next.metadata.resourceVersion !== old.metadata.resourceVersion) throw modified(resource, key.name);
    if (next.metadata.uid !== old.metadata.uid)
      throw invalid({ group: resource.group, resource: resource.kind }, key.name, [
        {
          reason: 'FieldValueInvalid',
          field: 'metadata.uid',
          message: `Invalid value: ${JSON.stringify(next.metadata.uid)}: field is immutable`,
        },
      ]);
    return this.#replace(resource, old, next, subresource === 'status' ? 'status' : '', dryRun);
  }

  delete(resource: ResourceRef<any>, key: ObjectKey, options: DeleteOptions): KubeObject | Status {
    const old = this.get(resource, key);
    checkPreconditions(resource, old, options);
    const next = cloneDeep(old) as unknown as Loose;
    const finalizers = finalizersFor(next, options);
    const grace = graceSeconds(resource, next, options);
    if (!options.dryRun && finalizers === 0 && grace === 0 && !namespaceIsHeld(resource, next))
      return this.#drop(resource, next);
    markDeleted(resource, next, grace, this.#clock.now());
    if (options.dryRun || isDeepStrictEqual(next, old)) return next as unknown as KubeObject;
    return this.#put(resource, next);
  }

  list<T extends KubeObject>(resource: ResourceRef<T>, options: ListOptions): KubeList<T> {
    const matches = fakeSelector(options);
    let items = this.all(resource).filter(matches);
    const metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number } = {
      resourceVersion: this.resourceVersion,
    };
    if (options.continue) {
      const { after, revision } = JSON.parse(atob(options.continue)) as { after: string; revision: number };
      if (revision < this.#compacted)
        throw expired('The provided continue parameter is too old to display a consistent list result.');
      items = items.filter(o => keyOf(o) > after);
      metadata.resourceVersion = String(revision);
    }
    const limit = options.limit ?? 0;
    if (limit > 0 && items.length > limit) {
      if (!options.labelSelector && !options.fieldSelector) metadata.remainingItemCount = items.length - limit;
      items = items.slice(0, limit);
      const revision = Number(metadata.resourceVersion);
      metadata.continue = btoa(JSON.stringify({ after: keyOf(items.at(-1)!), revision }));
    }
    return { kind: `${resource.kind}List`, apiVersion: apiVersionOf(resource), metadata, items };
  }

  watch(resource: ResourceRef<any>, options: WatchOptions, handler: WatchHandler<any>): WatchHandle {
    const matches = fakeSelector(options);
    const watch = new FakeWatch(resource, matches, handler, w => this.#watches.delete(w));
    this.#watches.add(watch);
    const from = options.resourceVersion;
    if (from && from !== '0') {
      const revision = Number(from);
      if (revision < this.#compacted) watch.close(resourceExpired(revision, this.#compacted));
      else for (const c of this.#history) if (c.revision > revision && same(c.resource, resource)) watch.change(c);
    } else for (const o of this.all(resource)) if (matches(o)) watch.send('ADDED', o);
    if (options.sendInitialEvents) watch.send('BOOKMARK', this.#bookmark(resource, true));
    if (options.timeoutSeconds)
      this.#clock.after(options.timeoutSeconds * 1000, () => this.#watches.has(watch) && watch.close(undefined));
    return watch;
  }

  dropWatches(error: Error | undefined, resource?: ResourceRef<any>): void {
    for (const watch of [...this.#watches]) if (!resource || same(watch.resource, resource)) watch.close(error);
  }

  compact(): void {
    this.#compacted = ++this.#revision;
    this.#history = [];
  }

  bookmark(): void {
    for (const watch of this.#watches) watch.send('BOOKMARK', this.#bookmark(watch.resource, false));
  }

  createSubresource(resource: ResourceRef<any>, key: ObjectKey, subresource: string, body: any): unknown {
    const old = this.get(resource, key);
    if (subresource === 'eviction') {
      this.delete(resource, key, body.deleteOptions ?? {});
      return success();
    }
    if (subresource === 'binding') {
      const next = cloneDeep(old) as unknown as Loose;
      bind(resource, next, body.target?.name, this.#clock.now());
      this.#put(resource, next);
      return success();
    }
    if (subresource === 'token') return tokenOf(key, body, this.#clock.now());
    return body;
  }

  getSubresource(resource: ResourceRef<any>, key: ObjectKey, subresource: string): unknown {
    const object = this.get(resource, key) as unknown as Loose;
    return subresource === 'scale' ? scaleOf(object) : object;
  }

  updateSubresource(resource: ResourceRef<any>, key: ObjectKey, subresource: string, body: any): unknown {
    const old = this.get(resource, key);
    const version = body.metadata?.resourceVersion;
    if (version && version !== old.metadata.resourceVersion) throw modified(resource, key.name);
    if (subresource === 'scale') {
      const next = cloneDeep(old) as unknown as Loose;
      next.spec = { ...next.spec, replicas: body.spec?.replicas ?? 0 };
      this.#replace(resource, old, next, '', false);
      return this.getSubresource(resource, key, 'scale');
    }
    if (subresource === 'finalize') {
      const next = cloneDeep(old) as unknown as Loose;
      next.spec = body.spec;
      return this.#replace(resource, old, next, '', false);
    }
    return this.#replace(
      resource,
      old,
      complete(resource, body),
      subresource === 'status' || subresource === 'approval' ? 'status' : '',
      false,
    );
  }

  /** Keeps what this writer may not change, counts generations, ends what was waiting for its last finalizer. */
  #replace(resource: ResourceRef<any>, old: KubeObject, wanted: Loose, sub: string, dryRun: boolean): KubeObject {
    const { previous, next } = changed(old, wanted, sub, this.#hasStatus(resource));
    if (isDeepStrictEqual(next, previous)) return old;
    if (dryRun) return next as unknown as KubeObject;
    const m = next.metadata;
    const waiting = m.finalizers?.length || m.deletionGracePeriodSeconds || namespaceIsHeld(resource, next);
    if (m.deletionTimestamp && !waiting) return this.#drop(resource, next);
    return this.#put(resource, next);
  }

  #stamp({ metadata }: Loose): void {
    metadata.uid ??= randomUuid(this.#random);
    metadata.creationTimestamp ??= formatTime(this.#clock.now());
  }

  #put(resource: ResourceRef<any>, object: Loose): KubeObject {
    object.metadata.resourceVersion = String(++this.#revision);
    const stored = deepFreeze(object) as unknown as KubeObject;
    const objects = this.#of(resource);
    const old = objects.get(keyOf(stored));
    objects.set(keyOf(stored), stored);
    this.#changed({ resource, revision: this.#revision, object: stored, ...(old ? { old } : {}), deleted: false });
    return stored;
  }

  #drop(resource: ResourceRef<any>, object: Loose): KubeObject {
    object.metadata.resourceVersion = String(++this.#revision);
    const last = deepFreeze(object) as unknown as KubeObject;
    const objects = this.#of(resource);
    const old = objects.get(keyOf(last));
    objects.delete(keyOf(last));
    this.#changed({ resource, revision: this.#revision, object: last, ...(old ? { old } : {}), deleted: true });
    return last;
  }

  #changed(change: FakeChange): void {
    this.#history.push(change);
    for (const watch of this.#watches) if (same(watch.resource, change.resource)) watch.change(change);
  }

  #bookmark(resource: ResourceRef<any>, initial: boolean): KubeObject {
    const annotations = initial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
    return {
      kind: resource.kind,
      apiVersion: apiVersionOf(resource),
      metadata: { name: '', uid: '', creationTimestamp: '', resourceVersion: this.resourceVersion, ...annotations },
    };
  }

  #of(resource: ResourceRef<any>): Map<string, KubeObject> {
    return this.#objects.getOrInsertComputed(resourceId(resource), () => new Map());
  }

  #hasStatus(resource: ResourceRef<any>): boolean {
    return builtinResources().byId(resourceId(resource))?.hasStatus ?? true;
  }
}

const same = (a: ResourceRef, b: ResourceRef): boolean => resourceId(a) === resourceId(b);

function scoped(resource: ResourceRef<any>, key: ObjectKey): ObjectKey {
  return resource.namespaced && key.namespace ? { namespace: key.namespace, name: key.name } : { name: key.name };
}

function success(): Status {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const v of Object.values(value)) deepFreeze(v);
  return Object.freeze(value);
}
