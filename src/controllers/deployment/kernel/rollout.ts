// How large each ReplicaSet should be next. Nothing here acts: the answers are the sizes that change.
import type { Deployment, ReplicaSet } from '../../../api/type/apps-v1.ts';
import { isRollingUpdate, maxSurge, maxUnavailable, wantedReplicas } from './amount.ts';
import {
  activeOrLatest,
  availableOf,
  byAge,
  bySizeNewer,
  bySizeOlder,
  isScaledUp,
  type Split,
  sizeOf,
  sum,
} from './replica-sets.ts';
import { annotatedMax, desiredReplicas } from './revision.ts';

export interface Resize {
  readonly set: ReplicaSet;
  readonly to: number;
}

/** How large the current ReplicaSet may be: as wanted, but with no more pods in all than the surge allows. */
export function currentSize(d: Deployment, size: number, total: number): number {
  const wanted = wantedReplicas(d);
  if (!isRollingUpdate(d)) return wanted;
  const limit = wanted + maxSurge(d);
  if (total >= limit) return size;
  return size + Math.min(limit - total, wanted - size);
}

/** One step of the current ReplicaSet; nothing when it is as large as it can be now. */
export function resizeCurrent(d: Deployment, current: ReplicaSet, old: readonly ReplicaSet[]): Resize[] {
  const size = sizeOf(current);
  const wanted = wantedReplicas(d);
  const to = size > wanted ? wanted : currentSize(d, size, size + sum(old, sizeOf));
  return to === size ? [] : [{ set: current, to }];
}

/** One step of the old ReplicaSets: first what is not available anyway, then as much as availability allows. */
export function resizeOld(d: Deployment, current: ReplicaSet | undefined, old: readonly ReplicaSet[]): Resize[] {
  const active = old.filter(isScaledUp).sort(byAge);
  if (active.length === 0) return [];
  const minAvailable = wantedReplicas(d) - maxUnavailable(d);
  const all = current ? [...active, current] : active;
  // A status older than the size counts pods that are being taken away already; a newer one will come.
  if (all.some(rs => availableOf(rs) > sizeOf(rs))) return [];
  const currentUnavailable = current ? sizeOf(current) - availableOf(current) : 0;
  const excess = sum(all, sizeOf) - minAvailable - currentUnavailable;
  if (excess <= 0) return [];
  const sizes = new Map(active.map(rs => [rs, sizeOf(rs)]));
  take(sizes, excess, (rs, size) => size - availableOf(rs));
  take(sizes, sum(all, availableOf) - minAvailable, (_, size) => size);
  return [...sizes].filter(([rs, size]) => size !== sizeOf(rs)).map(([set, to]) => ({ set, to }));
}

/** Takes up to `count` pods away, at most `from` of each ReplicaSet. */
function take(sizes: Map<ReplicaSet, number>, count: number, from: (rs: ReplicaSet, size: number) => number): void {
  let left = count;
  for (const [rs, size] of sizes) {
    if (left <= 0) return;
    const taken = Math.max(0, Math.min(left, from(rs, size)));
    sizes.set(rs, size - taken);
    left -= taken;
  }
}

export const scaleToZero = (sets: readonly ReplicaSet[]): Resize[] =>
  sets.filter(isScaledUp).map(set => ({ set, to: 0 }));

/**
 * What a change of `replicas`, or a pause, asks for: the only ReplicaSet with pods takes it all; in the middle of a
 * rolling update it is shared out in proportion. A `Resize` to the present size asks for new annotations only.
 */
export function scaleSets(d: Deployment, split: Split): Resize[] {
  const only = activeOrLatest(split);
  if (only) return [{ set: only, to: wantedReplicas(d) }];
  if (split.current && isSaturated(d, split.current)) return scaleToZero(split.old);
  return isRollingUpdate(d) ? proportional(d, split) : [];
}

function isSaturated(d: Deployment, current: ReplicaSet): boolean {
  const wanted = wantedReplicas(d);
  return desiredReplicas(current) === wanted && sizeOf(current) === wanted && availableOf(current) === wanted;
}

function proportional(d: Deployment, { current, old }: Split): Resize[] {
  const active = (current ? [...old, current] : [...old]).filter(isScaledUp);
  const wanted = wantedReplicas(d);
  const toAdd = (wanted > 0 ? wanted + maxSurge(d) : 0) - sum(active, sizeOf);
  active.sort(toAdd > 0 ? bySizeNewer : bySizeOlder);
  let added = 0;
  const resizes = active.map(set => {
    const share = toAdd === 0 || toAdd === added ? 0 : clamp(fraction(d, set), toAdd - added);
    added += share;
    return { set, to: sizeOf(set) + share };
  });
  // What rounding left over, the largest takes.
  const [largest] = resizes;
  if (largest && toAdd !== 0) largest.to = Math.max(0, largest.to + toAdd - added);
  return resizes;
}

const clamp = (share: number, allowed: number): number =>
  allowed > 0 ? Math.min(share, allowed) : Math.max(share, allowed);

/** The change that keeps the ReplicaSet's part of the whole. */
function fraction(d: Deployment, rs: ReplicaSet): number {
  const wanted = wantedReplicas(d);
  if (wanted === 0) return -sizeOf(rs);
  const before = annotatedMax(rs) || d.status?.replicas || 0;
  if (before === 0) return 0;
  return Math.round((sizeOf(rs) * (wanted + maxSurge(d))) / before) - sizeOf(rs);
}
