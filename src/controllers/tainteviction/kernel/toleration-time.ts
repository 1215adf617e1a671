// How long a pod may stay on a node with these taints.

import { tolerates } from '../../../api/toleration.ts';
import type { Node, Taint, Toleration } from '../../../api/type/core-v1.ts';

export const executeTaints = (node: Node | undefined): readonly Taint[] =>
  node?.spec?.taints?.filter(t => t.effect === 'NoExecute') ?? [];

/** Milliseconds from now; 0: not at all, infinite: for ever. Of each taint the first toleration that fits counts. */
export function tolerationMs(taints: readonly Taint[], tolerations: readonly Toleration[] = []): number {
  let ms = Number.POSITIVE_INFINITY;
  for (const taint of taints) {
    const match = tolerations.find(t => tolerates(t, taint));
    if (!match) return 0;
    if (match.tolerationSeconds !== undefined) ms = Math.min(ms, Math.max(0, Number(match.tolerationSeconds) * 1000));
  }
  return ms;
}
