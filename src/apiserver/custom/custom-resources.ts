// Serves what CustomResourceDefinitions define: follows them, accepts their names, makes and unmakes resources, and
// removes all objects of a definition that is being deleted.
import { createHash } from 'node:crypto';
import { cloneDeep, formatTime, type KubeObject, type Mutable } from '../../api/meta.ts';
import { type Group, type Resource, resourceId } from '../../api/resource.ts';
import { isNotFound, StatusError } from '../../api/status.ts';
import type { Strategy } from '../../api/strategy.ts';
import type { CustomResourceDefinition } from '../../api/type/apiextensions-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { UserInfo } from '../authn/user.ts';
import type { ApiContext } from '../context.ts';
import { deleteCollection } from '../registry/delete-collection.ts';
import type { Registry, WriteContext } from '../registry/registry.ts';
import type { Stored } from '../registry/stored.ts';
import { updateObject } from '../registry/update.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import {
  acceptNames,
  approvalCondition,
  conditionOf,
  establishedCondition,
  isConditionTrue,
  nonStructuralCondition,
  type Status,
  takenNames,
  withCondition,
} from './conditions.ts';
import { converterOf, type WebhookConverter } from './conversion.ts';
import { type CustomResource, groupOf, resourcesOf, storagePrefixOf, storedResourceOf } from './resource.ts';
import { customScale } from './scale.ts';
import { customStrategy } from './strategy.ts';

type Crd = CustomResourceDefinition;

export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

export interface CustomResourcesOptions {
  readonly context: ApiContext;
  readonly resources: Map<string, Resource>;
  readonly registries: Map<string, Registry>;
  /** The registry of the definitions themselves. */
  readonly definitions: Registry;
  /** Who writes their status. */
  readonly user: UserInfo;
  readonly webhook: WebhookConverter;
  makeCache(prefix: string): WatchCache;
  makeRegistry(resource: Resource, strategy: Strategy, cache: WatchCache): Registry;
}

interface Served {
  readonly uid: string;
  readonly prefix: string;
  readonly cache: WatchCache;
  /** What the resources were made from. */
  basis: string;
  resources: readonly CustomResource[];
}

const noNames = { resources: new Set<string>(), kinds: new Set<string>() };
const retryMs = 100;
const longestRetryMs = 60_000;

export class CustomResources {
  readonly #options: CustomResourcesOptions;
  readonly #served = new Map<string, Served>();
  /** Names as decided, which may be ahead of what is stored. */
  readonly #named = new Map<string, Crd>();
  readonly #busy = new Map<string, 'running' | 'again'>();
  readonly #failures = new Map<string, number>();
  #stopFollowing: (() => void) | undefined;

  constructor(options: CustomResourcesOptions) {
    this.#options = options;
  }

  /** Serves what is established already, then follows. Resolves when that is served. */
  async start(): Promise<void> {
    const { cache } = this.#options.definitions;
    const names: string[] = [];
    cache.snapshot().scan('', undefined, stored => {
      names.push(stored.key);
      this.#note(stored.object as Crd);
      return undefined;
    });
    this.#stopFollowing = cache.listen({ onEvent: event => this.#enqueue(event.key) });
    await Promise.all(
      names.map(async name => {
        const crd = this.#definition(name);
        if (crd && isConditionTrue(crd, 'Established')) await this.#serve(crd);
      }),
    );
    for (const name of names) this.#enqueue(name);
  }

  stop(): void {
    this.#stopFollowing?.();
    this.#stopFollowing = undefined;
  }

  #definition(name: string): Crd | undefined {
    return this.#options.definitions.cache.get(name)?.object as Crd | undefined;
  }

  #note(crd: Crd): void {
    this.#named.set(crd.metadata.name, crd);
  }

  #enqueue(name: string): void {
    if (this.#busy.has(name)) {
      this.#busy.set(name, 'again');
      return;
    }
    this.#busy.set(name, 'running');
    this.#process(name)
      .then(() => this.#failures.delete(name))
      .catch(error => {
        const { log, clock } = this.#options.context;
        log.error('serving a custom resource failed', { name, error: messageOf(error) });
        const tries = (this.#failures.get(name) ?? 0) + 1;
        this.#failures.set(name, tries);
        if (this.#stopFollowing) clock.after(Math.min(retryMs * 2 ** tries, longestRetryMs), () => this.#enqueue(name));
      })
      .finally(() => {
        const again = this.#busy.get(name) === 'again';
        this.#busy.delete(name);
        if (again) this.#enqueue(name);
      });
  }

  async #process(name: string): Promise<void> {
    const crd = this.#definition(name);
    const known = this.#served.get(name);
    if (!crd || (known && known.uid !== crd.metadata.uid)) this.#drop(name);
    if (!crd) return;
    const status = this.#decide(crd);
    const decided = { ...crd, status };
    this.#note(decided);
    // Served first, told after: who waits for the condition finds the resource.
    if (isConditionTrue(decided, 'Established')) await this.#serve(decided);
    if (JSON.stringify(status) !== JSON.stringify(crd.status)) await this.#writeStatus(crd, status);
    else if (crd.metadata.deletionTimestamp !== undefined && crd.metadata.finalizers?.includes(cleanupFinalizer))
      await this.#empty(crd);
  }

  #decide(crd: Crd): Status {
    const time = formatTime(this.#options.context.clock.now());
    const { group } = crd.spec;
    const others = [...this.#named.values()].filter(
      other => other.spec.group === group && other.metadata.name !== crd.metadata.name,
    );
    const { names, condition } = acceptNames(crd, takenNames(others, noNames));
    const { generation } = crd.metadata;
    const tracked = this.#options.context.featureEnabled('CRDObservedGenerationTracking');
    const observed = generation && tracked ? { observedGeneration: generation } : {};
    let conditions = withCondition(crd.status?.conditions, { ...condition, ...observed }, time);
    conditions = withCondition(
      conditions,
      { ...establishedCondition(crd, condition.status === 'True'), ...observed },
      time,
    );
    const approval = approvalCondition(crd);
    if (approval) conditions = withCondition(conditions, { ...approval, ...observed }, time);
    const loose = nonStructuralCondition(crd);
    conditions = loose
      ? withCondition(conditions, { ...loose, ...observed }, time)
      : conditions.filter(c => c.type !== 'NonStructuralSchema');
    return { ...crd.status, conditions, acceptedNames: names, ...observed };
  }

  async #writeStatus(crd: Crd, status: Status): Promise<void> {
    await this.#write(crd, 'status', object => {
      object.status = status as Mutable<Status>;
    });
  }

  /** Nothing when somebody else has written since: their write brings us back. */
  async #write(crd: Crd, subresource: string, change: (object: Mutable<Crd>) => void): Promise<void> {
    const { definitions, user } = this.#options;
    try {
      await updateObject(
        definitions,
        { name: crd.metadata.name },
        () => {
          const object = cloneDeep(crd);
          change(object);
          return object as Mutable<KubeObject>;
        },
        this.#writing(user, subresource),
      );
    } catch (error) {
      if (!(isNotFound(error) || (error instanceof StatusError && error.reason === 'Conflict'))) throw error;
    }
  }

  #writing(user: UserInfo, subresource = ''): WriteContext {
    return { user, dryRun: false, fieldManager: 'kube-apiserver', subresource, options: {}, warn: () => {} };
  }

  async #serve(crd: Crd): Promise<void> {
    const { context, makeCache, registries, resources, webhook } = this.#options;
    const { name } = crd.metadata;
    const basis = createHash('sha256')
      .update(JSON.stringify([crd.spec, crd.status?.acceptedNames]))
      .digest('base64');
    const known = this.#served.get(name);
    if (known?.basis === basis) {
      if (crd.metadata.deletionTimestamp !== undefined) this.#close(known);
      return;
    }
    const prefix = `${storagePrefixOf(crd)}/`;
    const cache = known?.cache ?? makeCache(prefix);
    if (!known) await context.dispatcher.add(prefix, cache);
    // What is built in stays what it is.
    const made = resourcesOf(crd, converterOf(crd, webhook)).filter(r => !resources.get(resourceId(r))?.typeName);
    if (known) this.#withdraw(known);
    const served: Served = { uid: crd.metadata.uid!, prefix, cache, basis, resources: made };
    this.#served.set(name, served);
    for (const resource of made) {
      const registry = this.#registryOf(resource, cache);
      resources.set(resourceId(resource), resource);
      registries.set(resourceId(resource), registry);
      const id = `${resource.group}/${resource.resource}`;
      if (resource.storedAs.endsWith(`/${resource.version}`) || !registries.has(id)) registries.set(id, registry);
      if (resource.subresources.has('scale')) context.calls.set(`${id}/scale`, customScale);
    }
    this.#regroup(crd.spec.group);
  }

  #registryOf(resource: CustomResource, cache: WatchCache): Registry {
    const { context, makeRegistry } = this.#options;
    const strategy = customStrategy(resource.custom, resource.hasStatus, validate => {
      const startMs = context.clock.monotonic();
      validate();
      context.counts.celEvaluation.observe((context.clock.monotonic() - startMs) / 1000);
    });
    return makeRegistry(resource, strategy, cache);
  }

  /** Takes no new objects any more; watches go on. */
  #close(served: Served): void {
    const open = served.resources.filter(r => r.verbs.includes('create'));
    if (!open.length) return;
    for (const { custom } of open) custom.closed = true;
    served.resources = served.resources.map(r => ({ ...r, verbs: r.verbs.filter(v => v !== 'create') }));
    for (const resource of served.resources) this.#options.resources.set(resourceId(resource), resource);
    this.#options.context.surface.revision++;
  }

  #withdraw({ resources: former }: Served): void {
    const { resources, registries, context } = this.#options;
    for (const resource of former) {
      const id = `${resource.group}/${resource.resource}`;
      resources.delete(resourceId(resource));
      registries.delete(resourceId(resource));
      registries.delete(id);
      context.calls.delete(`${id}/scale`);
      for (const end of [...resource.custom.watches]) end();
    }
  }

  #drop(name: string): void {
    const group = this.#named.get(name)?.spec.group;
    this.#named.delete(name);
    const served = this.#served.get(name);
    if (!served) return;
    this.#served.delete(name);
    this.#withdraw(served);
    this.#options.context.dispatcher.remove(served.prefix);
    if (group) this.#regroup(group);
    // A name it held may be what another waits for.
    for (const [other, crd] of this.#named) if (crd.spec.group === group) this.#enqueue(other);
  }

  #regroup(group: string): void {
    const { context } = this.#options;
    const versions: string[] = [];
    for (const { resources } of this.#served.values())
      for (const r of resources) if (r.group === group) versions.push(r.version);
    const groups = context.customGroups as Map<string, Group>;
    if (versions.length) groups.set(group, groupOf(group, versions));
    else groups.delete(group);
    context.surface.revision++;
  }

  /** Deletes all objects; when the last is gone, lets the definition go. */
  async #empty(crd: Crd): Promise<void> {
    const { name } = crd.metadata;
    const served = this.#served.get(name);
    if (served && served.cache.size > 0) {
      const registry = this.#anyRegistry(crd, served);
      const items: Stored[] = [];
      served.cache.snapshot().scan('', undefined, stored => {
        if (stored.object.metadata.deletionTimestamp === undefined) items.push(stored);
        return undefined;
      });
      const gone = this.#whenEmpty(name, served.cache);
      await deleteCollection(registry, items, {}, this.#writing(this.#options.user));
      await this.#tellTerminating(crd, 'True', 'InstanceDeletionInProgress', 'CustomResource deletion is in progress');
      if (served.cache.size > 0) return;
      gone();
    }
    const time = formatTime(this.#options.context.clock.now());
    const done = {
      type: 'Terminating',
      status: 'False',
      reason: 'InstanceDeletionCompleted',
      message: 'removed all instances',
    };
    await this.#write(this.#definition(name) ?? crd, 'status', object => {
      object.metadata.finalizers = (object.metadata.finalizers ?? []).filter(f => f !== cleanupFinalizer);
      const conditions = withCondition(object.status?.conditions, done, time);
      object.status = { ...object.status, conditions } as Mutable<Status>;
    });
  }

  /** Also when no version is served any more. */
  #anyRegistry(crd: Crd, { resources: [first], cache }: Served): Registry {
    const found = first && this.#options.registries.get(resourceId(first));
    return found ?? this.#registryOf(storedResourceOf(crd, converterOf(crd, this.#options.webhook)), cache);
  }

  #whenEmpty(name: string, cache: WatchCache): () => void {
    const stop = cache.listen({
      onEvent: event => {
        if (event.type !== 'DELETED' || cache.size > 0) return;
        stop();
        this.#enqueue(name);
      },
    });
    return stop;
  }

  async #tellTerminating(crd: Crd, status: string, reason: string, message: string): Promise<void> {
    if (conditionOf(crd, 'Terminating')?.reason === reason) return;
    const time = formatTime(this.#options.context.clock.now());
    const conditions = withCondition(crd.status?.conditions, { type: 'Terminating', status, reason, message }, time);
    await this.#writeStatus(crd, { ...crd.status, conditions });
  }
}
