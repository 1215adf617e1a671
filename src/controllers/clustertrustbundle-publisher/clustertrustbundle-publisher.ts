// kube-apiserver-serving-clustertrustbundle-publisher-controller: a ClusterTrustBundle with what verifies the API server.
import { createHash } from 'node:crypto';
import { cloneDeep } from '../../api/meta.ts';
import { certificatesV1beta1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound, StatusError } from '../../api/status.ts';
import type { ClusterTrustBundle } from '../../api/type/certificates-v1beta1.ts';
import { exponentialBuckets } from '../../base/metrics.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { servingSigner, wantedBundle } from './kernel/wanted-bundle.ts';

const bundles = certificatesV1beta1.clustertrustbundles;
const onlyKey = 'bundle';

/** `clusterCa`: certificates in PEM form that verify the API server. */
export function trustBundlePublisherController(clusterCa: string): Controller {
  return {
    name: 'kube-apiserver-serving-clustertrustbundle-publisher-controller',
    queue: 'ca_trust_bundle_publisher_kubernetes.io/kube-apiserver-serving',
    serviceAccount: 'kube-apiserver-serving-clustertrustbundle-publisher',
    watches: [
      {
        resource: bundles,
        keys: (b: ClusterTrustBundle) => (b.spec.signerName === servingSigner ? [onlyKey] : []),
      },
    ],
    writes: ['clustertrustbundles'],
    workers: 1,
    create(context) {
      // There may be no bundle yet whose coming would start it.
      context.enqueue(onlyKey);
      return { reconcile: () => measured(clusterCa, context) };
    },
  };
}

async function measured(clusterCa: string, context: ControllerContext): Promise<void> {
  const { metrics, clock } = context;
  const startMs = clock.monotonic();
  let code = '200';
  try {
    await publish(clusterCa, context);
  } catch (error) {
    code = error instanceof StatusError ? String(error.code) : '500';
    throw error;
  } finally {
    const help = 'Number of syncs that occurred in cluster trust bundle publisher.';
    metrics.counter('clustertrustbundle_publisher_sync_total', help, ['code']).inc({ code });
    metrics
      .histogram('clustertrustbundle_publisher_sync_duration_seconds', help, ['code'], exponentialBuckets(0.001, 2, 15))
      .observe({ code }, (clock.monotonic() - startMs) / 1000);
  }
}

async function publish(clusterCa: string, { client, lister }: ControllerContext): Promise<void> {
  const wanted = wantedBundle(clusterCa, createHash('sha256').update(clusterCa).digest('hex').slice(0, 12));
  const own = lister(bundles)
    .list()
    .filter(b => b.spec.signerName === servingSigner);
  const existing = own.find(b => b.metadata.name === wanted.metadata!.name);
  if (!existing)
    await client.create(bundles, wanted).catch(error => {
      if (!isAlreadyExists(error)) throw error;
    });
  else if (existing.spec.trustBundle !== clusterCa) {
    const next = cloneDeep(existing);
    next.spec.trustBundle = clusterCa;
    await client.update(bundles, next);
  }
  for (const { metadata } of own) {
    if (metadata.name === wanted.metadata!.name || metadata.deletionTimestamp) continue;
    await client.delete(bundles, { name: metadata.name! }, { preconditions: { uid: metadata.uid! } }).catch(error => {
      if (!isNotFound(error)) throw error;
    });
  }
}
