// Which volume a claim would be bound to. Pure.
import { selectorFromLabelSelector } from '../../../api/label-selector.ts';
import { keyOf } from '../../../api/meta.ts';
import { nodeSelectorMatches } from '../../../api/node-affinity.ts';
import { parseQuantity } from '../../../api/quantity.ts';
import type { Node, PersistentVolume, PersistentVolumeClaim, TopologySelectorTerm } from '../../../api/type/core-v1.ts';
import { classOf, classOfVolume } from './volume-lister.ts';

export const volumeReaches = (volume: PersistentVolume, node: Node): boolean => {
  const required = volume.spec.nodeAffinity?.required;
  return !required || nodeSelectorMatches(required, node);
};

const bytes = (text: string | undefined) => parseQuantity(text ?? '0');
export const requestOf = (claim: PersistentVolumeClaim) => bytes(claim.spec.resources?.requests?.storage);

/** Can the claim have the volume, on this node? `owner` says whose it is by plans not yet written. */
function suits(
  claim: PersistentVolumeClaim,
  volume: PersistentVolume,
  node: Node,
  owner: (volume: string) => string | undefined,
): boolean {
  const { spec, metadata, status } = volume;
  if (metadata.deletionTimestamp) return false;
  const promised = owner(metadata.name!) ?? (spec.claimRef && keyOf({ metadata: spec.claimRef }));
  const mine = promised === keyOf(claim) && (!spec.claimRef?.uid || spec.claimRef.uid === claim.metadata.uid);
  if (promised !== undefined && !mine) return false;
  if (!mine && status?.phase !== 'Available') return false;
  return (
    classOfVolume(volume) === classOf(claim) &&
    (spec.volumeMode ?? 'Filesystem') === (claim.spec.volumeMode ?? 'Filesystem') &&
    (claim.spec.accessModes ?? []).every(m => spec.accessModes?.includes(m)) &&
    bytes(spec.capacity?.storage).compare(requestOf(claim)) >= 0 &&
    (!claim.spec.selector || selectorFromLabelSelector(claim.spec.selector).matches(metadata.labels)) &&
    volumeReaches(volume, node)
  );
}

/** The one promised to it, or the smallest that suits. */
export function matchVolume(
  claim: PersistentVolumeClaim,
  volumes: Iterable<PersistentVolume>,
  node: Node,
  owner: (volume: string) => string | undefined,
): PersistentVolume | undefined {
  let best: PersistentVolume | undefined;
  for (const v of volumes) {
    if (!suits(claim, v, node, owner)) continue;
    if (v.spec.claimRef) return v;
    if (!best || bytes(v.spec.capacity?.storage).compare(bytes(best.spec.capacity?.storage)) < 0) best = v;
  }
  return best;
}

/** No terms allow every node. */
export function topologyAllows(terms: readonly TopologySelectorTerm[] | undefined, node: Node): boolean {
  if (!terms?.length) return true;
  const labels = node.metadata.labels ?? {};
  return terms.some(t =>
    (t.matchLabelExpressions ?? []).every(e => labels[e.key] !== undefined && e.values.includes(labels[e.key]!)),
  );
}
