// Where a pod may run by what it says itself: node selector, required node affinity, tolerations.
import type {
  Node,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodSpec,
  Taint,
  Toleration,
} from '../../api/type/core-v1.ts';

const integer = /^[+-]?[0-9]+$/;

function meets(r: NodeSelectorRequirement, value: string | undefined): boolean {
  const values = r.values ?? [];
  switch (r.operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default: {
      const bound = values[0];
      if (value === undefined || bound === undefined || !integer.test(value) || !integer.test(bound)) return false;
      return r.operator === 'Gt' ? BigInt(value) > BigInt(bound) : r.operator === 'Lt' && BigInt(value) < BigInt(bound);
    }
  }
}

/** A term without requirements selects nothing. */
function termSelects({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, { metadata }: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  return (
    matchExpressions.every(r => meets(r, label(metadata.labels, r.key))) &&
    matchFields.every(r => r.key === 'metadata.name' && meets(r, metadata.name))
  );
}

const label = (labels: Readonly<Record<string, string>> | undefined, key: string): string | undefined =>
  labels && Object.hasOwn(labels, key) ? labels[key] : undefined;

/** What the pod requires of the node's labels and name. */
export function fitsNodeAffinity(spec: Pick<PodSpec, 'nodeSelector' | 'affinity'>, node: Node): boolean {
  for (const [k, v] of Object.entries(spec.nodeSelector ?? {})) if (label(node.metadata.labels, k) !== v) return false;
  const required = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || (required.nodeSelectorTerms ?? []).some(term => termSelects(term, node));
}

export function tolerates(t: Toleration, taint: Taint): boolean {
  if (t.effect && t.effect !== taint.effect) return false;
  if (t.key && t.key !== taint.key) return false;
  const value = t.value ?? '';
  const of = taint.value ?? '';
  switch (t.operator || 'Equal') {
    case 'Exists':
      return true;
    case 'Equal':
      return value === of;
    case 'Gt':
      return integer.test(value) && integer.test(of) && BigInt(of) > BigInt(value);
    case 'Lt':
      return integer.test(value) && integer.test(of) && BigInt(of) < BigInt(value);
    default:
      return false;
  }
}

/** No taint of these effects that the pod does not tolerate. */
export const fitsTaints = (tolerations: readonly Toleration[], node: Node, effects: readonly string[]): boolean =>
  (node.spec?.taints ?? []).every(
    taint => !effects.includes(taint.effect) || tolerations.some(t => tolerates(t, taint)),
  );
