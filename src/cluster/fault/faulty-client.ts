// A client between a component and the API server that does what the faults in force say.
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import type { Client, WatchHandle, WatchHandler, WatchOptions } from '../../client/client.ts';
import type { Call, FaultVerb } from './fault-rule.ts';
import type { Life } from './life.ts';

/** Decides about calls and watches; see faults.ts. */
export interface Interceptor {
  call<T>(call: Call, life: Life, perform: () => Promise<T>): Promise<T>;
  /** Opens the watch and keeps hold of it, to break it off later. */
  watch<T>(
    call: Call,
    life: Life,
    handler: WatchHandler<T>,
    open: (handler: WatchHandler<T>) => WatchHandle,
  ): WatchHandle;
}

type Target = { readonly namespace?: string | undefined; readonly name?: string | undefined } | undefined;

/** `client`, as used by one life of a component. */
export function faultyClient(client: Client, component: string, life: Life, interceptor: Interceptor): Client {
  const call = (verb: FaultVerb, ref: ResourceRef<KubeObject>, target: Target, subresource = ''): Call => ({
    component,
    verb,
    group: ref.group,
    resource: subresource ? `${ref.resource}/${subresource}` : ref.resource,
    namespace: target?.namespace ?? '',
    name: target?.name ?? '',
  });
  const run = <T>(c: Call, perform: () => Promise<T>): Promise<T> => interceptor.call(c, life, perform);
  const inside = (object: object): Target => (object as { metadata?: Target }).metadata;
  const plain = (ref: unknown): ResourceRef<KubeObject> => ref as ResourceRef<KubeObject>;
  return {
    get: (ref, key, options) => run(call('get', plain(ref), key), () => client.get(ref, key, options)),
    list: (ref, options) => run(call('list', plain(ref), options), () => client.list(ref, options)),
    create: (ref, object, options) =>
      run(call('create', plain(ref), inside(object)), () => client.create(ref, object, options)),
    update: (ref, object, options) =>
      run(call('update', plain(ref), inside(object)), () => client.update(ref, object, options)),
    updateStatus: (ref, object, options) =>
      run(call('update', plain(ref), inside(object), 'status'), () => client.updateStatus(ref, object, options)),
    patch: (ref, key, patch, options) =>
      run(call('patch', plain(ref), key, options?.subresource), () => client.patch(ref, key, patch, options)),
    delete: (ref, key, options) => run(call('delete', plain(ref), key), () => client.delete(ref, key, options)),
    deleteCollection: (ref, list, options) =>
      run(call('deletecollection', ref, list), () => client.deleteCollection(ref, list, options)),
    watch: <T extends KubeObject>(ref: ResourceRef<T>, options: WatchOptions, handler: WatchHandler<T>) =>
      interceptor.watch(call('watch', plain(ref), options), life, handler, h => client.watch(ref, options, h)),
    createSubresource: (ref, key, subresource, body, options) =>
      run(call('create', plain(ref), key, subresource), () =>
        client.createSubresource(ref, key, subresource, body, options),
      ),
    getSubresource: (ref, key, subresource) =>
      run(call('get', plain(ref), key, subresource), () => client.getSubresource(ref, key, subresource)),
    updateSubresource: (ref, key, subresource, body) =>
      run(call('update', plain(ref), key, subresource), () => client.updateSubresource(ref, key, subresource, body)),
    raw: path => (life.dead ? never() : client.raw(path)),
    as: identity => faultyClient(client.as(identity), identity.userAgent, life, interceptor),
  };
}

/** What a dead component's calls come to. */
export const never = <T>(): Promise<T> => new Promise<T>(() => {});
