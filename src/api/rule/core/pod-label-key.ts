// matchLabelKeys: at creation the values of the pod's own labels go into its selectors.
import { own } from '../../../base/own.ts';
import type { Mutable } from '../../meta.ts';
import type { Pod, PodAffinityTerm } from '../../type/core-v1.ts';
import type { LabelSelector } from '../../type/meta-v1.ts';

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

export function mergeLabelKeys(pod: Mutable<Pod>, spreadToo: boolean): void {
  const labels = pod.metadata.labels ?? {};
  const { affinity, topologySpreadConstraints } = pod.spec;
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    const terms = affinity?.[kind];
    for (const term of terms?.[REQUIRED] ?? []) mergeTerm(term, labels);
    for (const { podAffinityTerm } of terms?.[PREFERRED] ?? []) mergeTerm(podAffinityTerm, labels);
  }
  if (!spreadToo) return;
  for (const constraint of topologySpreadConstraints ?? [])
    add(constraint.labelSelector, constraint.matchLabelKeys, 'In', labels);
}

function mergeTerm(term: Mutable<PodAffinityTerm>, labels: Readonly<Record<string, string>>): void {
  add(term.labelSelector, term.matchLabelKeys, 'In', labels);
  add(term.labelSelector, term.mismatchLabelKeys, 'NotIn', labels);
}

function add(
  selector: Mutable<LabelSelector> | undefined,
  keys: readonly string[] | undefined,
  operator: string,
  labels: Readonly<Record<string, string>>,
): void {
  if (!selector || !keys) return;
  for (const key of keys) {
    const value = own(labels, key);
    if (value === undefined) continue;
    selector.matchExpressions ??= [];
    selector.matchExpressions.push({ key, operator, values: [value] });
  }
}
