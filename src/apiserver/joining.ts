// What lets nodes join with a bootstrap token, as kubeadm sets it up: cluster-info and the rights of joiners.
import type { Draft, KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { coreV1, rbacV1 } from '../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../api/status.ts';
import type { Client } from '../client/client.ts';

export interface JoiningOptions {
  /** Where nodes reach this server. */
  readonly url: string;
  /** PEM of the CA that signed its certificate. */
  readonly ca: string;
}

const rbac = 'rbac.authorization.k8s.io';
const joiners = { apiGroup: rbac, kind: 'Group', name: 'system:bootstrappers:kubeadm:default-node-token' };
const nodes = { apiGroup: rbac, kind: 'Group', name: 'system:nodes' };
const requests = 'system:certificates.k8s.io:certificatesigningrequests';
const clusterInfo = { namespace: 'kube-public', name: 'cluster-info' };
const signerRole = { namespace: 'kube-public', name: 'kubeadm:bootstrap-signer-clusterinfo' };

/** Creates what is missing; a cluster-info that names another server or authority is corrected. */
export async function ensureJoining(client: Client, options: JoiningOptions): Promise<void> {
  const ensure = async <T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>) => {
    try {
      await client.create(resource, object);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  };
  const bind = (name: string, role: string, subject: typeof joiners) =>
    ensure(rbacV1.clusterrolebindings, {
      metadata: { name },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: role },
      subjects: [subject],
    });
  await Promise.all([
    publish(client, options),
    ensure(rbacV1.roles, {
      metadata: signerRole,
      rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: ['cluster-info'], verbs: ['get'] }],
    }),
    ensure(rbacV1.rolebindings, {
      metadata: signerRole,
      roleRef: { apiGroup: rbac, kind: 'Role', name: signerRole.name },
      subjects: [{ apiGroup: rbac, kind: 'User', name: 'system:anonymous' }],
    }),
    ensure(rbacV1.clusterroles, {
      metadata: { name: 'kubeadm:get-nodes' },
      rules: [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }],
    }),
    bind('kubeadm:get-nodes', 'kubeadm:get-nodes', joiners),
    bind('kubeadm:kubelet-bootstrap', 'system:node-bootstrapper', joiners),
    bind('kubeadm:node-autoapprove-bootstrap', `${requests}:nodeclient`, joiners),
    bind('kubeadm:node-autoapprove-certificate-rotation', `${requests}:selfnodeclient`, nodes),
  ]);
}

function kubeconfigOf({ url, ca }: JoiningOptions): string {
  return [
    'apiVersion: v1',
    'clusters:',
    '- cluster:',
    `    certificate-authority-data: ${Buffer.from(ca).toString('base64')}`,
    `    server: ${url}`,
    '  name: ""',
    'contexts: null',
    'current-context: ""',
    'kind: Config',
    'preferences: {}',
    'users: null',
    '',
  ].join('\n');
}

async function publish(client: Client, options: JoiningOptions): Promise<void> {
  const kubeconfig = kubeconfigOf(options);
  try {
    const { data } = await client.get(coreV1.configmaps, clusterInfo);
    if (data?.kubeconfig === kubeconfig) return;
    await client.patch(coreV1.configmaps, clusterInfo, { type: 'merge', body: { data: { kubeconfig } } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await client.create(coreV1.configmaps, { metadata: clusterInfo, data: { kubeconfig } });
  }
}
