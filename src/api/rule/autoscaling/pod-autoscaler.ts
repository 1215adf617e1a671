// The rules of HorizontalPodAutoscalers, in the form of autoscaling/v2.
import { withoutConverted } from '../../convert-autoscaler.ts';
import { type FieldErrors, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { GREATER_THAN_ZERO } from '../../name-rule.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { HorizontalPodAutoscaler } from '../../type/autoscaling-v2.ts';
import { validateNonNegative } from '../amount-or-percent.ts';
import { dropFields } from '../drop-fields.ts';
import { behaviorDefaults, validateBehavior } from './behavior.ts';
import { validateMetrics, validateReference } from './metric.ts';

const SPEC = path('spec');
const STATUS = path('status');
const CPU_PERCENT = 80;

function defaults(scaler: Mutable<HorizontalPodAutoscaler>): void {
  const { spec } = scaler;
  const early = scaler.apiVersion === 'autoscaling/v1';
  if (!early && scaler.metadata) scaler.metadata = withoutConverted(scaler.metadata);
  if (!spec) return;
  spec.minReplicas ??= 1;
  if (!early && !spec.metrics?.length)
    spec.metrics = [
      {
        type: 'Resource',
        resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: CPU_PERCENT } },
      },
    ];
  if (spec.behavior) behaviorDefaults(spec.behavior);
}

function validateSpec({ spec }: HorizontalPodAutoscaler, errors: FieldErrors, context: RuleContext): void {
  if (!spec) return;
  const { minReplicas: min, maxReplicas: max } = spec;
  const lowest = context.featureEnabled('HPAScaleToZero') ? 0 : 1;
  if (min !== undefined && min < lowest)
    errors.invalid(SPEC.child('minReplicas'), min, `must be greater than or equal to ${lowest}`);
  if (max < 1) errors.invalid(SPEC.child('maxReplicas'), max, GREATER_THAN_ZERO);
  if (min !== undefined && max < min)
    errors.invalid(SPEC.child('maxReplicas'), max, 'must be greater than or equal to `minReplicas`');
  validateReference(spec.scaleTargetRef ?? {}, SPEC.child('scaleTargetRef'), errors);
  validateMetrics(spec.metrics ?? [], SPEC.child('metrics'), errors);
  const measured = spec.metrics?.some(m => m.type === 'Object' || m.type === 'External');
  if (min === 0 && spec.metrics && !measured)
    errors.forbidden(
      SPEC.child('metrics'),
      'must specify at least one Object or External metric to support scaling to zero replicas',
    );
  if (spec.behavior) validateBehavior(spec.behavior, SPEC.child('behavior'), errors);
}

function dropTolerance(
  scaler: Mutable<HorizontalPodAutoscaler>,
  old: HorizontalPodAutoscaler | undefined,
  { featureEnabled }: RuleContext,
): void {
  if (featureEnabled('HPAConfigurableTolerance')) return;
  const rules = (s: HorizontalPodAutoscaler | undefined) => Object.values(s?.spec?.behavior ?? {}) as object[];
  dropFields(rules(scaler as HorizontalPodAutoscaler), rules(old), ['tolerance']);
}

export const podAutoscalerStrategy: Strategy<HorizontalPodAutoscaler> = {
  nameRule: 'dnsSubdomain',
  default: defaults,
  prepareForCreate(scaler, context) {
    scaler.status = { desiredReplicas: 0 };
    dropTolerance(scaler, undefined, context);
  },
  prepareForUpdate: dropTolerance,
  validate(scaler, errors, context) {
    if (context.subresource !== 'status') validateSpec(scaler, errors, context);
    else
      for (const field of ['currentReplicas', 'desiredReplicas'] as const)
        validateNonNegative(scaler.status?.[field], STATUS.child(field), errors);
  },
};
