// What a kubelet sends of a status that has changed.
import type { Pod, PodStatus } from '../../api/type/core-v1.ts';
import { ownedConditions } from './pod-condition.ts';

/** Fields that differ, as a strategic-merge patch of the status; undefined when nothing does. */
export function statusPatch(pod: Pod, before: PodStatus, after: PodStatus): object | undefined {
  const status: Record<string, unknown> = {};
  const old = before as Record<string, unknown>;
  const next = after as Record<string, unknown>;
  for (const key of new Set([...Object.keys(old), ...Object.keys(next)])) {
    if (key === 'conditions' || isSame(old[key], next[key])) continue;
    if (next[key] === undefined && keptByOthers.has(key)) continue;
    status[key] = next[key] === undefined ? null : next[key];
  }
  // A list merged by key would keep addresses that are gone.
  for (const key of ['podIPs', 'hostIPs']) {
    if (Array.isArray(status[key])) status[key] = [{ $patch: 'replace' }, ...(status[key] as object[])];
  }
  const changed = (after.conditions ?? []).filter(c => {
    const was = before.conditions?.find(o => o.type === c.type);
    return !was || !sameCondition(was, c);
  });
  const removed = (before.conditions ?? []).filter(
    c => owned.has(c.type) && !after.conditions?.some(o => o.type === c.type),
  );
  if (changed.length || removed.length) {
    status['$setElementOrder/conditions'] = (after.conditions ?? []).map(c => ({ type: c.type }));
    status.conditions = [
      ...removed.map(c => ({ $patch: 'delete', type: c.type })),
      ...changed.map(c => {
        const was = before.conditions?.find(o => o.type === c.type);
        return {
          ...(was?.reason && !c.reason ? { reason: null } : {}),
          ...(was?.message && !c.message ? { message: null } : {}),
          ...c,
        };
      }),
    ];
  }
  return Object.keys(status).length ? { metadata: { uid: pod.metadata.uid }, status } : undefined;
}

// The server keeps fields in an order of its own, and times that are not known as null.
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (isAbsent(a) || isAbsent(b)) return isAbsent(a) && isAbsent(b);
  if (typeof a !== 'object' || typeof b !== 'object' || Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a) && a.length !== (b as unknown[]).length) return false;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  for (const k in left) if (!isSame(left[k], right[k])) return false;
  for (const k in right) if (isAbsent(left[k]) && !isAbsent(right[k])) return false;
  return true;
}
const isAbsent = (value: unknown): value is undefined | null => value === undefined || value === null;

const owned = new Set<string>(ownedConditions);

// Written by the scheduler or the resource claim controller.
const keptByOthers = new Set([
  'nominatedNodeName',
  'resourceClaimStatuses',
  'extendedResourceClaimStatus',
  'nodeAllocatableResourceClaimStatuses',
]);

type Condition = NonNullable<PodStatus['conditions']>[number];
const sameCondition = (a: Condition, b: Condition) =>
  a.status === b.status &&
  (a.reason ?? '') === (b.reason ?? '') &&
  (a.message ?? '') === (b.message ?? '') &&
  a.observedGeneration === b.observedGeneration &&
  a.lastTransitionTime === b.lastTransitionTime;
