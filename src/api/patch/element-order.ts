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
  const places = merged.map(item => {
    const id = idOf(item);
    return { item, inOrder: orderAt.get(id), inLive: liveAt.get(id) };
  });
  const named = places.filter(place => place.inOrder !== undefined).sort((a, b) => a.inOrder! - b.inOrder!);
  const others = places
    .filter(place => place.inOrder === undefined)
    .sort((a, b) => (a.inLive ?? Number.MAX_SAFE_INTEGER) - (b.inLive ?? Number.MAX_SAFE_INTEGER));
  const out: unknown[] = [];
  let next = 0;
  for (const { item, inLive } of named) {
    // An unnamed item goes before the first named one that stands behind it in the live list.
    while (inLive !== undefined && next < others.length && (others[next]!.inLive ?? Infinity) < inLive)
      out.push(others[next++]!.item);
    out.push(item);
  }
  return out.concat(others.slice(next).map(({ item }) => item));
}

function positions(list: readonly unknown[], idOf: IdOf): Map<string, number> {
  const at = new Map<string, number>();
  for (const [i, item] of list.entries()) {
    const id = idOf(item);
    if (!at.has(id)) at.set(id, i);
  }
  return at;
}
