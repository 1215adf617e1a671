// Affinity of a pod to nodes and other pods.
import { own } from '../../../base/own.ts';
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDns1123Label } from '../../name-rule.ts';
import type { Affinity, NodeAffinity, PodAffinityTerm, PodAntiAffinity } from '../../type/core-v1.ts';
import type { LabelSelector } from '../../type/meta-v1.ts';
import { validateLabelName, validateLabelSelector } from '../meta.ts';
import { validateNodeSelector, validateNodeSelectorTerm } from './node-selector.ts';

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';

/** `merged`: the keys of matchLabelKeys are in the selector already, put there when the pod was created. */
export function validateAffinity(affinity: Affinity, merged: boolean, at: FieldPath, errors: FieldErrors): void {
  if (affinity.nodeAffinity) validateNodeAffinity(affinity.nodeAffinity, at.child('nodeAffinity'), errors);
  if (affinity.podAffinity) validateTerms(affinity.podAffinity, merged, at.child('podAffinity'), errors);
  if (affinity.podAntiAffinity) validateTerms(affinity.podAntiAffinity, merged, at.child('podAntiAffinity'), errors);
}

function validateNodeAffinity(affinity: NodeAffinity, at: FieldPath, errors: FieldErrors): void {
  const required = affinity[REQUIRED];
  if (required) validateNodeSelector(required, at.child(REQUIRED), errors);
  for (const [i, { weight, preference }] of (affinity[PREFERRED] ?? []).entries()) {
    const here = at.child(PREFERRED).index(i);
    validateWeight(weight, here, errors);
    validateNodeSelectorTerm(preference ?? {}, here.child('preference'), errors);
  }
}

function validateTerms(affinity: PodAntiAffinity, merged: boolean, at: FieldPath, errors: FieldErrors): void {
  for (const [i, term] of (affinity[REQUIRED] ?? []).entries())
    validateTerm(term, merged, at.child(REQUIRED).index(i), errors);
  for (const [i, { weight, podAffinityTerm }] of (affinity[PREFERRED] ?? []).entries()) {
    const here = at.child(PREFERRED).index(i);
    validateWeight(weight, here, errors);
    validateTerm(podAffinityTerm, merged, here.child('podAffinityTerm'), errors);
  }
}

function validateWeight(weight: number, at: FieldPath, errors: FieldErrors): void {
  if (!(weight >= 1 && weight <= 100)) errors.invalid(at.child('weight'), weight, 'must be in the range 1-100');
}

function validateTerm(term: PodAffinityTerm, merged: boolean, at: FieldPath, errors: FieldErrors): void {
  validateLabelSelector(term.labelSelector, at.child('labelSelector'), errors);
  validateLabelSelector(term.namespaceSelector, at.child('namespaceSelector'), errors);
  for (const name of term.namespaces ?? [])
    for (const m of isDns1123Label(name)) errors.invalid(at.child('namespace'), name, m);
  for (const field of ['matchLabelKeys', 'mismatchLabelKeys'] as const)
    validateLabelKeys(term[field], field, term.labelSelector, merged, at, errors);
  for (const [i, key] of (term.matchLabelKeys ?? []).entries()) {
    if (term.mismatchLabelKeys?.includes(key))
      errors.invalid(at.child('matchLabelKeys').index(i), key, 'exists in both matchLabelKeys and mismatchLabelKeys');
  }
  if (!term.topologyKey) errors.required(at.child('topologyKey'), 'can not be empty');
  validateLabelName(term.topologyKey ?? '', at.child('topologyKey'), errors);
}

/** Label keys taken from the pod itself: they need a selector to add to, and may not be in it otherwise. */
export function validateLabelKeys(
  keys: readonly string[] | undefined,
  field: string,
  selector: LabelSelector | undefined,
  merged: boolean,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (!keys?.length) return;
  if (!selector) errors.forbidden(at.child(field), 'must not be specified when labelSelector is not set');
  for (const [i, key] of keys.entries()) {
    const here = at.child(field).index(i);
    validateLabelName(key, here, errors);
    let uses = own(selector?.matchLabels, key) === undefined ? 0 : 2;
    for (const e of selector?.matchExpressions ?? []) if (e.key === key) uses++;
    if (uses > (merged ? 1 : 0)) errors.invalid(here, key, `exists in both ${field} and labelSelector`);
  }
}
