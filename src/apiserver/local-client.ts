// The in-process transport: the same authorization, admission and validation as HTTP, without bytes.
import type { Draft, KubeList, KubeObject, ObjectKey } from '../api/meta.ts';
import { apiVersionOf, type ResourceRef } from '../api/ref.ts';
import { type Resource, resourceId } from '../api/resource.ts';
import { methodNotSupported, notFound, StatusError, tooLargeResourceVersion } from '../api/status.ts';
import type { Status } from '../api/type/meta-v1.ts';
import type {
  Client,
  DeleteOptions,
  ListOptions,
  Patch,
  PatchOptions,
  WatchHandle,
  WatchHandler,
  WatchOptions,
  WriteOptions,
} from '../client/client.ts';
import { patchTypes } from '../client/request.ts';
import { serviceAccountUser, type UserInfo } from './authn/user.ts';
import { requireAllowed } from './authz/authorizer.ts';
import { draftFrom, targetOf } from './body.ts';
import { type ApiContext, type CallResult, registryFor } from './context.ts';
import { methodOf } from './metrics.ts';
import { managerFromUserAgent, writeContext } from './options.ts';
import { applyOf, patchOf } from './patch.ts';
import { createObject } from './registry/create.ts';
import { deleteObject } from './registry/delete.ts';
import { deleteCollection } from './registry/delete-collection.ts';
import { listObjects, orderedSink, readObject } from './registry/reading.ts';
import type { Registry, WriteContext } from './registry/registry.ts';
import { parseSelection } from './registry/selection.ts';
import { Stored } from './registry/stored.ts';
import { type Transform, updateObject } from './registry/update.ts';
import { startWatch, type WatchSink } from './registry/watcher.ts';
import { attributesOf } from './request-attributes.ts';
import { deletedStatus } from './verb/delete.ts';

export interface LocalIdentity {
  readonly user: UserInfo;
  readonly userAgent: string;
}

/** Who the server is to itself. */
export const serverUser = 'system:apiserver';

const noQuery = new URLSearchParams();
const forced = new URLSearchParams({ force: 'true' });
const ignore = () => {};

/** `raw` answers paths that are no resource. */
export function localClient(
  context: ApiContext,
  identity: LocalIdentity,
  raw: (path: string, user: UserInfo) => Promise<unknown>,
): Client {
  const { user } = identity;
  const manager = managerFromUserAgent(identity.userAgent);

  function resolve(ref: ResourceRef): { resource: Resource; registry: Registry } {
    const resource = context.resources.get(resourceId(ref));
    const registry = resource && registryFor(context, resource);
    if (!resource || !registry)
      throw new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});
    return { resource, registry };
  }

  function allow(
    ref: ResourceRef,
    verb: string,
    key: { namespace?: string; name?: string },
    subresource = '',
    { fieldSelector, labelSelector }: { fieldSelector?: string | undefined; labelSelector?: string | undefined } = {},
  ): Promise<void> | undefined {
    if (user.name === serverUser) context.counts.own(methodOf(verb, subresource), ref, subresource);
    const attributes = attributesOf(
      {
        isResource: true,
        verb,
        prefix: '',
        group: ref.group,
        version: ref.version,
        resource: ref.resource,
        subresource,
        namespace: key.namespace ?? '',
        name: key.name ?? '',
        rest: '',
        path: '',
      },
      user,
      fieldSelector || labelSelector
        ? new URLSearchParams({ fieldSelector: fieldSelector ?? '', labelSelector: labelSelector ?? '' })
        : undefined,
    );
    return requireAllowed(context.authorizer, attributes);
  }

  const write = (options: WriteOptions | undefined, subresource = ''): WriteContext =>
    writeContext(
      user,
      { dryRun: options?.dryRun === true, fieldManager: options?.fieldManager ?? manager, fieldValidation: 'Ignore' },
      subresource,
      {},
      ignore,
    );

  const draft = (resource: Resource, registry: Registry, value: unknown, options?: WriteOptions) =>
    draftFrom(targetOf(resource), registry.strategy, value, {
      fieldValidation: options?.fieldValidation ?? 'Ignore',
      warn: ignore,
    });

  async function update<T extends KubeObject>(
    ref: ResourceRef<T>,
    object: Draft<T>,
    subresource: string,
    options?: WriteOptions,
  ): Promise<T> {
    const { resource, registry } = resolve(ref);
    const key = keyFrom(resource, object as Draft<KubeObject>);
    const waiting = allow(ref, 'update', key, subresource);
    if (waiting) await waiting;
    const transform: Transform = () => draft(resource, registry, object, options);
    const createIfAbsent = registry.strategy.allowCreateOnUpdate === true && subresource === '';
    const { stored } = await updateObject(registry, key, transform, write(options, subresource), { createIfAbsent });
    return stored.object as unknown as T;
  }

  async function call(
    ref: ResourceRef,
    key: ObjectKey,
    verb: string,
    subresource: string,
    body: unknown,
    options?: WriteOptions,
    contentType?: string,
    query = noQuery,
  ): Promise<CallResult> {
    const resource = context.resources.get(resourceId(ref));
    if (!resource) throw notFound(ref, key.name);
    const waiting = allow(ref, verb, key, subresource);
    if (waiting) await waiting;
    const id = `${resource.group}/${resource.resource}`;
    const handler = context.calls.get(subresource ? `${id}/${subresource}` : id);
    if (!handler) throw methodNotSupported(ref, verb);
    return handler({
      verb,
      resource,
      registry: registryFor(context, resource),
      key,
      context: write(options, subresource),
      query,
      contentType,
      fieldValidation: options?.fieldValidation ?? 'Ignore',
      body: async () => ({ value: body, duplicates: [] }),
    });
  }

  const unwrap = <R>({ object }: CallResult): R => (object instanceof Stored ? object.object : object) as R;

  /** What is served without being stored: usage. */
  const isCalled = (ref: ResourceRef) =>
    !context.registries.has(`${ref.group}/${ref.resource}`) && context.calls.has(`${ref.group}/${ref.resource}`);

  return {
    async get(ref, key, options) {
      if (isCalled(ref)) return unwrap(await call(ref, key, 'get', '', undefined));
      const { registry } = resolve(ref);
      const waiting = allow(ref, 'get', key);
      if (waiting) await waiting;
      const rv = Number(options?.resourceVersion ?? 0);
      if (rv) await context.dispatcher.waitFor(rv);
      return (await readObject(registry, key, options?.resourceVersion === '0')).object as never;
    },

    async list<T extends KubeObject>(ref: ResourceRef<T>, options: ListOptions = {}): Promise<KubeList<T>> {
      if (isCalled(ref)) {
        const { namespace, labelSelector, fieldSelector } = options;
        const query = new URLSearchParams({ labelSelector: labelSelector ?? '', fieldSelector: fieldSelector ?? '' });
        const key = { ...(namespace ? { namespace } : {}), name: '' };
        return unwrap(await call(ref, key, 'list', '', undefined, undefined, undefined, query));
      }
      const { resource, registry } = resolve(ref);
      const waiting = allow(ref, 'list', options.namespace ? { namespace: options.namespace } : {}, '', options);
      if (waiting) await waiting;
      const result = await listObjects(registry, context.dispatcher, {
        namespace: options.namespace ?? '',
        selection: parseSelection(resource, options.labelSelector, options.fieldSelector),
        limit: options.limit ?? 0,
        continue: options.continue ?? '',
        resourceVersion: options.resourceVersion ?? '',
        resourceVersionMatch: options.resourceVersionMatch ?? '',
      });
      return {
        kind: resource.custom?.listKind ?? `${resource.kind}List`,
        apiVersion: apiVersionOf(resource),
        metadata: {
          resourceVersion: String(result.revision),
          ...(result.continue ? { continue: result.continue } : {}),
          ...(result.remaining === undefined ? {} : { remainingItemCount: result.remaining }),
        },
        items: result.items.map(i => registry.show(i).object as unknown as T),
      };
    },

    async create(ref, object, options) {
      if (context.calls.has(`${ref.group}/${ref.resource}`))
        return unwrap(await call(ref, { ...namespaceOf(ref, object), name: '' }, 'create', '', object, options));
      const { resource, registry } = resolve(ref);
      const namespace = resource.namespaced ? ((object as Draft<KubeObject>).metadata?.namespace ?? '') : '';
      const waiting = allow(ref, 'create', namespace ? { namespace } : {});
      if (waiting) await waiting;
      return (await createObject(registry, namespace, draft(resource, registry, object, options), write(options)))
        .object as never;
    },

    update: (ref, object, options) => update(ref, object, '', options),
    updateStatus: (ref, object, options) => update(ref, object, 'status', options),

    async patch<T extends KubeObject>(
      ref: ResourceRef<T>,
      key: ObjectKey,
      patch: Patch,
      options?: PatchOptions,
    ): Promise<T> {
      const { resource, registry } = resolve(ref);
      const subresource = options?.subresource ?? '';
      if (context.calls.has(`${ref.group}/${ref.resource}/${subresource}`)) {
        const query = patch.type === 'apply' && patch.force ? forced : noQuery;
        return unwrap(await call(ref, key, 'patch', subresource, patch.body, options, patchTypes[patch.type], query));
      }
      const waiting = allow(ref, 'patch', key, subresource);
      if (waiting) await waiting;
      const draftOptions = { fieldValidation: options?.fieldValidation ?? 'Ignore', warn: ignore } as const;
      const apply = patch.type === 'apply';
      const writing = { ...write(options, subresource), ...(apply ? { applied: true } : {}) };
      const transform = apply
        ? applyOf(resource, registry.strategy, patch.body, {
            context: writing,
            name: key.name,
            force: patch.force === true,
            draft: draftOptions,
            now: () => registry.options.clock.now(),
          })
        : patchOf(resource, registry.strategy, patch.type, patch.body, draftOptions);
      const createIfAbsent = apply && subresource === '';
      const { stored } = await updateObject(registry, key, transform, writing, { createIfAbsent, patch: true });
      return stored.object as unknown as T;
    },

    async delete<T extends KubeObject>(
      ref: ResourceRef<T>,
      key: ObjectKey,
      options: DeleteOptions = {},
    ): Promise<T | Status> {
      const { resource, registry } = resolve(ref);
      const waiting = allow(ref, 'delete', key);
      if (waiting) await waiting;
      const { stored, deleted } = await deleteObject(registry, key, options, {
        ...write(options),
        options: { ...options },
      });
      return (deleted ? deletedStatus(resource, stored) : stored.object) as T | Status;
    },

    async deleteCollection(ref, list, options = {}) {
      const { resource, registry } = resolve(ref);
      const waiting = allow(ref, 'deletecollection', list.namespace ? { namespace: list.namespace } : {}, '', list);
      if (waiting) await waiting;
      const { items } = await listObjects(registry, context.dispatcher, {
        namespace: list.namespace ?? '',
        selection: parseSelection(resource, list.labelSelector, list.fieldSelector),
        limit: 0,
        continue: '',
        resourceVersion: '',
        resourceVersionMatch: '',
      });
      await deleteCollection(registry, items, options, { ...write(options), options: { ...options } });
    },

    watch<T extends KubeObject>(ref: ResourceRef<T>, options: WatchOptions, handler: WatchHandler<T>): WatchHandle {
      return localWatch(context, ref, options, handler, () => {
        const found = resolve(ref);
        const at = options.namespace ? { namespace: options.namespace } : {};
        const waiting = allow(ref, 'watch', at, '', options);
        return waiting ? waiting.then(() => found) : found;
      });
    },

    async createSubresource(ref, key, subresource, body, options) {
      return unwrap(await call(ref, key, 'create', subresource, body, options));
    },
    async getSubresource(ref, key, subresource) {
      if (!context.calls.has(`${ref.group}/${ref.resource}/${subresource}`)) {
        const { resource, registry } = resolve(ref);
        const waiting = allow(ref, 'get', key, subresource);
        if (waiting) await waiting;
        if (!resource.subresources.get(subresource)?.verbs.includes('get')) throw methodNotSupported(resource, 'get');
        return (await readObject(registry, key)).object as never;
      }
      return unwrap(await call(ref, key, 'get', subresource, undefined));
    },
    async updateSubresource(ref, key, subresource, body) {
      const id = `${ref.group}/${ref.resource}/${subresource}`;
      if (!context.calls.has(id))
        return (await update(ref as ResourceRef<KubeObject>, body as Draft<KubeObject>, subresource)) as never;
      return unwrap(await call(ref, key, 'update', subresource, body));
    },
    raw: path => raw(path, user),
    as: ({ userAgent, serviceAccount }) =>
      localClient(
        context,
        { userAgent, user: serviceAccount ? serviceAccountUser('kube-system', serviceAccount) : user },
        raw,
      ),
  };
}

function namespaceOf(ref: ResourceRef, object: unknown): { namespace?: string } {
  const namespace = (object as Draft<KubeObject>).metadata?.namespace;
  return ref.namespaced && namespace ? { namespace } : {};
}

function keyFrom(resource: Resource, object: Draft<KubeObject>): ObjectKey {
  const { name = '', namespace } = object.metadata ?? {};
  return resource.namespaced && namespace ? { name, namespace } : { name };
}

interface Entered {
  readonly resource: Resource;
  readonly registry: Registry;
}

function localWatch<T extends KubeObject>(
  context: ApiContext,
  ref: ResourceRef<T>,
  options: WatchOptions,
  handler: WatchHandler<T>,
  enter: () => Entered | Promise<Entered>,
): WatchHandle {
  let stopped = false;
  let stop: (() => void) | undefined;
  const timer = options.timeoutSeconds
    ? context.clock.after(options.timeoutSeconds * 1000, () => {
        // So that the next watch need not look at what this one has seen or passed over.
        bookmark?.(context.dispatcher.revision, false);
        close(undefined);
      })
    : undefined;
  let bookmark: WatchSink['onBookmark'] | undefined;
  let ending: Set<() => void> | undefined;
  const close = (error: Error | undefined) => {
    if (stopped) return;
    end();
    handler.onClose(error);
  };
  const end = () => {
    stopped = true;
    timer?.cancel();
    stop?.();
    context.onShutdown.delete(onShutdown);
    ending?.delete(onShutdown);
  };
  const onShutdown = () => close(undefined);
  context.onShutdown.add(onShutdown);
  const give = (type: 'ADDED' | 'MODIFIED' | 'DELETED', stored: Stored) => {
    if (!stopped) handler.onEvent(type, stored.object as unknown as T);
  };
  // Not within the caller's call: a handler may use the handle it is about to get.
  queueMicrotask(() => {
    if (stopped) return;
    try {
      const entered = enter();
      if (entered instanceof Promise) entered.then(begin).catch(close);
      else begin(entered);
    } catch (error) {
      close(error as Error);
    }
  });
  function begin({ resource, registry }: Entered): void {
    if (stopped) return;
    ending = resource.custom?.watches;
    ending?.add(onShutdown);
    const rv = options.resourceVersion ?? '';
    if (rv && Number(rv) > context.dispatcher.revision)
      throw tooLargeResourceVersion(Number(rv), context.dispatcher.revision);
    const sink = orderedSink(
      registry,
      {
        onEvent: (type, stored) => give(type, registry.show(stored)),
        onInitial: stored => give('ADDED', registry.show(stored)),
        onBookmark: (revision, initial) => {
          if (stopped) return;
          const metadata = {
            resourceVersion: String(revision),
            ...(initial ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
          };
          handler.onEvent('BOOKMARK', { kind: ref.kind, apiVersion: apiVersionOf(ref), metadata } as unknown as T);
        },
      },
      close,
    );
    stop = startWatch(
      registry.cache,
      context.dispatcher,
      {
        namespace: options.namespace ?? '',
        selection: parseSelection(resource, options.labelSelector, options.fieldSelector),
        resourceVersion: rv,
        sendInitialEvents: options.sendInitialEvents,
      },
      sink,
    );
    if (stopped) stop();
    bookmark = sink.onBookmark;
  }
  return { stop: end };
}
