// RE2 regular expressions: time bounded by text times pattern, whatever the pattern. Compiled once a pattern.
import { RE2JS } from 're2js';
import { type SizeOf, step, TRAVERSAL } from './overload.ts';
import { CelFault } from './value.ts';

const REGEX_FACTOR = 0.25;
const KEPT = 512;
/** Instructions a pattern may come to; 100,000 take a quarter of a second to compile. */
const MAX_INSTRUCTIONS = 200_000;
const COMPILE_STEPS = 50;
const compiled = new Map<string, RE2JS>();

/** Text length times pattern length, each weighed. */
export const regexCost = (size: SizeOf): number =>
  Math.ceil((1 + size(0)) * TRAVERSAL) * Math.ceil(size(1) * REGEX_FACTOR);

/** Throws CelFault for what is no pattern. */
export function regexOf(pattern: string): RE2JS {
  const known = compiled.get(pattern);
  if (known) return known;
  const instructions = estimateInstructions(pattern);
  if (instructions > MAX_INSTRUCTIONS) throw new CelFault('error parsing regexp: expression too large');
  step(instructions * COMPILE_STEPS);
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

const PIECE = /\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\{(\d+)(?:,(\d*))?\}|./gsu;

/** What counted repetitions blow a pattern up to. */
export function estimateInstructions(pattern: string): number {
  const groups: number[] = [];
  let size = 0;
  let atom = 0;
  for (const [piece, least, most] of pattern.matchAll(PIECE)) {
    if (piece === '(') groups.push(size);
    else if (piece === ')') atom = size - (groups.pop() ?? 0);
    else if (least !== undefined) {
      const count = Math.max(Number(least), Number(most || 0));
      size += atom * Math.max(0, count - 1);
      atom *= Math.max(1, count);
    } else {
      atom = 1;
      size++;
    }
  }
  return size;
}

/** A matcher over the text, paid for at the worst it can do. */
export function matcherFor(text: string, pattern: string) {
  const regex = regexOf(pattern);
  step((text.length * regex.programSize()) / 2);
  return regex.matcher(text);
}

export const matchesRegex = (text: string, pattern: string): boolean => matcherFor(text, pattern).find();
