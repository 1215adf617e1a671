// The certificates of ClusterTrustBundles, as pods get them.
import { selectorFromLabelSelector } from '../../api/label-selector.ts';
import type { ClusterTrustBundle } from '../../api/type/certificates-v1beta1.ts';
import type { ClusterTrustBundleProjection } from '../../api/type/core-v1.ts';
import { pemBlocks, pemText } from '../../base/pem.ts';

/** The bundles a pod asks for. Throws Kubernetes' message when there must be one and is none. */
export function chosenBundles(
  source: ClusterTrustBundleProjection,
  all: readonly ClusterTrustBundle[],
): readonly ClusterTrustBundle[] {
  const { name, signerName, labelSelector, optional = false } = source;
  if (name !== undefined) {
    const found = all.filter(b => b.metadata.name === name);
    if (!found.length && !optional) throw new Error(`clustertrustbundle.certificates.k8s.io "${name}" not found`);
    return found;
  }
  if (signerName === undefined)
    throw new Error('ClusterTrustBundle projection requires either name or signerName to be set');
  // Without a selector nothing is meant, with an empty one all.
  const selector = selectorFromLabelSelector(labelSelector);
  const found = all.filter(b => b.spec.signerName === signerName && selector.matches(b.metadata.labels ?? {}));
  if (!found.length && !optional)
    throw new Error('combination of signerName and labelSelector matched zero ClusterTrustBundles');
  return found;
}

/**
 * Each certificate once, nothing else, in an order that says nothing: by how they end, which is their signature. The
 * same certificates always give the same text, so that files change only when these do.
 */
export function trustAnchors(bundles: readonly string[]): string {
  const anchors = new Map<string, Uint8Array>();
  for (const { type, der } of bundles.flatMap(pemBlocks))
    if (type === 'CERTIFICATE') anchors.set(der.toReversed().toHex(), der);
  return [...anchors.keys()]
    .sort()
    .map(k => pemText('CERTIFICATE', anchors.get(k)!))
    .join('');
}
