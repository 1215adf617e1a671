// What ConfigMaps and Secrets share: keys, size, and immutability.
import { type FieldErrors, path } from '../../field-error.ts';
import { deepEqual } from '../record.ts';

/** Of all values together. */
export const MAX_DATA_BYTES = 1024 * 1024;

const FIXED = 'field is immutable when `immutable` is set';

const encoder = new TextEncoder();

export function textBytes(values: Readonly<Record<string, string>> | undefined): number {
  let total = 0;
  for (const key in values) total += encoder.encode(values[key]).length;
  return total;
}

/** Of base64, without decoding it. */
export function binaryBytes(values: Readonly<Record<string, string>> | undefined): number {
  let total = 0;
  for (const key in values) {
    const text = values[key]!;
    const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
    total += (text.length / 4) * 3 - padding;
  }
  return total;
}

export function validateStillImmutable<T extends { readonly immutable?: boolean }>(
  now: T,
  old: T,
  fields: readonly (keyof T & string)[],
  errors: FieldErrors,
): void {
  if (!old.immutable) return;
  if (!now.immutable) errors.forbidden(path('immutable'), FIXED);
  for (const field of fields) if (!deepEqual(now[field] ?? {}, old[field] ?? {})) errors.forbidden(path(field), FIXED);
}
