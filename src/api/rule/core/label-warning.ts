// Labels of nodes that have got other names.
import { own } from '../../../base/own.ts';
import type { FieldPath } from '../../field-error.ts';

const NODE_LABELS: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
};

/** What to say of a label; undefined of nearly all. */
export const deprecatedLabel = (label: string): string | undefined => own(NODE_LABELS, label);

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly { readonly key: string }[];
}

/** Of a term of a node selector, or a selector of labels. */
export function labelSelectorWarnings({ matchLabels, matchExpressions }: Selector, at: FieldPath): string[] {
  const out: string[] = [];
  for (const label in matchLabels) {
    const text = deprecatedLabel(label);
    if (text) out.push(`${at.child('matchLabels').key(label)}: ${label} is ${text}`);
  }
  for (const [i, { key }] of (matchExpressions ?? []).entries()) {
    const text = deprecatedLabel(key);
    if (text) out.push(`${at.child('matchExpressions').index(i).child('key')}: ${key} is ${text}`);
  }
  return out;
}
