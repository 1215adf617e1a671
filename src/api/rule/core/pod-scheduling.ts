// Tolerations, topology spread, gates.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isLabelValue, isQualifiedName } from '../../name-rule.ts';
import type { PodReadinessGate, PodSchedulingGate, Toleration, TopologySpreadConstraint } from '../../type/core-v1.ts';
import { validateLabelName, validateLabelSelector } from '../meta.ts';
import { validateLabelKeys } from './pod-affinity.ts';
import { validateOneOf } from './pod-common.ts';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
const UNSATISFIABLE = ['DoNotSchedule', 'ScheduleAnyway'];
const INCLUSION = ['Honor', 'Ignore'];
const POSITIVE = 'must be greater than zero';
const DECIMAL = /^(0|-?[1-9][0-9]*)$/;

export function validateTolerations(
  tolerations: readonly Toleration[],
  comparisons: boolean,
  at: FieldPath,
  errors: FieldErrors,
): void {
  for (let i = 0; i < tolerations.length; i++) validateToleration(tolerations[i]!, comparisons, at.index(i), errors);
}

function validateToleration(toleration: Toleration, comparisons: boolean, at: FieldPath, errors: FieldErrors): void {
  const { key, operator, value = '', effect, tolerationSeconds } = toleration;
  if (key) validateLabelName(key, at.child('key'), errors);
  else if (operator !== 'Exists')
    errors.invalid(
      at.child('operator'),
      operator ?? '',
      'operator must be Exists when `key` is empty, which means "match all values and all keys"',
    );
  if (tolerationSeconds !== undefined && effect !== 'NoExecute')
    errors.invalid(at.child('effect'), effect ?? '', "effect must be 'NoExecute' when `tolerationSeconds` is set");
  validateOperator(toleration, value, comparisons, at, errors);
  if (effect && !EFFECTS.includes(effect)) errors.notSupported(at.child('effect'), effect, EFFECTS);
}

function validateOperator(
  toleration: Toleration,
  value: string,
  comparisons: boolean,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const { operator } = toleration;
  if (!operator || operator === 'Equal') {
    const complaints = isLabelValue(value);
    if (complaints.length > 0) errors.invalid(at.child('operator'), value, complaints.join(';'));
  } else if (operator === 'Exists') {
    if (value !== '')
      errors.invalid(at.child('operator'), toleration, "value must be empty when `operator` is 'Exists'");
  } else if (comparisons && (operator === 'Gt' || operator === 'Lt')) {
    if (!DECIMAL.test(value)) errors.invalid(at.child('value'), value, 'must be a valid integer');
  } else errors.notSupported(at.child('operator'), operator, ['Equal', 'Exists', ...(comparisons ? ['Gt', 'Lt'] : [])]);
}

export function validateTopologySpread(
  constraints: readonly TopologySpreadConstraint[],
  merged: boolean,
  at: FieldPath,
  errors: FieldErrors,
): void {
  // Of two that are alike, the first is named.
  const last = new Map(constraints.map((c, i) => [pairOf(c), i]));
  for (const [i, c] of constraints.entries()) {
    const here = at.index(i);
    if (!(c.maxSkew > 0)) errors.invalid(here.child('maxSkew'), c.maxSkew, POSITIVE);
    if (!c.topologyKey) errors.required(here.child('topologyKey'), 'can not be empty');
    else validateLabelName(c.topologyKey, here.child('topologyKey'), errors);
    if (!UNSATISFIABLE.includes(c.whenUnsatisfiable))
      errors.notSupported(here.child('whenUnsatisfiable'), c.whenUnsatisfiable, UNSATISFIABLE);
    const pair = pairOf(c);
    if (last.get(pair) !== i) errors.duplicate(here.child('{topologyKey, whenUnsatisfiable}'), pair);
    if (c.minDomains !== undefined) {
      if (c.minDomains <= 0) errors.invalid(here.child('minDomains'), c.minDomains, POSITIVE);
      if (c.whenUnsatisfiable !== 'DoNotSchedule')
        errors.invalid(
          here.child('minDomains'),
          c.minDomains,
          `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${c.whenUnsatisfiable}`,
        );
    }
    validateOneOf(c.nodeAffinityPolicy, INCLUSION, here.child('nodeAffinityPolicy'), errors);
    validateOneOf(c.nodeTaintsPolicy, INCLUSION, here.child('nodeTaintsPolicy'), errors);
    validateLabelKeys(c.matchLabelKeys, 'matchLabelKeys', c.labelSelector, merged, here, errors);
    validateLabelSelector(c.labelSelector, here.child('labelSelector'), errors);
  }
}

const pairOf = (c: TopologySpreadConstraint): string => `{${c.topologyKey}, ${c.whenUnsatisfiable}}`;

export function validateReadinessGates(gates: readonly PodReadinessGate[], at: FieldPath, errors: FieldErrors): void {
  for (const [i, { conditionType }] of gates.entries())
    for (const m of isQualifiedName(conditionType))
      errors.invalid(at.index(i).child('conditionType'), conditionType, m);
}

export function validateSchedulingGates(gates: readonly PodSchedulingGate[], at: FieldPath, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [i, { name }] of gates.entries()) {
    for (const m of isQualifiedName(name)) errors.invalid(at.index(i), name, m);
    if (seen.has(name)) errors.duplicate(at.index(i), name);
    seen.add(name);
  }
}
