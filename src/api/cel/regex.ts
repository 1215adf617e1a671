// RE2 regular expressions: linear in the text, whatever the pattern. Compiled once a pattern.
import { RE2JS } from 're2js';
import { type SizeOf, TRAVERSAL } from './overload.ts';
import { CelFault } from './value.ts';

const REGEX_FACTOR = 0.25;
const KEPT = 512;
const compiled = new Map<string, RE2JS>();

/** Text length times pattern length, each weighed. */
export const regexCost = (size: SizeOf): number =>
  Math.ceil((1 + size(0)) * TRAVERSAL) * Math.ceil(size(1) * REGEX_FACTOR);

/** Throws CelFault for what is no pattern. */
export function regexOf(pattern: string): RE2JS {
  const known = compiled.get(pattern);
  if (known) return known;
  let regex: RE2JS;
  try {
    regex = RE2JS.compile(pattern);
  } catch (error) {
    throw new CelFault(error instanceof Error ? error.message : String(error));
  }
  if (compiled.size >= KEPT) compiled.delete(compiled.keys().next().value!);
  compiled.set(pattern, regex);
  return regex;
}

export const matchesRegex = (text: string, pattern: string): boolean => regexOf(pattern).matcher(text).find();
