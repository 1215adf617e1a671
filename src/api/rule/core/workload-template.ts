// What workloads have in common: a selector, a template it must match, counters in the status.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { selectorFromLabelSelector } from '../../label-selector.ts';
import { isDns1123Label } from '../../name-rule.ts';
import type { PodTemplateSpec } from '../../type/core-v1.ts';
import type { LabelSelector } from '../../type/meta-v1.ts';
import { validateNonNegative } from '../amount-or-percent.ts';
import { isEmptySelector, validateLabelSelector } from '../meta.ts';
import { type PodSpecOptions, validatePodTemplateSpec } from './pod-spec.ts';

export const MISMATCH = '`selector` does not match template `labels`';

/** Does the selector select the labels? Undefined for a selector that says nothing sensible. */
export function selects(
  selector: LabelSelector,
  labels: Readonly<Record<string, string>> | undefined,
): boolean | undefined {
  try {
    return selectorFromLabelSelector(selector).matches(labels ?? {});
  } catch {
    return undefined;
  }
}

/** A required selector that is not empty and selects the template's pods. `kind` stands in the message. */
export function validateWorkloadSelector(
  spec: { readonly selector?: LabelSelector; readonly template?: PodTemplateSpec },
  kind: string,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const { selector, template } = spec;
  const here = at.child('selector');
  if (!selector) {
    errors.required(here);
    return;
  }
  validateLabelSelector(selector, here, errors);
  if (isEmptySelector(selector)) {
    errors.invalid(here, selector, `empty selector is invalid for ${kind}`);
    return;
  }
  const labels = template?.metadata?.labels;
  const matches = selects(selector, labels);
  if (matches === undefined) errors.invalid(here, selector, 'invalid label selector');
  else if (!matches && template) errors.invalid(at.child('template', 'metadata', 'labels'), labels ?? null, MISMATCH);
}

/** The template of a workload whose pods run until they are told to stop. */
export function validateRunningTemplate(
  template: PodTemplateSpec | undefined,
  kind: string,
  at: FieldPath,
  errors: FieldErrors,
  options: PodSpecOptions,
): void {
  if (!template) {
    errors.required(at);
    return;
  }
  validatePodTemplateSpec(template, at, errors, options);
  const spec = template.spec;
  if (spec?.restartPolicy !== 'Always')
    errors.notSupported(at.child('spec', 'restartPolicy'), spec?.restartPolicy ?? '', ['Always']);
  if (spec?.activeDeadlineSeconds !== undefined)
    errors.forbidden(at.child('spec', 'activeDeadlineSeconds'), `activeDeadlineSeconds in ${kind} is not Supported`);
}

/** One writer at a time: such disks are read-only where several pods share a template. */
export function validateReadOnlyDisks(
  template: PodTemplateSpec | undefined,
  replicas: number,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (replicas <= 1) return;
  for (const [i, { gcePersistentDisk: disk }] of (template?.spec?.volumes ?? []).entries()) {
    if (disk && !disk.readOnly)
      errors.invalid(
        at.child('spec', 'volumes').index(i).child('gcePersistentDisk', 'readOnly'),
        false,
        'must be true for replicated pods > 1; GCE PD can only be mounted on multiple machines if it is read-only',
      );
  }
}

const STATUS = path('status');

export function validateCounters<T extends object>(
  status: T,
  fields: readonly (keyof T & string)[],
  errors: FieldErrors,
): void {
  for (const field of fields) validateNonNegative(status[field] as number | undefined, STATUS.child(field), errors);
}

/** Counters of a status that may not exceed another one. */
export function validateAtMost(
  field: string,
  value: number | undefined,
  limit: number | undefined,
  limitName: string,
  errors: FieldErrors,
): void {
  if ((value ?? 0) > (limit ?? 0)) errors.invalid(STATUS.child(field), value, `cannot be greater than ${limitName}`);
}

/** A warning on create: pods get their hostnames from this name. */
export function hostnameWarnings(name: string | undefined, use: string): string[] {
  const complaints = name ? isDns1123Label(name) : [];
  if (complaints.length === 0) return [];
  return [
    `metadata.name: this is used in ${use}, which can result in surprising behavior; a DNS label is recommended: [${complaints.join(' ')}]`,
  ];
}
