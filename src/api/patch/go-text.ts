/** A JSON value as Go prints the maps, slices and scalars it becomes (`%+v`). */
export function goText(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (isFloat(value)) return floatText(value);
  if (typeof value !== 'object') return String(value);
  const map = value as Record<string, unknown>;
  const keys = Object.keys(map).sort();
  return `map[${keys.map(k => `${k}:${goText(map[k])}`).join(' ')}]`;
}

/** What Go makes of a JSON value that is not null. */
export function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}';
  if (isFloat(value)) return 'float64';
  if (typeof value === 'number' || typeof value === 'bigint') return 'int64';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'string' ? 'string' : 'map[string]interface {}';
}

/** What it prints where it was told to expect a string (`%s`). */
export const asString = (value: unknown): string =>
  typeof value !== 'object' && typeof value !== 'string' ? `%!s(${goType(value)}=${goText(value)})` : goText(value);

/** Whole numbers of 64 bits are exact, if need be as bigints. */
const isFloat = (value: unknown): value is number => typeof value === 'number' && !Number.isSafeInteger(value);

function floatText(value: number): string {
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e');
  if (Number(exponent) >= -4 && Number(exponent) < 6) return String(value);
  return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}
