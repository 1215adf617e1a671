// Objects every cluster has from its first start.
import type { Draft, KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { coreV1, networkingV1, schedulingV1 } from '../api/refs.ts';
import { isAlreadyExists } from '../api/status.ts';
import type { Client } from '../client/client.ts';

export const systemNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** Creates the namespaces that are missing. */
export async function ensureNamespaces(client: Client): Promise<void> {
  await Promise.all(systemNamespaces.map(name => ensureObject(client, coreV1.namespaces, { metadata: { name } })));
}

async function ensureObject<T extends KubeObject>(client: Client, resource: ResourceRef<T>, object: Draft<T>) {
  try {
    await client.create(resource, object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

/** Creates what is missing; leaves alone what exists. */
export async function bootstrapObjects(client: Client, serviceCidrs: readonly string[]): Promise<void> {
  const ensure = <T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>) =>
    ensureObject(client, resource, object);
  await ensureNamespaces(client);
  await Promise.all([
    ensure(schedulingV1.priorityclasses, {
      metadata: { name: 'system-node-critical' },
      value: 2_000_001_000,
      globalDefault: false,
      description: 'Used for system critical pods that must not be moved from their current node.',
    }),
    ensure(schedulingV1.priorityclasses, {
      metadata: { name: 'system-cluster-critical' },
      value: 2_000_000_000,
      globalDefault: false,
      description:
        'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
    }),
    ensure(networkingV1.servicecidrs, { metadata: { name: 'kubernetes' }, spec: { cidrs: [...serviceCidrs] } }),
  ]);
}
