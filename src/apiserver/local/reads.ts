// What is read in process: one object, or a list of them.
import type { KubeList, KubeObject } from '../../api/meta.ts';
import { apiVersionOf, type ResourceRef } from '../../api/ref.ts';
import type { Client, ListOptions } from '../../client/client.ts';
import { listObjects, readObject } from '../registry/reading.ts';
import { parseSelection } from '../registry/selection.ts';
import type { LocalAccess } from './access.ts';

export function localReads(access: LocalAccess): Pick<Client, 'get' | 'list'> {
  const { context, resolve, allow, call, unwrap, isCalled } = access;
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
  };
}
