// Relative paths inside volumes, and file modes.
import type { FieldErrors, FieldPath } from '../../field-error.ts';

export const FILE_MODE_ERROR = 'must be a number between 0 and 0777 (octal), both inclusive';

export const isFileMode = (mode: number): boolean => mode >= 0 && mode <= 0o777;

export function validateNoBacksteps(path: string, at: FieldPath, errors: FieldErrors): void {
  if (path.includes('..') && path.split('/').includes('..')) errors.invalid(at, path, "must not contain '..'");
}

/** Relative, never climbing out. */
export function validateDescendingPath(path: string, at: FieldPath, errors: FieldErrors): void {
  if (path.startsWith('/')) errors.invalid(at, path, 'must be a relative path');
  validateNoBacksteps(path, at, errors);
}

/** As validateDescendingPath, and not in the `..` names that volume writers keep for themselves. */
export function validateNonReservedPath(path: string, at: FieldPath, errors: FieldErrors): void {
  validateDescendingPath(path, at, errors);
  if (path.startsWith('..') && !path.startsWith('../')) errors.invalid(at, path, "must not start with '..'");
}
