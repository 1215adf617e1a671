// Values at the paths a definition names for its scale.
import { goText } from '../../api/patch/go-text.ts';
import { isPlain } from '../../api/patch/plain.ts';

/** Says why there is nothing of the wanted type where there is something, as Go's accessors say it. */
export class AccessorError extends Error {}

/** The 64-bit integer at the path; undefined when nothing is there. Throws AccessorError for anything else. */
export function wholeAt(object: unknown, jsonPath: string): number | bigint | undefined {
  const value = valueAt(object, jsonPath);
  // What JSON writes with more digits is a bigint; so are no whole numbers but those.
  if (value === undefined || isWhole(value)) return value;
  throw unexpected(jsonPath, value, 'int64');
}

/** The same for a text. */
export function textAt(object: unknown, jsonPath: string): string | undefined {
  const value = valueAt(object, jsonPath);
  if (value === undefined || typeof value === 'string') return value;
  throw unexpected(jsonPath, value, 'string');
}

/** A path of a scale is nothing but names with dots between: brackets are part of one. */
export const scaleFields = (jsonPath: string): readonly string[] => jsonPath.replace(/^\./, '').split('.');

function valueAt(object: unknown, jsonPath: string): unknown {
  const fields = scaleFields(jsonPath);
  let at = object;
  for (const [i, name] of fields.entries()) {
    if (at === undefined || at === null) return undefined;
    if (!isPlain(at)) throw unexpected(`.${fields.slice(0, i + 1).join('.')}`, at, 'map[string]interface{}');
    at = Object.hasOwn(at, name) ? at[name] : undefined;
  }
  return at;
}

const unexpected = (path: string, value: unknown, wanted: string): AccessorError =>
  new AccessorError(`${path} accessor error: ${goText(value)} is of the type ${goType(value)}, expected ${wanted}`);

const isWhole = (value: unknown): value is number | bigint => typeof value === 'bigint' || Number.isSafeInteger(value);

function goType(value: unknown): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
  if (isWhole(value)) return 'int64';
  switch (typeof value) {
    case 'object':
      return 'map[string]interface {}';
    case 'number':
      return 'float64';
    case 'boolean':
      return 'bool';
    default:
      return 'string';
  }
}
