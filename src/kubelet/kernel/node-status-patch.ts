// The patch with which a kubelet changes its node's status.
import { equalJson, isPlain } from '../../api/patch/plain.ts';
import type { NodeCondition, NodeStatus } from '../../api/type/core-v1.ts';

/** A strategic-merge patch of what differs; conditions go along with any change, and with `always` even alone. */
export function statusChanges(old: NodeStatus, next: NodeStatus, always: boolean): object | undefined {
  const out: Record<string, unknown> = {};
  const before = old as Record<string, unknown>;
  for (const key in next) {
    const value = next[key as keyof NodeStatus];
    if (key === 'conditions' || isSame(before[key], value)) continue;
    if (key === 'addresses') out[key] = [{ $patch: 'replace' }, ...(value as readonly object[])];
    else out[key] = isPlain(value) ? { ...removed(before[key], value), ...value } : value;
  }
  const conditions = next.conditions ?? [];
  const ours = (old.conditions ?? []).filter(c => conditions.some(n => n.type === c.type));
  const same = ours.length === conditions.length && ours.every((c, i) => saysSame(c, conditions[i]!));
  if (always || !same || Object.keys(out).length) {
    out.conditions = next.conditions;
    return out;
  }
  return undefined;
}

/** A patch merges maps: what is no longer in one must be taken away by name. */
const removed = (had: unknown, has: object): object =>
  Object.fromEntries(
    Object.keys(had ?? {})
      .filter(name => !(name in has))
      .map(name => [name, null]),
  );

/** But for its times. */
const saysSame = (a: NodeCondition, b: NodeCondition): boolean =>
  a.type === b.type && a.status === b.status && a.reason === b.reason && a.message === b.message;

// An empty list is stored as none.
const isSame = (a: unknown, b: unknown): boolean =>
  (a === undefined && Array.isArray(b) && b.length === 0) || equalJson(a, b);
