// Parts of objects that are canonical, frozen and held once: whoever meets one need not look into it again.

const parts = new WeakSet<object>();

/** Freezes `part`, which has to be in canonical form, and what is in it. */
export function markCanonical<T extends object>(part: T): T {
  freeze(part);
  parts.add(part);
  return part;
}

export const isCanonicalPart = (part: object): boolean => parts.has(part);

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const key in value) freeze((value as Record<string, unknown>)[key]);
}
