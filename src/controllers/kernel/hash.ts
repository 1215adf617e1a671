// Short stable hashes of templates, for names and labels.

// No vowels and nothing that reads alike, as in generated names.
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** The same for values that are equal whatever the order of their keys; absent and undefined are the same. */
export function stableText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableText).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const record = value as Record<string, unknown>;
  const members = Object.keys(record)
    .filter(k => record[k] !== undefined)
    .sort()
    .map(k => `${JSON.stringify(k)}:${stableText(record[k])}`);
  return `{${members.join()}}`;
}

/** FNV-1a of the text's UTF-16 units, 32 bits. */
export function fnv32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** At most ten characters that can do no harm in a name. */
export function safeHash(hash: number): string {
  let out = '';
  for (const digit of String(hash)) out += alphabet[digit.charCodeAt(0) % alphabet.length];
  return out;
}

/** The hash of a value; another `collisionCount` gives another hash. */
export function hashOf(value: unknown, collisionCount: number | undefined): string {
  return safeHash(fnv32(stableText(value) + (collisionCount === undefined ? '' : `#${collisionCount}`)));
}
