// How fast a HorizontalPodAutoscaler scales: defaults and rules.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { NOT_NEGATIVE } from '../../name-rule.ts';
import type { HorizontalPodAutoscalerBehavior, HPAScalingPolicy, HPAScalingRules } from '../../type/autoscaling-v2.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { amount } from '../core/resource-name.ts';

const MAX_WINDOW_SECONDS = 3600;
const MAX_PERIOD_SECONDS = 1800;
const PERCENT: HPAScalingPolicy = { type: 'Percent', value: 100, periodSeconds: 15 };
const UP: readonly HPAScalingPolicy[] = [{ type: 'Pods', value: 4, periodSeconds: 15 }, PERCENT];

function fill(rules: Mutable<HPAScalingRules> | undefined, policies: readonly HPAScalingPolicy[]) {
  const out = rules ?? {};
  out.selectPolicy ??= 'Max';
  out.policies ??= policies.map(p => ({ ...p }));
  return out;
}

/** Only where some behaviour is asked for: without any the controller has its own idea. */
export function behaviorDefaults(behavior: Mutable<HorizontalPodAutoscalerBehavior>): void {
  const up = fill(behavior.scaleUp, UP);
  up.stabilizationWindowSeconds ??= 0;
  behavior.scaleUp = up;
  behavior.scaleDown = fill(behavior.scaleDown, [PERCENT]);
}

export function validateBehavior(behavior: HorizontalPodAutoscalerBehavior, at: FieldPath, errors: FieldErrors): void {
  for (const field of ['scaleUp', 'scaleDown'] as const)
    if (behavior[field]) validateRules(behavior[field], at.child(field), errors);
}

function validateRules(rules: HPAScalingRules, at: FieldPath, errors: FieldErrors): void {
  const { stabilizationWindowSeconds: seconds, selectPolicy, policies = [], tolerance } = rules;
  const window = at.child('stabilizationWindowSeconds');
  if (seconds !== undefined && seconds < 0) errors.invalid(window, seconds, 'must be greater than or equal to zero');
  if (seconds !== undefined && seconds > MAX_WINDOW_SECONDS)
    errors.invalid(window, seconds, `must be less than or equal to ${MAX_WINDOW_SECONDS}`);
  if (tolerance !== undefined && amount(tolerance).sign < 0)
    errors.invalid(at.child('tolerance'), tolerance, NOT_NEGATIVE);
  validateOneOf(selectPolicy, ['Disabled', 'Max', 'Min'], at.child('selectPolicy'), errors);
  if (policies.length === 0) errors.required(at.child('policies'), 'must specify at least one Policy');
  for (const [i, policy] of policies.entries()) validatePolicy(policy, at.child('policies').index(i), errors);
}

function validatePolicy({ type, value, periodSeconds }: HPAScalingPolicy, at: FieldPath, errors: FieldErrors): void {
  if (type !== 'Pods' && type !== 'Percent') errors.notSupported(at.child('type'), type, ['Percent', 'Pods']);
  if (value <= 0) errors.invalid(at.child('value'), value, 'must be greater than zero');
  const period = at.child('periodSeconds');
  if (periodSeconds <= 0) errors.invalid(period, periodSeconds, 'must be greater than zero');
  if (periodSeconds > MAX_PERIOD_SECONDS)
    errors.invalid(period, periodSeconds, `must be less than or equal to ${MAX_PERIOD_SECONDS}`);
}
