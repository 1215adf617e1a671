import type { Pod } from '../../../api/type/core-v1.ts';
import { nearNumber } from '../../../base/whole-number.ts';
import { isPodFinished } from '../../kernel/pod.ts';

/** Seconds the pods of a namespace may still need to end, `elapsedMs` after its deletion; 0 when that time is over. */
export function podGraceSeconds(pods: readonly Pod[], elapsedMs: number): number {
  let longest = 0;
  for (const pod of pods) {
    const grace = nearNumber(pod.spec?.terminationGracePeriodSeconds);
    if (grace !== undefined && grace > longest && !isPodFinished(pod)) longest = grace;
  }
  return elapsedMs >= longest * 1000 ? 0 : longest;
}

/** How many objects each finalizer holds. */
export function countFinalizers(
  objects: readonly { readonly metadata: { readonly finalizers?: readonly string[] } }[],
): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { metadata } of objects)
    for (const finalizer of metadata.finalizers ?? []) counts.set(finalizer, (counts.get(finalizer) ?? 0) + 1);
  return counts;
}
