// Conditions of the common form (meta/v1 Condition).
import type { FieldErrors, FieldPath } from '../field-error.ts';
import { isQualifiedName, regexError } from '../name-rule.ts';
import type { Condition } from '../type/meta-v1.ts';

const STATUSES = ['False', 'True', 'Unknown'];
const REASON = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?';
const REASON_RE = new RegExp(`^${REASON}$`);
const REASON_ERROR = regexError(
  "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
  REASON,
  'my_name',
  'MY_NAME',
  'MyName',
  'ReasonA,ReasonB',
  'ReasonA:ReasonB',
);
const MAX_REASON = 1024;
const MAX_MESSAGE = 32 * 1024;

export function validateConditions(
  conditions: readonly Condition[] | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const seen = new Set<string>();
  for (const [i, condition] of (conditions ?? []).entries()) {
    if (seen.has(condition.type)) errors.duplicate(at.index(i).child('type'), condition.type);
    seen.add(condition.type);
    validateCondition(condition, at.index(i), errors);
  }
}

function validateCondition(condition: Condition, at: FieldPath, errors: FieldErrors): void {
  const { type, status, observedGeneration = 0, lastTransitionTime, reason = '', message = '' } = condition;
  for (const m of isQualifiedName(type ?? '')) errors.invalid(at.child('type'), type ?? '', m);
  if (!STATUSES.includes(status)) errors.notSupported(at.child('status'), status ?? '', STATUSES);
  if (observedGeneration < 0)
    errors.invalid(at.child('observedGeneration'), observedGeneration, 'must be greater than or equal to zero');
  if (!lastTransitionTime) errors.required(at.child('lastTransitionTime'));
  if (reason.length > MAX_REASON) errors.tooLong(at.child('reason'), MAX_REASON);
  if (!reason) errors.required(at.child('reason'));
  else if (!REASON_RE.test(reason)) errors.invalid(at.child('reason'), reason, REASON_ERROR);
  if (message.length > MAX_MESSAGE) errors.tooLong(at.child('message'), MAX_MESSAGE);
}
