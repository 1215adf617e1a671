// What the DNS controller may do, and what the nodes' DNS needs besides what kube-proxy may read.
import type { Draft, KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { coreV1, rbacV1 } from '../api/refs.ts';
import { isAlreadyExists } from '../api/status.ts';
import type { ClusterRole, Role } from '../api/type/rbac-v1.ts';
import type { Client } from '../client/client.ts';
import { dnsServiceAccount } from './dns-controller.ts';
import { dnsNamespace, dnsServiceName } from './kernel/slice-plan.ts';

const controllerRole = 'k8ts:cluster-dns-controller';
const nodeRole = 'k8ts:node-dns';
const discovery = 'discovery.k8s.io';
const rbac = 'rbac.authorization.k8s.io';
const subject = [{ kind: 'ServiceAccount', name: dnsServiceAccount, namespace: dnsNamespace }];

const clusterRules: Draft<ClusterRole>['rules'] = [{ apiGroups: [''], resources: ['nodes'], verbs: ['list', 'watch'] }];
const rules: Draft<Role>['rules'] = [
  { apiGroups: [''], resources: ['services'], verbs: ['list', 'watch', 'create'] },
  { apiGroups: [''], resources: ['services'], resourceNames: [dnsServiceName], verbs: ['update', 'delete'] },
  {
    apiGroups: [discovery],
    resources: ['endpointslices'],
    verbs: ['list', 'watch', 'create', 'update', 'delete'],
  },
];
const nodeRules: Draft<ClusterRole>['rules'] = [
  { apiGroups: [''], resources: ['namespaces'], verbs: ['list', 'watch'] },
];

/** Creates what is missing, as somebody who may grant it; leaves alone what exists. */
export async function ensureDnsAccess(client: Client): Promise<void> {
  const ensure = <T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>): Promise<unknown> =>
    client.create(resource, object).catch(error => {
      if (!isAlreadyExists(error)) throw error;
    });
  const inNamespace = { name: controllerRole, namespace: dnsNamespace };
  await Promise.all([
    // The nodes ask first.
    ensure(rbacV1.clusterroles, { metadata: { name: nodeRole }, rules: nodeRules }),
    ensure(rbacV1.clusterrolebindings, {
      metadata: { name: nodeRole },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: nodeRole },
      subjects: [{ apiGroup: rbac, kind: 'User', name: 'system:kube-proxy' }],
    }),
    ensure(coreV1.serviceaccounts, { metadata: { name: dnsServiceAccount, namespace: dnsNamespace } }),
    ensure(rbacV1.clusterroles, { metadata: { name: controllerRole }, rules: clusterRules }),
    ensure(rbacV1.roles, { metadata: inNamespace, rules }),
    ensure(rbacV1.clusterrolebindings, {
      metadata: { name: controllerRole },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: controllerRole },
      subjects: subject,
    }),
    ensure(rbacV1.rolebindings, {
      metadata: inNamespace,
      roleRef: { apiGroup: rbac, kind: 'Role', name: controllerRole },
      subjects: subject,
    }),
  ]);
}
