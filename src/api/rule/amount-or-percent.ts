// Fields that take a number or a percentage: maxSurge, maxUnavailable, minAvailable.
import type { WholeNumber } from '../../base/whole-number.ts';
import type { FieldErrors, FieldPath } from '../field-error.ts';
import { isPercent, NOT_NEGATIVE } from '../name-rule.ts';

export type AmountOrPercent = number | string;

export function validateAmountOrPercent(value: AmountOrPercent | undefined, at: FieldPath, errors: FieldErrors): void {
  if (value === undefined) return;
  if (typeof value === 'string') for (const m of isPercent(value)) errors.invalid(at, value, m);
  else validateNonNegative(value, at, errors);
}

export function validateAtMost100Percent(value: AmountOrPercent | undefined, at: FieldPath, errors: FieldErrors): void {
  const percent = percentOf(value);
  if (percent !== undefined && percent > 100) errors.invalid(at, value, 'must not be greater than 100%');
}

function percentOf(value: AmountOrPercent | undefined): number | undefined {
  return typeof value === 'string' && isPercent(value).length === 0 ? Number.parseInt(value, 10) : undefined;
}

/** 0 or 0%. */
export const isZeroAmount = (value: AmountOrPercent | undefined): boolean =>
  typeof value === 'string' ? percentOf(value) === 0 : !value;

export function validateNonNegative(value: WholeNumber | undefined, at: FieldPath, errors: FieldErrors): void {
  if (value !== undefined && value < 0) errors.invalid(at, value, NOT_NEGATIVE);
}
