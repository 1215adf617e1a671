// What is written in process: create, update, patch, apply, delete.
import type { Draft, KubeObject, ObjectKey } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import type { Resource } from '../../api/resource.ts';
import type { Status } from '../../api/type/meta-v1.ts';
import type { Client, DeleteOptions, Patch, PatchOptions, WriteOptions } from '../../client/client.ts';
import { patchTypes } from '../../client/request.ts';
import { applyOf, patchOf } from '../patch.ts';
import { createObject } from '../registry/create.ts';
import { deleteObject } from '../registry/delete.ts';
import { deleteCollection } from '../registry/delete-collection.ts';
import { listObjects } from '../registry/reading.ts';
import { parseSelection } from '../registry/selection.ts';
import { type Transform, updateObject } from '../registry/update.ts';
import { deletedStatus } from '../verb/delete.ts';
import type { LocalAccess } from './access.ts';

const noQuery = new URLSearchParams();
const forced = new URLSearchParams({ force: 'true' });
const ignore = () => {};

type Writes = Pick<Client, 'create' | 'update' | 'updateStatus' | 'patch' | 'delete' | 'deleteCollection'>;

export function localWrites(access: LocalAccess): Writes {
  const { context, resolve, allow, write, draft, call, unwrap } = access;
  const update = localUpdate(access);
  return {
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
  };
}

/** Of an object or its subresource. */
export function localUpdate({ resolve, allow, write, draft }: LocalAccess) {
  return async function update<T extends KubeObject>(
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
