// Parameters of classes, which only drivers understand.
import { type FieldErrors, path } from '../../field-error.ts';

const PARAMETERS = path('parameters');
const MAX_PARAMETERS = 512;
const MAX_BYTES = 256 * 1024;

type Parameters = Readonly<Record<string, string>>;

/** Of keys and values together. */
export function recordBytes(record: Parameters): number {
  let bytes = 0;
  for (const key in record) bytes += Buffer.byteLength(key) + Buffer.byteLength(record[key]!);
  return bytes;
}

export function validateParameters(parameters: Parameters = {}, errors: FieldErrors, needed: boolean): void {
  const keys = Object.keys(parameters);
  if (keys.length > MAX_PARAMETERS) {
    errors.tooLong(PARAMETERS, MAX_PARAMETERS);
    return;
  }
  if (keys.includes('')) errors.invalid(PARAMETERS, '', 'field can not be empty.');
  if (recordBytes(parameters) > MAX_BYTES) errors.tooLong(PARAMETERS, MAX_BYTES);
  if (needed && keys.length === 0) errors.required(PARAMETERS, 'must contain at least one key/value pair');
}
