// Failure and success policies of a Job.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isQualifiedName } from '../../name-rule.ts';
import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
} from '../../type/batch-v1.ts';
import { validateNonNegative } from '../amount-or-percent.ts';

const MAX_RULES = 20;
const MAX_EXIT_CODES = 255;
const MAX_PATTERNS = 20;
const MAX_INDEXES_BYTES = 64 * 1024;
const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const OPERATORS = ['In', 'NotIn'];
const STATUSES = ['False', 'True', 'Unknown'];

const quoted = (list: readonly string[]): string => `[${list.map(v => JSON.stringify(v)).join(' ')}]`;

/** Of a job's spec wherever it stands, in a CronJob's template too. */
export function failurePolicyDefaults(spec: Mutable<JobSpec>): void {
  for (const rule of spec.podFailurePolicy?.rules ?? [])
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
}

export function validatePodFailurePolicy(spec: JobSpec, at: FieldPath, errors: FieldErrors): void {
  const rules = spec.podFailurePolicy?.rules ?? [];
  if (rules.length > MAX_RULES) errors.tooMany(at.child('rules'), rules.length, MAX_RULES);
  for (const [i, rule] of rules.entries()) validateRule(rule, spec, at.child('rules').index(i), errors);
}

function validateRule(rule: PodFailurePolicyRule, spec: JobSpec, at: FieldPath, errors: FieldErrors): void {
  const { action, onExitCodes, onPodConditions } = rule;
  const here = at.child('action');
  if (!action) errors.required(here, `valid values: ${quoted(ACTIONS)}`);
  else if (action === 'FailIndex') {
    if (spec.backoffLimitPerIndex === undefined)
      errors.invalid(here, action, 'requires the backoffLimitPerIndex to be set');
  } else if (!ACTIONS.includes(action)) errors.notSupported(here, action, ACTIONS);
  if (onExitCodes) validateExitCodes(onExitCodes, spec, at.child('onExitCodes'), errors);
  if (onPodConditions?.length) validateConditions(onPodConditions, at.child('onPodConditions'), errors);
  if (onExitCodes && onPodConditions?.length)
    errors.invalidUnshown(at, 'specifying both OnExitCodes and OnPodConditions is not supported');
  if (!onExitCodes && !onPodConditions?.length)
    errors.invalidUnshown(at, 'specifying one of OnExitCodes and OnPodConditions is required');
}

function validateExitCodes(
  codes: PodFailurePolicyOnExitCodesRequirement,
  spec: JobSpec,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const { operator, containerName } = codes;
  // Always written, and null when empty.
  const values = codes.values ?? [];
  if (!operator) errors.required(at.child('operator'), `valid values: ${quoted(OPERATORS)}`);
  else if (!OPERATORS.includes(operator)) errors.notSupported(at.child('operator'), operator, OPERATORS);
  const pod = spec.template.spec;
  if (containerName !== undefined) {
    const names = [...(pod?.containers ?? []), ...(pod?.initContainers ?? [])].map(c => c.name);
    if (!names.includes(containerName))
      errors.invalid(
        at.child('containerName'),
        containerName,
        'must be one of the container or initContainer names in the pod template',
      );
  }
  const here = at.child('values');
  if (values.length === 0) errors.invalid(here, values, 'at least one value is required');
  else if (values.length > MAX_EXIT_CODES) errors.tooMany(here, values.length, MAX_EXIT_CODES);
  const seen = new Set<number>();
  for (const [i, code] of values.entries()) {
    if (code === 0 && operator === 'In') errors.invalid(here.index(i), code, 'must not be 0 for the In operator');
    if (seen.has(code)) errors.duplicate(here.index(i), code);
    seen.add(code);
  }
  if (values.some((code, i) => i > 0 && code < values[i - 1]!)) errors.invalid(here, values, 'must be ordered');
}

function validateConditions(
  patterns: readonly PodFailurePolicyOnPodConditionsPattern[],
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (patterns.length > MAX_PATTERNS) errors.tooMany(at, patterns.length, MAX_PATTERNS);
  for (const [i, { type, status }] of patterns.entries()) {
    const here = at.index(i);
    for (const m of isQualifiedName(type ?? '')) errors.invalid(here.child('type'), type, m);
    if (!status) errors.required(here.child('status'), `valid values: ${quoted(STATUSES)}`);
    else if (!STATUSES.includes(status)) errors.notSupported(here.child('status'), status, STATUSES);
  }
}

export function validateSuccessPolicy(spec: JobSpec, at: FieldPath, errors: FieldErrors): void {
  const rules = spec.successPolicy?.rules ?? [];
  const rulesAt = at.child('rules');
  if (rules.length === 0)
    errors.required(rulesAt, 'at least one rules must be specified when the successPolicy is specified');
  if (rules.length > MAX_RULES) errors.tooMany(rulesAt, rules.length, MAX_RULES);
  for (const [i, { succeededIndexes, succeededCount }] of rules.entries()) {
    const here = rulesAt.index(i);
    if (succeededIndexes === undefined && succeededCount === undefined)
      errors.required(here, 'at least one of succeededCount or succeededIndexes must be specified');
    let total: number | undefined;
    if (succeededIndexes !== undefined) {
      if (succeededIndexes.length > MAX_INDEXES_BYTES)
        errors.tooLong(here.child('succeededIndexes'), MAX_INDEXES_BYTES);
      const parsed = countIndexes(succeededIndexes, spec.completions ?? 0);
      if (typeof parsed === 'string')
        errors.invalid(here.child('succeededIndexes'), succeededIndexes, `error parsing succeededIndexes: ${parsed}`);
      else total = parsed;
    }
    if (succeededCount === undefined) continue;
    const countAt = here.child('succeededCount');
    validateNonNegative(succeededCount, countAt, errors);
    if (spec.completions !== undefined && succeededCount > spec.completions)
      errors.invalid(
        countAt,
        succeededCount,
        `must be less than or equal to ${spec.completions} (the number of specified completions)`,
      );
    if (total !== undefined && succeededCount > total)
      errors.invalid(
        countAt,
        succeededCount,
        `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`,
      );
  }
}

/** The intervals that `1,3-5` names, both ends of each; of what is malformed no matter what. */
export const expandIndexes = (text: string): (readonly [number, number])[] =>
  text === ''
    ? []
    : text.split(',').map(part => {
        const [first, last = first] = part.split('-').map(Number);
        return [first!, last!];
      });

/** How many indexes `1,3-5` names; the complaint if it is malformed or goes beyond `completions`. */
export function countIndexes(text: string, completions: number): number | string {
  if (text === '') return 0;
  let last = -1;
  let total = 0;
  for (const part of text.split(',')) {
    const ends = part.split('-');
    if (ends.length > 2)
      return `the fragment ${JSON.stringify(part)} violates the requirement that an index interval can have at most two parts separated by '-'`;
    const [first, final = first] = ends.map(e => (/^\d+$/.test(e) ? Number(e) : Number.NaN));
    if (Number.isNaN(first!) || Number.isNaN(final!))
      return `cannot convert string to integer for index: ${JSON.stringify(ends.find(e => !/^\d+$/.test(e)))}`;
    if (final! >= completions) return `too large index: ${JSON.stringify(ends.at(-1))}`;
    if (first! <= last) return `non-increasing order, previous: ${last}, current: ${first}`;
    if (ends.length === 2 && final! <= first!) return `non-increasing order, previous: ${first}, current: ${final}`;
    total += final! - first! + 1;
    last = final!;
  }
  return total;
}
