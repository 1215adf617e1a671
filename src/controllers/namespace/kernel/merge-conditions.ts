import type { NamespaceCondition } from '../../../api/type/core-v1.ts';

export interface Wanted {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** Puts conditions in place, new ones at the end; a transition is a change of status. The same array when all is said. */
export function nextConditions(
  old: readonly NamespaceCondition[] | undefined,
  wanted: readonly Wanted[],
  now: string,
): readonly NamespaceCondition[] | undefined {
  const next = [...(old ?? [])];
  let changed = false;
  for (const w of wanted) {
    const at = next.findIndex(c => c.type === w.type);
    const have = next[at];
    if (have && have.status === w.status && have.reason === w.reason && have.message === w.message) continue;
    changed = true;
    const { type, status, reason, message } = w;
    const lastTransitionTime = have?.status === status ? have.lastTransitionTime : now;
    const condition: NamespaceCondition = {
      type,
      status,
      ...(lastTransitionTime ? { lastTransitionTime } : {}),
      reason,
      message,
    };
    if (have) next[at] = condition;
    else next.push(condition);
  }
  return changed ? next : old;
}
