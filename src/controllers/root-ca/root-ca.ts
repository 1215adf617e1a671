// root-ca-certificate-publisher-controller: every active namespace has a ConfigMap with the cluster's authority.
import { coreV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../../api/status.ts';
import type { ConfigMap, Namespace } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { isNamespaceTerminating } from '../pod-control.ts';
import { rootCaName, wantedConfigMap } from './kernel/wanted-config-map.ts';

/** `clusterCa`: certificates in PEM form that verify the API server. */
export function rootCaController(clusterCa: string): Controller {
  return {
    name: 'root-ca-certificate-publisher-controller',
    serviceAccount: 'root-ca-cert-publisher',
    watches: [
      {
        resource: coreV1.namespaces,
        keys: (n: Namespace) => (n.status?.phase === 'Active' ? [n.metadata.name] : []),
      },
      {
        resource: coreV1.configmaps,
        keys: (c: ConfigMap) => (c.metadata.name === rootCaName ? [c.metadata.namespace!] : []),
      },
    ],
    writes: ['configmaps'],
    create: context => ({ reconcile: key => reconcile(key, clusterCa, context) }),
  };
}

async function reconcile(namespace: string, clusterCa: string, context: ControllerContext): Promise<void> {
  if (context.lister(coreV1.namespaces).get(namespace)?.status?.phase !== 'Active') return;
  const existing = context.lister(coreV1.configmaps).get(`${namespace}/${rootCaName}`);
  const wanted = wantedConfigMap(namespace, clusterCa, existing);
  if (!wanted) return;
  try {
    if (existing) await context.client.update(coreV1.configmaps, wanted);
    else await context.client.create(coreV1.configmaps, wanted);
  } catch (error) {
    if (existing ? !isNotFound(error) : !isAlreadyExists(error) && !isNamespaceTerminating(error)) throw error;
  }
}
