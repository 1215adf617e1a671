// Subresources in process: those with code of their own, and those that are parts of a stored object.
import type { Draft, KubeObject } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { methodNotSupported } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';
import { readObject } from '../registry/reading.ts';
import type { LocalAccess } from './access.ts';
import { localUpdate } from './writes.ts';

type Subresources = Pick<Client, 'createSubresource' | 'getSubresource' | 'updateSubresource'>;

export function localSubresources(access: LocalAccess): Subresources {
  const { context, resolve, allow, call, unwrap } = access;
  const update = localUpdate(access);
  return {
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
  };
}
