// Whole numbers at the paths a definition names for its scale.
import { goText } from '../../api/patch/go-text.ts';
import { parseJsonPath } from '../../api/structural/json-path.ts';

/** Says why there is no whole number where there is something, as Go's accessors say it. */
export class AccessorError extends Error {}

/** The 64-bit integer at the path; undefined when nothing is there. Throws AccessorError for anything else. */
export function wholeAt(object: unknown, jsonPath: string): number | bigint | undefined {
  const [value] = parseJsonPath(jsonPath).find(object);
  // What JSON writes with more digits is a bigint; so are no whole numbers but those.
  if (value === undefined || typeof value === 'bigint' || Number.isSafeInteger(value)) return value as number | bigint;
  const why = `${goText(value)} is of the type ${goType(value)}, expected int64`;
  throw new AccessorError(`${jsonPath} accessor error: ${why}`);
}

function goType(value: unknown): string {
  if (value === null) return '<nil>';
  if (Array.isArray(value)) return '[]interface {}';
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
