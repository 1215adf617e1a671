// The rules of PodDisruptionBudgets.
import { type FieldErrors, path } from '../../field-error.ts';
import type { Strategy } from '../../strategy.ts';
import type { PodDisruptionBudget } from '../../type/policy-v1.ts';
import { validateAmountOrPercent, validateAtMost100Percent, validateNonNegative } from '../amount-or-percent.ts';
import { validateConditions } from '../condition.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateLabelSelector } from '../meta.ts';

const SPEC = path('spec');
const STATUS = path('status');
const COUNTERS = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const;

function validateSpec({ spec }: PodDisruptionBudget, errors: FieldErrors): void {
  if (!spec) return;
  if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined)
    errors.invalid(SPEC, spec, 'minAvailable and maxUnavailable cannot be both set');
  for (const field of ['minAvailable', 'maxUnavailable'] as const) {
    validateAmountOrPercent(spec[field], SPEC.child(field), errors);
    validateAtMost100Percent(spec[field], SPEC.child(field), errors);
  }
  validateLabelSelector(spec.selector, SPEC.child('selector'), errors);
  validateOneOf(
    spec.unhealthyPodEvictionPolicy,
    ['AlwaysAllow', 'IfHealthyBudget'],
    SPEC.child('unhealthyPodEvictionPolicy'),
    errors,
  );
}

export const disruptionBudgetStrategy: Strategy<PodDisruptionBudget> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  prepareForCreate(budget) {
    budget.status = {};
  },
  validate(budget, errors, context) {
    if (context.subresource !== 'status') validateSpec(budget, errors);
    else {
      validateConditions(budget.status?.conditions, STATUS.child('conditions'), errors);
      for (const field of COUNTERS) validateNonNegative(budget.status?.[field], STATUS.child(field), errors);
    }
  },
};
