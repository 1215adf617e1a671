// The class `standard`, and what nodes may do to serve it.
import type { Draft, KubeObject } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { rbacV1, storageV1 } from '../../api/refs.ts';
import { isAlreadyExists } from '../../api/status.ts';
import type { ClusterRole } from '../../api/type/rbac-v1.ts';
import type { Client } from '../../client/client.ts';
import { claimPlacementAccount } from './claim-placement.ts';
import { localProvisioner, localStorageClass } from './kernel/local-volume.ts';
import { localStorageAccount } from './local-storage.ts';

export const localStorageGroup = 'k8ts:local-storage';
export const localStorageUser = (node: string): string => `${localStorageGroup}:${node}`;

const rbac = 'rbac.authorization.k8s.io';
const rules: Draft<ClusterRole>['rules'] = [
  { apiGroups: [''], resources: ['persistentvolumes'], verbs: ['list', 'watch', 'create', 'delete'] },
  { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: ['list', 'watch'] },
  { apiGroups: ['storage.k8s.io'], resources: ['storageclasses'], verbs: ['list', 'watch'] },
  { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
];

const placementRole = 'k8ts:local-storage-placement';
const placementRules: Draft<ClusterRole>['rules'] = [
  { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: ['list', 'watch', 'patch'] },
  { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
];

/** Creates what is missing, as somebody who may grant it; leaves alone what exists. */
export async function ensureLocalStorage(client: Client): Promise<void> {
  const ensure = <T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>): Promise<unknown> =>
    client.create(resource, object).catch(error => {
      if (!isAlreadyExists(error)) throw error;
    });
  await ensure(rbacV1.clusterroles, { metadata: { name: localStorageGroup }, rules });
  await ensure(rbacV1.clusterrolebindings, {
    metadata: { name: localStorageGroup },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: localStorageGroup },
    subjects: [
      { apiGroup: rbac, kind: 'Group', name: localStorageGroup },
      // Of simulated nodes, inside the control plane.
      { kind: 'ServiceAccount', name: localStorageAccount, namespace: 'kube-system' },
    ],
  });
  await ensure(rbacV1.clusterroles, { metadata: { name: placementRole }, rules: placementRules });
  await ensure(rbacV1.clusterrolebindings, {
    metadata: { name: placementRole },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: placementRole },
    subjects: [{ kind: 'ServiceAccount', name: claimPlacementAccount, namespace: 'kube-system' }],
  });
  await ensure(storageV1.storageclasses, {
    metadata: {
      name: localStorageClass,
      annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' },
    },
    provisioner: localProvisioner,
    reclaimPolicy: 'Delete',
    volumeBindingMode: 'WaitForFirstConsumer',
  });
}
