// Functions and their overloads: signatures written as text, what they cost, how large their results are.

import { COST_EXCEEDED, meter, spend, step, stepText } from './meter.ts';
import { CelDuration, CelTimestamp } from './time.ts';
import type { CelType } from './type.ts';
import * as t from './type.ts';
import { CelList, CelMap, CelObject, CelOpaque, CelOptional, CelTypeValue, CelUint, type CelValue } from './value.ts';

/** The size of an argument: characters, bytes, elements; 1 for what has none. */
export type SizeOf = (argument: number) => number;

export interface OverloadOptions {
  /** Cost units of a call; 1 when absent. Monotonous in every size, because estimates pass bounds. */
  readonly cost?: (size: SizeOf) => number;
  /** Bound of the result's size, for estimates; unknown when absent. `other` gives the opposite bounds of the arguments. */
  readonly resultSize?: (size: SizeOf, other: SizeOf) => number;
  /** Estimates add the reading of every item of the first argument, where items are texts. */
  readonly readsItems?: true;
  /** The argument whose value is the result's size and is paid for: unbounded in estimates unless it is a constant. */
  readonly sizeFrom?: number;
  /** Takes from the second to the third argument: so much, in estimates, is the first one's size where both are constants. */
  readonly part?: true;
}

export interface Overload extends OverloadOptions {
  readonly name: string;
  /** Called as `receiver.name(...)`; the receiver is the first argument. */
  readonly member: boolean;
  readonly args: readonly CelType[];
  readonly result: CelType;
  readonly generic: boolean;
  call(...args: any[]): CelValue;
}

export type Library = readonly Overload[];

/**
 * Signatures: `size(string): int`, as a method `string::size(): int`. Single capital letters are type variables.
 */
export function fn(signature: string, call: (...args: any[]) => CelValue, options: OverloadOptions = {}): Overload {
  const m = /^(?:(.+?)::)?([^(]+)\((.*)\): (.+)$/.exec(signature)!;
  const args = splitTypes(m[3]!).map(parseTypeText);
  if (m[1]) args.unshift(parseTypeText(m[1]));
  return {
    name: m[2]!,
    member: m[1] !== undefined,
    args,
    result: parseTypeText(m[4]!),
    generic: /\b[A-Z]\b/.test(signature),
    call,
    ...options,
  };
}

function splitTypes(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '<') depth++;
    else if (text[i] === '>') depth--;
    else if (text[i] === ',' && depth === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  if (text.trim()) parts.push(text.slice(from));
  return parts.map(p => p.trim());
}

const SCALARS: Readonly<Record<string, CelType>> = {
  dyn: t.dyn,
  bool: t.bool,
  int: t.int,
  uint: t.uint,
  double: t.double,
  string: t.string,
  bytes: t.bytes,
  null: t.nullType,
  timestamp: t.timestamp,
  duration: t.duration,
  type: t.typeOf(),
};

export function parseTypeText(text: string): CelType {
  const m = /^([^<]+)<(.*)>$/.exec(text);
  if (!m) return SCALARS[text] ?? (/^[A-Z]$/.test(text) ? t.param(text) : t.opaque(text));
  const params = splitTypes(m[2]!).map(parseTypeText);
  if (m[1] === 'list') return t.list(params[0]!);
  if (m[1] === 'map') return t.map(params[0]!, params[1]!);
  if (m[1] === 'type') return t.typeOf(params[0]!);
  if (m[1] === 'optional') return t.optional(params[0]!);
  return t.opaque(m[1]!, ...params);
}

/** Whether a value may be what a signature asks for; elements are not looked into. */
export function accepts(type: CelType, value: CelValue): boolean {
  switch (type.kind) {
    case 'dyn':
    case 'param':
      return true;
    case 'bool':
      return typeof value === 'boolean';
    case 'int':
      return typeof value === 'bigint';
    case 'uint':
      return value instanceof CelUint;
    case 'double':
      return typeof value === 'number';
    case 'string':
      return typeof value === 'string';
    case 'bytes':
      return value instanceof Uint8Array;
    case 'null':
      return value === null;
    case 'timestamp':
      return value instanceof CelTimestamp;
    case 'duration':
      return value instanceof CelDuration;
    case 'list':
      return value instanceof CelList;
    case 'map':
      return value instanceof CelMap;
    case 'object':
      return value instanceof CelObject && value.type.name === type.name;
    case 'type':
      return value instanceof CelTypeValue;
    case 'opaque':
      if (type.name === 'optional_type') return value instanceof CelOptional;
      return value instanceof CelOpaque && value.typeName === type.name;
  }
}

export { COST_EXCEEDED, meter, spend, step, stepText };

export const TRAVERSAL = 0.1;
/** Reading all of argument `i`. */
export const reads =
  (i: number): OverloadOptions['cost'] =>
  size =>
    Math.ceil(size(i) * TRAVERSAL);
/** Visiting every element of argument `i`. */
export const visits =
  (i: number): OverloadOptions['cost'] =>
  size =>
    size(i);
export const sizeOfArg =
  (i: number): OverloadOptions['resultSize'] =>
  size =>
    size(i);

/** The number of code points; the same as `length` for nearly every string there is. */
export function codePoints(text: string): number {
  let n = text.length;
  stepText(n);
  for (let i = 0; i < text.length - 1; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0xd800 && c < 0xdc00) {
      const d = text.charCodeAt(i + 1);
      if (d >= 0xdc00 && d < 0xe000) {
        n--;
        i++;
      }
    }
  }
  return n;
}

export function sizeOfValue(value: CelValue): number {
  if (typeof value === 'string') return value.length;
  if (value instanceof CelList || value instanceof CelMap) return value.size;
  if (value instanceof Uint8Array) return value.length;
  return 1;
}
