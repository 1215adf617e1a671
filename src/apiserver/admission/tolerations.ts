// Tolerations of several sources in one list.
import { semanticEqual } from '../../api/rule/record.ts';
import type { Toleration } from '../../api/type/core-v1.ts';

/** Without what another one covers; of equal ones the first stays. */
export function mergeTolerations(all: readonly Toleration[]): Toleration[] {
  const kept: Toleration[] = [];
  for (const [i, t] of all.entries()) {
    const isCovered = kept.some(k => covers(k, t)) || all.slice(i + 1).some(l => !semanticEqual(l, t) && covers(l, t));
    if (!isCovered) kept.push(t);
  }
  return kept;
}

/** Is all that `narrow` bears borne by `wide`? */
export function covers(wide: Toleration, narrow: Toleration): boolean {
  if (semanticEqual(wide, narrow)) return true;
  const { key = '', operator = 'Equal', value = '', effect = '', tolerationSeconds } = wide;
  const isAnyKey = key === '' && operator === 'Exists';
  if (key !== (narrow.key ?? '') && !isAnyKey) return false;
  if (effect && effect !== narrow.effect) return false;
  if (effect === 'NoExecute' && tolerationSeconds !== undefined) {
    const asked = narrow.tolerationSeconds;
    if (asked === undefined || asked > tolerationSeconds) return false;
  }
  if (operator === 'Exists') return true;
  return operator === 'Equal' && narrow.operator === 'Equal' && (narrow.value ?? '') === value;
}
