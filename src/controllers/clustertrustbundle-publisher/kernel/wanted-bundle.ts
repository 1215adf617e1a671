import type { Draft } from '../../../api/meta.ts';
import type { ClusterTrustBundle } from '../../../api/type/certificates-v1beta1.ts';

export const servingSigner = 'kubernetes.io/kube-apiserver-serving';

/** Named by what it says, so that another one never takes its place under a reader. `hash`: of the certificates. */
export function wantedBundle(clusterCa: string, hash: string): Draft<ClusterTrustBundle> {
  return {
    metadata: { name: `${servingSigner.replaceAll('/', ':')}:${hash}` },
    spec: { signerName: servingSigner, trustBundle: clusterCa },
  };
}
