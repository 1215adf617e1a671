// Pruning: what the schema does not name is dropped.
import { isPlain, type Plain } from '../patch/plain.ts';
import { isTypeMeta, type Structural } from './structural.ts';

/**
 * Removes from `value`, in place, what the schema of a resource does not name. `unknown` gets the paths of what went:
 * `spec.foo`, `spec.list[0].bar`.
 */
export function prune(schema: Structural, value: Plain, unknown?: string[]): void {
  pruneValue(schema, value, true, '', unknown);
}

/** The same for a value that is no resource: a default. */
export function prunePart(schema: Structural, value: unknown, unknown?: string[]): void {
  pruneValue(schema, value, false, '', unknown);
}

function pruneValue(s: Structural, value: unknown, root: boolean, at: string, unknown: string[] | undefined): void {
  if (Array.isArray(value)) {
    if (s.items) for (let i = 0; i < value.length; i++) pruneValue(s.items, value[i], false, `${at}[${i}]`, unknown);
    else if (!s.preserve) for (let i = 0; i < value.length; i++) pruneWhole(value[i], `${at}[${i}]`, unknown);
    return;
  }
  if (!isPlain(value)) return;
  const resource = root || s.embedded;
  for (const key of Object.keys(value)) {
    if (resource && isTypeMeta(key)) continue;
    const path = at ? `${at}.${key}` : key;
    const property = s.properties.get(key);
    if (property) pruneValue(property, value[key], false, path, unknown);
    else if (typeof s.additional === 'object') pruneValue(s.additional, value[key], false, path, unknown);
    else if (s.additional === true) pruneWhole(value[key], path, unknown);
    else if (!s.preserve) {
      unknown?.push(path);
      delete value[key];
    }
  }
}

// What has no schema of its own keeps its place and loses all its fields.
function pruneWhole(value: unknown, at: string, unknown: string[] | undefined): void {
  if (Array.isArray(value)) for (let i = 0; i < value.length; i++) pruneWhole(value[i], `${at}[${i}]`, unknown);
  else if (isPlain(value))
    for (const key of Object.keys(value)) {
      unknown?.push(`${at}.${key}`);
      delete value[key];
    }
}
