/** A JSON value as Go prints the maps, slices and scalars it becomes (`%+v`). */
export function goText(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (typeof value !== 'object') return String(value);
  const map = value as Record<string, unknown>;
  const keys = Object.keys(map).sort();
  return `map[${keys.map(k => `${k}:${goText(map[k])}`).join(' ')}]`;
}
