// What may stand in metadata.managedFields.
import { printable } from '../../base/quote.ts';
import type { FieldErrors, FieldPath } from '../field-error.ts';
import type { ManagedFieldsEntry } from '../type/meta-v1.ts';

/** Bytes. */
export const longestManager = 128;
const longestSubresource = 256;

const encoder = new TextEncoder();
const utf8Length = (text: string): number => encoder.encode(text).length;

// What most names are.
const usual = /^[ -~]{0,128}$/;

export function validateFieldManager(manager: string, at: FieldPath, errors: FieldErrors): void {
  if (usual.test(manager)) return;
  if (utf8Length(manager) > longestManager) errors.tooLong(at, longestManager);
  let bytes = 0;
  for (const character of manager) {
    if (!printable.test(character))
      errors.invalid(at, manager, `invalid character ${shown(character)} (at position ${bytes})`);
    bytes += utf8Length(character);
  }
}

const shown = (character: string) => `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;

export function validateManagedFields(
  entries: readonly ManagedFieldsEntry[],
  at: FieldPath,
  errors: FieldErrors,
): void {
  for (const [i, { manager = '', subresource = '' }] of entries.entries()) {
    validateFieldManager(manager, at.index(i).child('manager'), errors);
    if (utf8Length(subresource) > longestSubresource)
      errors.tooLong(at.index(i).child('subresource'), longestSubresource);
  }
}
