// What a HorizontalPodAutoscaler goes by.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isPathSegmentName } from '../../name-rule.ts';
import type {
  CrossVersionObjectReference,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
} from '../../type/autoscaling-v2.ts';
import { amount } from '../core/resource-name.ts';
import { validateLabelSelector } from '../meta.ts';

const SOURCES = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
} as const;
const TARGETS = ['Utilization', 'Value', 'AverageValue'];

export function validateReference(ref: CrossVersionObjectReference, at: FieldPath, errors: FieldErrors): void {
  for (const field of ['kind', 'name'] as const) {
    if (!ref[field]) errors.required(at.child(field));
    else for (const m of isPathSegmentName(ref[field])) errors.invalid(at.child(field), ref[field], m);
  }
  if (ref.apiVersion && ref.apiVersion.split('/').length > 2)
    errors.invalid(at.child('apiVersion'), ref.apiVersion, `unexpected GroupVersion string: ${ref.apiVersion}`);
}

export function validateMetrics(metrics: readonly MetricSpec[], at: FieldPath, errors: FieldErrors): void {
  for (const [i, metric] of metrics.entries()) validateMetric(metric, at.index(i), errors);
}

function validateMetric(metric: MetricSpec, at: FieldPath, errors: FieldErrors): void {
  const { type } = metric;
  if (!type) {
    errors.required(at.child('type'), 'must specify a metric source type');
    return;
  }
  if (!Object.hasOwn(SOURCES, type)) {
    errors.notSupported(at.child('type'), type, Object.keys(SOURCES));
    return;
  }
  const expected = SOURCES[type as keyof typeof SOURCES];
  for (const field of Object.values(SOURCES)) {
    if (!metric[field]) continue;
    if (field === expected) validateSource(metric, field, at.child(field), errors);
    else errors.forbidden(at.child(field), 'must populate the given metric source only');
  }
  if (!metric[expected]) errors.required(at.child(expected), 'must populate information for the given metric source');
}

function validateSource(metric: MetricSpec, field: string, at: FieldPath, errors: FieldErrors): void {
  const { object, pods, external } = metric;
  if (field === 'object') {
    validateReference(object!.describedObject, at.child('describedObject'), errors);
    validateIdentifier(object!.metric, at.child('metric'), errors);
    const { value, averageValue } = validateTarget(object!.target, at, errors);
    if (value === undefined && averageValue === undefined)
      errors.required(at.child('target', 'averageValue'), 'must set either a target value or averageValue');
  } else if (field === 'external') {
    validateIdentifier(external!.metric, at.child('metric'), errors);
    const { value, averageValue } = validateTarget(external!.target, at, errors);
    if (value === undefined && averageValue === undefined)
      errors.required(
        at.child('target', 'averageValue'),
        'must set either a target value for metric or a per-pod target',
      );
    if (value !== undefined && averageValue !== undefined)
      errors.forbidden(at.child('target', 'value'), 'may not set both a target value for metric and a per-pod target');
  } else if (field === 'pods') {
    validateIdentifier(pods!.metric, at.child('metric'), errors);
    const { averageValue } = validateTarget(pods!.target, at, errors);
    if (averageValue === undefined)
      errors.required(at.child('target', 'averageValue'), 'must specify a positive target averageValue');
  } else validateResource(metric, field, at, errors);
}

function validateResource(metric: MetricSpec, field: string, at: FieldPath, errors: FieldErrors): void {
  const source = field === 'resource' ? metric.resource! : metric.containerResource!;
  if (!source.name) errors.required(at.child('name'), 'must specify a resource name');
  if (field === 'containerResource' && !metric.containerResource!.container)
    errors.required(at.child('container'), 'must specify a container');
  const target = validateTarget(source.target, at, errors);
  const here = at.child('target');
  if (target.averageUtilization === undefined && target.averageValue === undefined)
    errors.required(here.child('averageUtilization'), 'must set either a target raw value or a target utilization');
  if (target.averageUtilization !== undefined && target.averageValue !== undefined)
    errors.forbidden(here.child('averageValue'), 'may not set both a target raw value and a target utilization');
}

function validateIdentifier(metric: MetricIdentifier, at: FieldPath, errors: FieldErrors): void {
  if (!metric?.name) errors.required(at.child('name'), 'must specify a metric name');
  else for (const m of isPathSegmentName(metric.name)) errors.invalid(at.child('name'), metric.name, m);
  validateLabelSelector(metric?.selector, at.child('selector'), errors);
}

function validateTarget(target: MetricTarget, parent: FieldPath, errors: FieldErrors): Partial<MetricTarget> {
  const at = parent.child('target');
  const { type, value, averageValue, averageUtilization: percent } = target ?? {};
  // An empty type is told twice.
  if (!type) errors.required(at.child('type'), 'must specify a metric target type');
  if (!TARGETS.includes(type ?? ''))
    errors.invalid(at.child('type'), type ?? '', 'must be either Utilization, Value, or AverageValue');
  if (value !== undefined && amount(value).sign <= 0) errors.invalid(at.child('value'), value, 'must be positive');
  if (averageValue !== undefined && amount(averageValue).sign <= 0)
    errors.invalid(at.child('averageValue'), averageValue, 'must be positive');
  if (percent !== undefined && percent < 1)
    errors.invalid(at.child('averageUtilization'), percent, 'must be greater than 0');
  return target ?? {};
}
