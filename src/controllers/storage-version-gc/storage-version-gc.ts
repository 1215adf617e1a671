// storageversion-garbage-collector-controller: takes API servers that are no more out of StorageVersions, and deletes
// those that no server is left in.
import { formatTime } from '../../api/meta.ts';
import { coordinationV1, internalV1alpha1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { StorageVersion } from '../../api/type/apiserverinternal-v1alpha1.ts';
import type { Lease } from '../../api/type/coordination-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { writeStatus } from '../write-status.ts';
import { statusOf } from './kernel/common-version.ts';

const { storageversions } = internalV1alpha1;
const namespace = 'kube-system';
const byServer = 'api-server';

const isOfServer = ({ metadata }: Lease): boolean =>
  metadata.namespace === namespace && metadata.labels?.['apiserver.kubernetes.io/identity'] === 'kube-apiserver';

export function storageVersionGcController(): Controller {
  return {
    name: 'storageversion-garbage-collector-controller',
    serviceAccount: 'storage-version-garbage-collector',
    watches: [
      {
        resource: storageversions,
        keys: (v: StorageVersion, _old, _context, deleted) => (deleted ? [] : [v.metadata.name]),
      },
      {
        resource: coordinationV1.leases,
        keys: (lease: Lease, _old, { lister }, deleted) =>
          deleted && isOfServer(lease)
            ? lister(storageversions)
                .byIndex(byServer, lease.metadata.name)
                .map(v => v.metadata.name)
            : [],
      },
    ],
    indexes: [
      {
        resource: storageversions,
        name: byServer,
        values: (v: StorageVersion) => (v.status?.storageVersions ?? []).map(s => s.apiServerID),
      },
    ],
    writes: ['storageversions', 'storageversions/status'],
    workers: 1,
    create: context => ({ reconcile: name => reconcile(name, context) }),
  };
}

async function reconcile(name: string, context: ControllerContext): Promise<void> {
  const { client, clock, lister } = context;
  const version = lister(storageversions).get(name);
  if (!version) return;
  const servers = version.status?.storageVersions ?? [];
  const gone = new Set<string>();
  for (const { apiServerID } of servers) if (!(await isThere(apiServerID, context))) gone.add(apiServerID);
  if (gone.size === 0) return;
  const left = servers.filter(s => !gone.has(s.apiServerID));
  if (left.length > 0) {
    const next = statusOf(version.status, left, version.metadata.generation, formatTime(clock.now()));
    await writeStatus(client, storageversions, version, next);
    return;
  }
  try {
    await client.delete(storageversions, { name }, { preconditions: { uid: version.metadata.uid! } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** The lease of a server that has just started may not be in sight: the API is asked. */
async function isThere(id: string, { client, lister }: ControllerContext): Promise<boolean> {
  const known = lister(coordinationV1.leases).get(`${namespace}/${id}`);
  if (known) return isOfServer(known);
  try {
    return isOfServer(await client.get(coordinationV1.leases, { namespace, name: id }));
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
