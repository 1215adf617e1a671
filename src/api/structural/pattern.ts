// Regular expressions of schemas are RE2's: their time is bounded by text times pattern.
import { RE2JS } from 're2js';
import { messageOf } from '../../base/assert.ts';
import { estimateInstructions } from '../cel/regex.ts';

export interface Pattern {
  /** Does it match anywhere in the text? */
  test(text: string): boolean;
}

const compiled = new Map<string, Pattern | SyntaxError>();
const kept = 5000;
const longestKept = 4096;
const maxInstructions = 200_000;

/** Throws SyntaxError for a pattern that is none. */
export function compilePattern(pattern: string): Pattern {
  let known = compiled.get(pattern);
  if (!known) {
    known = compileNow(pattern);
    if (pattern.length <= longestKept) {
      if (compiled.size >= kept) compiled.delete(compiled.keys().next().value!);
      compiled.set(pattern, known);
    }
  }
  if (known instanceof SyntaxError) throw known;
  return known;
}

function compileNow(pattern: string): Pattern | SyntaxError {
  if (estimateInstructions(pattern) > maxInstructions)
    return new SyntaxError('error parsing regexp: expression nests too deeply');
  try {
    const regex = RE2JS.compile(pattern);
    return { test: text => regex.matcher(text).find() };
  } catch (error) {
    return new SyntaxError(messageOf(error));
  }
}
