// Objects every cluster has from its first start.
import type { Draft, KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { coreV1, networkingV1, schedulingV1 } from '../api/refs.ts';
import { isAlreadyExists } from '../api/status.ts';
import type { Client } from '../client/client.ts';

export interface BootstrapOptions {
  readonly serviceCidrs: readonly string[];
  /** PEM of the CA whose client certificates are believed. */
  readonly clientCa: string;
}

export const systemNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

/** Creates what is missing; leaves alone what exists. */
export async function bootstrapObjects(client: Client, options: BootstrapOptions): Promise<void> {
  const ensure = async <T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>) => {
    try {
      await client.create(resource, object);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  };
  await Promise.all(systemNamespaces.map(name => ensure(coreV1.namespaces, { metadata: { name } })));
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
    ensure(networkingV1.servicecidrs, { metadata: { name: 'kubernetes' }, spec: { cidrs: [...options.serviceCidrs] } }),
    ensure(coreV1.configmaps, {
      metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system' },
      data: { 'client-ca-file': options.clientCa },
    }),
  ]);
}
