// What taints and tolerations say to each other.
import type { Node, Taint, Toleration } from './type/core-v1.ts';

const integer = /^[+-]?[0-9]+$/;

export function tolerates(t: Toleration, taint: Taint): boolean {
  if (t.effect && t.effect !== taint.effect) return false;
  if (t.key && t.key !== taint.key) return false;
  const operator = t.operator || 'Equal';
  if (operator === 'Exists') return true;
  const value = t.value ?? '';
  const of = taint.value ?? '';
  if (operator === 'Equal') return value === of;
  if (!integer.test(value) || !integer.test(of)) return false;
  return operator === 'Gt' ? BigInt(of) > BigInt(value) : operator === 'Lt' && BigInt(of) < BigInt(value);
}

const none: readonly never[] = [];

export function isTolerated(tolerations: readonly Toleration[] | undefined, taint: Taint): boolean {
  for (const t of tolerations ?? none) if (tolerates(t, taint)) return true;
  return false;
}

export const repels = (taint: Taint): boolean => taint.effect === 'NoSchedule' || taint.effect === 'NoExecute';

/** The first taint that keeps the pod away. */
export function untoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
): Taint | undefined {
  for (const taint of taints ?? none) if (repels(taint) && !isTolerated(tolerations, taint)) return taint;
  return undefined;
}

/** No taint of these effects that is not tolerated. */
export const fitsTaints = (tolerations: readonly Toleration[], node: Node, effects: readonly string[]): boolean =>
  (node.spec?.taints ?? none).every(taint => !effects.includes(taint.effect) || isTolerated(tolerations, taint));
