// The spec of a Job, alone or in a CronJob's template.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDomainPrefixedPath } from '../../name-rule.ts';
import type { JobSpec } from '../../type/batch-v1.ts';
import { validateNonNegative } from '../amount-or-percent.ts';
import { type PodSpecOptions, validatePodTemplateSpec } from '../core/pod-spec.ts';
import { validatePodFailurePolicy, validateSuccessPolicy } from './job-policy.ts';

export const MAX_PARALLELISM = 100_000;
const MAX_FAILED_INDEXES = 100_000;
const MANY_COMPLETIONS = 100_000;
const MAX_AT_MANY_COMPLETIONS = 10_000;
const MODES = ['Indexed', 'NonIndexed'];
const NUMBERS = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const;

export function validateJobSpec(spec: JobSpec, at: FieldPath, errors: FieldErrors, options: PodSpecOptions): void {
  for (const key of NUMBERS) validateNonNegative(spec[key], at.child(key), errors);
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined)
    errors.required(at.child('backoffLimitPerIndex'), 'when maxFailedIndexes is specified');
  const manager = spec.managedBy;
  if (manager !== undefined) {
    if (manager === '') errors.required(at.child('managedBy'));
    else for (const { value, why } of isDomainPrefixedPath(manager)) errors.invalid(at.child('managedBy'), value, why);
    if (manager.length > 63) errors.tooLong(at.child('managedBy'), 63);
  }
  if (spec.completionMode !== undefined && !MODES.includes(spec.completionMode))
    errors.notSupported(at.child('completionMode'), spec.completionMode, MODES);
  if (spec.completionMode === 'Indexed') validateIndexed(spec, at, errors);
  else {
    for (const key of ['backoffLimitPerIndex', 'maxFailedIndexes'] as const)
      if (spec[key] !== undefined) errors.invalid(at.child(key), spec[key], 'requires indexed completion mode');
  }
  if (spec.podFailurePolicy) validatePodFailurePolicy(spec, at.child('podFailurePolicy'), errors);
  if (spec.successPolicy) {
    if (spec.completionMode === 'Indexed') validateSuccessPolicy(spec, at.child('successPolicy'), errors);
    else errors.invalid(at.child('successPolicy'), spec.successPolicy, 'requires indexed completion mode');
  }
  validateReplacement(spec, at.child('podReplacementPolicy'), errors);
  validatePodTemplateSpec(spec.template, at.child('template'), errors, options);
  validateRestartPolicy(spec, at.child('template', 'spec', 'restartPolicy'), errors);
}

function validateIndexed(spec: JobSpec, at: FieldPath, errors: FieldErrors): void {
  const { completions, parallelism, maxFailedIndexes: failed, backoffLimitPerIndex } = spec;
  if (completions === undefined) errors.required(at.child('completions'), 'when completion mode is Indexed');
  if (parallelism !== undefined && parallelism > MAX_PARALLELISM)
    errors.invalid(
      at.child('parallelism'),
      parallelism,
      `must be less than or equal to ${MAX_PARALLELISM} when completion mode is Indexed`,
    );
  const failedAt = at.child('maxFailedIndexes');
  if (failed !== undefined && completions !== undefined && failed > completions)
    errors.invalid(failedAt, failed, 'must be less than or equal to completions');
  if (failed !== undefined && failed > MAX_FAILED_INDEXES)
    errors.invalid(failedAt, failed, `must be less than or equal to ${MAX_FAILED_INDEXES}`);
  if (completions === undefined || completions <= MANY_COMPLETIONS || backoffLimitPerIndex === undefined) return;
  if (failed === undefined)
    errors.required(failedAt, `must be specified when completions is above ${MANY_COMPLETIONS}`);
  const why = `must be less than or equal to ${MAX_AT_MANY_COMPLETIONS} when completions are above ${MANY_COMPLETIONS} and used with backoff limit per index`;
  if (parallelism !== undefined && parallelism > MAX_AT_MANY_COMPLETIONS)
    errors.invalid(at.child('parallelism'), parallelism, why);
  if (failed !== undefined && failed > MAX_AT_MANY_COMPLETIONS) errors.invalid(failedAt, failed, why);
}

function validateReplacement(spec: JobSpec, at: FieldPath, errors: FieldErrors): void {
  const policy = spec.podReplacementPolicy;
  if (policy === undefined) return;
  const allowed = spec.podFailurePolicy ? ['Failed'] : ['Failed', 'TerminatingOrFailed'];
  if (!allowed.includes(policy)) errors.notSupported(at, policy, allowed);
}

function validateRestartPolicy(spec: JobSpec, at: FieldPath, errors: FieldErrors): void {
  const policy = spec.template.spec?.restartPolicy;
  if (!policy || policy === 'Always') errors.required(at, 'valid values: "OnFailure", "Never"');
  else if (policy !== 'OnFailure' && policy !== 'Never') errors.notSupported(at, policy, ['OnFailure', 'Never']);
  else if (policy === 'OnFailure' && spec.podFailurePolicy)
    errors.invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified');
}
