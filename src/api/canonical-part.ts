// Parts of objects that many objects have, held once and never changed: what is known of one need not be found out again.
import { jsonText } from '../base/json-text.ts';

// Empty until asked for.
const canonical = new WeakMap<object, string>();
// Of parts that are held once for being equal, not for being in canonical form.
const shared = new WeakMap<object, string>();

/** A shorter text is written as fast as it is looked for. */
export const shortestText = 128;

/** Freezes `part`, which has to be in canonical form, and what is in it. */
export function markCanonical<T extends object>(part: T): T {
  freeze(part);
  canonical.set(part, '');
  return part;
}

export const isCanonicalPart = (part: object): boolean => canonical.has(part);

/** Whether several objects have it. */
export const isSharedPart = (part: object): boolean => shared.has(part);

/** Keeps the JSON of a part that several objects have. */
export function keepPartText(part: object, text: string): void {
  shared.set(part, text);
}

/** The JSON of a part that several objects have; undefined when nobody knows it to be one. */
export function partText(part: object): string | undefined {
  const text = canonical.get(part) ?? shared.get(part);
  if (text !== '') return text;
  const made = jsonText(part);
  canonical.set(part, made);
  return made;
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const key in value) freeze((value as Record<string, unknown>)[key]);
}
