// root-ca-certificate-publisher-controller: every active namespace has a ConfigMap with the cluster's authority.
import { coreV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound, StatusError } from '../../api/status.ts';
import type { ConfigMap, Namespace } from '../../api/type/core-v1.ts';
import { exponentialBuckets } from '../../base/metrics.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { isNamespaceTerminating } from '../pod-control.ts';
import { rootCaName, wantedConfigMap } from './kernel/wanted-config-map.ts';

/** `clusterCa`: certificates in PEM form that verify the API server. */
export function rootCaController(clusterCa: string): Controller {
  return {
    name: 'root-ca-certificate-publisher-controller',
    queue: 'root_ca_cert_publisher',
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
    create: context => ({ reconcile: key => measured(key, clusterCa, context) }),
  };
}

async function measured(namespace: string, clusterCa: string, context: ControllerContext): Promise<void> {
  const { metrics, clock } = context;
  const startMs = clock.monotonic();
  let code = '200';
  try {
    await reconcile(namespace, clusterCa, context);
  } catch (error) {
    code = error instanceof StatusError ? String(error.code) : '500';
    throw error;
  } finally {
    const help = 'Number of namespace syncs happened in root ca cert publisher.';
    metrics.counter('root_ca_cert_publisher_sync_total', help, ['code']).inc({ code });
    metrics
      .histogram('root_ca_cert_publisher_sync_duration_seconds', help, ['code'], exponentialBuckets(0.001, 2, 15))
      .observe({ code }, (clock.monotonic() - startMs) / 1000);
  }
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
