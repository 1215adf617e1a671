// scheduling.k8ts.dev/v1alpha1 poddecisions: what the scheduler has decided about a pod. Not of Kubernetes.
import type { KubeObject } from '../../api/meta.ts';
import { rbacV1 } from '../../api/refs.ts';
import type { Resource } from '../../api/resource.ts';
import { isAlreadyExists, methodNotSupported } from '../../api/status.ts';
import type { ClusterRole } from '../../api/type/rbac-v1.ts';
import type { Client } from '../../client/client.ts';
import { type ApiContext, registryOf } from '../context.ts';

const group = 'scheduling.k8ts.dev';
const version = 'v1alpha1';

const podDecisions: Resource = {
  group,
  version,
  resource: 'poddecisions',
  kind: 'PodDecisions',
  namespaced: true,
  singular: 'poddecisions',
  shortNames: [],
  categories: [],
  verbs: ['get'],
  subresources: new Map(),
  hasStatus: false,
  typeName: '',
  storagePrefix: '',
  storedAs: '',
  fieldSelectors: new Map(),
  onByDefault: true,
};

/** Serves what `of` tells about a pod's uid, under the pod's name. */
export function serveDecisions(
  context: ApiContext,
  resources: Map<string, Resource>,
  of: (uid: string) => object | undefined,
): void {
  resources.set(`${group}/${version}/${podDecisions.resource}`, podDecisions);
  context.customGroups.set(group, {
    name: group,
    preferredVersion: version,
    priority: 100,
    versions: [{ version, onByDefault: true, priority: 100 }],
  });
  context.surface.revision++;
  context.calls.set(`${group}/${podDecisions.resource}`, ({ verb, key, resource }) => {
    if (verb !== 'get') throw methodNotSupported(resource, verb);
    const { name, namespace, uid } = registryOf(context, '', 'pods').get(key).object.metadata;
    const metadata = { name, namespace, uid } as KubeObject['metadata'];
    return { code: 200, object: { kind: podDecisions.kind, apiVersion: `${group}/${version}`, metadata, ...of(uid) } };
  });
}

/** Whoever may view pods may know what was decided about them. */
export async function allowDecisions(client: Client): Promise<void> {
  const role = {
    metadata: {
      name: 'system:k8ts:poddecisions-reader',
      labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' },
    },
    rules: [{ apiGroups: [group], resources: [podDecisions.resource], verbs: ['get'] }],
  };
  try {
    await client.create<ClusterRole>(rbacV1.clusterroles, role);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
