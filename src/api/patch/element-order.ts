// The order of a list after a strategic merge: the patch's items keep the patch's order, the others the live order, and
// where both orders are silent the patch's items come first.
import { isPlain } from './plain.ts';

type IdOf = (item: unknown) => string;

const idBy =
  (mergeKey: string | undefined): IdOf =>
  item =>
    JSON.stringify(mergeKey && isPlain(item) ? item[mergeKey] : item);

/** Order after a merge without $setElementOrder. */
export function orderMerged(
  merged: readonly unknown[],
  patch: readonly unknown[],
  live: readonly unknown[],
  mergeKey: string | undefined,
): unknown[] {
  return arrange(merged, patch, live, idBy(mergeKey));
}

/** Order as `$setElementOrder/…` states it; `live` is the list before the patch. */
export function orderBySetElementOrder(
  merged: readonly unknown[],
  order: readonly unknown[],
  live: readonly unknown[],
  mergeKey: string | undefined,
): unknown[] {
  return arrange(merged, order, live, idBy(mergeKey));
}

function arrange(
  merged: readonly unknown[],
  order: readonly unknown[],
  live: readonly unknown[],
  idOf: IdOf,
): unknown[] {
  const orderAt = positions(order, idOf);
  const liveAt = positions(live, idOf);
  const by = (at: Map<string, number>) => (a: unknown, b: unknown) =>
    (at.get(idOf(a)) ?? Number.MAX_SAFE_INTEGER) - (at.get(idOf(b)) ?? Number.MAX_SAFE_INTEGER);
  const named = merged.filter(item => orderAt.has(idOf(item))).sort(by(orderAt));
  const others = merged.filter(item => !orderAt.has(idOf(item))).sort(by(liveAt));
  const out: unknown[] = [];
  let next = 0;
  for (const item of named) {
    // An unnamed item goes before the first named one that stands behind it in the live list.
    const at = liveAt.get(idOf(item));
    while (at !== undefined && next < others.length && (liveAt.get(idOf(others[next])) ?? Infinity) < at)
      out.push(others[next++]);
    out.push(item);
  }
  return out.concat(others.slice(next));
}

function positions(list: readonly unknown[], idOf: IdOf): Map<string, number> {
  const at = new Map<string, number>();
  for (const [i, item] of list.entries()) if (!at.has(idOf(item))) at.set(idOf(item), i);
  return at;
}
