// The in-process transport: the same authorization, admission and validation as HTTP, without bytes. `local/` has the verbs.
import type { KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import type { Client, WatchHandle, WatchHandler, WatchOptions } from '../client/client.ts';
import { serviceAccountUser, type UserInfo } from './authn/user.ts';
import type { ApiContext } from './context.ts';
import { type LocalIdentity, localAccess } from './local/access.ts';
import { localReads } from './local/reads.ts';
import { localSubresources } from './local/subresources.ts';
import { localWatch } from './local/watch.ts';
import { localWrites } from './local/writes.ts';

/** `raw` answers paths that are no resource. */
export function localClient(
  context: ApiContext,
  identity: LocalIdentity,
  raw: (path: string, user: UserInfo) => Promise<unknown>,
): Client {
  const { user } = identity;
  const access = localAccess(context, identity);
  const { resolve, allow } = access;
  return {
    ...localReads(access),
    ...localWrites(access),
    ...localSubresources(access),
    watch<T extends KubeObject>(ref: ResourceRef<T>, options: WatchOptions, handler: WatchHandler<T>): WatchHandle {
      return localWatch(context, ref, options, handler, () => {
        const found = resolve(ref);
        const at = options.namespace ? { namespace: options.namespace } : {};
        const waiting = allow(ref, 'watch', at, '', options);
        return waiting ? waiting.then(() => found) : found;
      });
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
