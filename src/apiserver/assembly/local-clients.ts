// Clients in this process: the server's own, and those of controllers and scheduler.
import type { Client } from '../../client/client.ts';
import type { Aggregation } from '../aggregation/aggregation.ts';
import { readRemote } from '../aggregation/read-remote.ts';
import { type RemoteClients, withRemotes } from '../aggregation/remote-client.ts';
import { auditedClient } from '../audit/audited-client.ts';
import type { Auditor } from '../audit/auditor.ts';
import { allAuthenticated, serviceAccountUser, systemPrivilegedGroup, type UserInfo } from '../authn/user.ts';
import type { ApiContext } from '../context.ts';
import { type LocalIdentity, serverUser } from '../local/access.ts';
import { localClient } from '../local-client.ts';
import type { Surface } from '../surface.ts';

export interface LocalClients {
  /** Acts as the API server itself. */
  readonly own: Client;
  client(identity: ClientIdentity): Client;
}

/** A service account of kube-system, a user without groups of its own, or the superuser. */
export interface ClientIdentity {
  readonly userAgent: string;
  readonly serviceAccount?: string;
  readonly user?: string;
}

/** Who answers what no resource of this server answers. */
export interface Elsewhere {
  readonly aggregation: Aggregation;
  readonly remoteClients: RemoteClients;
  readonly surface: Surface;
}

export const superuser: UserInfo = { name: serverUser, groups: [systemPrivilegedGroup, allAuthenticated] };

/** `elsewhere` is asked for when it is needed: it is made with the server's own client. */
export function createLocalClients(
  context: ApiContext,
  auditor: Auditor | undefined,
  elsewhere: () => Elsewhere,
): LocalClients {
  const raw = async (path: string, user: UserInfo): Promise<unknown> => {
    const { aggregation, surface } = elsewhere();
    return (await readRemote(context, aggregation, path, user)) ?? surface.local(path);
  };
  const audited = (local: Client, identity: LocalIdentity) =>
    auditor ? auditedClient(local, auditor, identity) : local;
  const own = { user: superuser, userAgent: 'kube-apiserver' };
  return {
    own: audited(localClient(context, own, raw), own),
    client(identity) {
      const local = { userAgent: identity.userAgent, user: localUser(identity) };
      return audited(withRemotes(localClient(context, local, raw), elsewhere().remoteClients, local), local);
    },
  };
}

function localUser({ serviceAccount, user }: ClientIdentity): UserInfo {
  if (serviceAccount) return serviceAccountUser('kube-system', serviceAccount);
  return user ? { name: user, groups: [allAuthenticated] } : superuser;
}
