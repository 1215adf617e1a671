// The values CEL computes with, and how JSON becomes one: lazily, so that an expression pays only for what it reads.
import { freeNumber } from '../../base/whole-number.ts';
import { wordedDuration } from '../worded-duration.ts';
import { CelFault } from './fault.ts';
import { step, stepText } from './meter.ts';
import { CelDuration, CelTimestamp, durationText, parseDuration, parseTimestamp, timestampText } from './time.ts';
import type { CelObjectType, CelType } from './type.ts';
import { dyn, isAny } from './type.ts';

/** int is bigint, double is number; everything else is what its class says. */
export type CelValue =
  | boolean
  | bigint
  | number
  | string
  | null
  | Uint8Array
  | CelUint
  | CelList
  | CelMap
  | CelObject
  | CelTimestamp
  | CelDuration
  | CelTypeValue
  | CelOptional
  | CelOpaque;

export { CelFault };

export class CelUint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** What `type(x)` gives. */
export class CelTypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export class CelOptional {
  readonly value: CelValue | undefined;
  constructor(value: CelValue | undefined) {
    this.value = value;
  }
  static readonly none: CelOptional = new CelOptional(undefined);
}

/** A value of a library's own type. */
export abstract class CelOpaque {
  abstract readonly typeName: string;
  abstract equals(other: CelOpaque): boolean;
}

/** A list: of values, of JSON read as `itemType`, or two lists after one another (so that `a + a` costs no memory). */
export class CelList {
  readonly size: number;
  /** `set` and `map` compare and add regardless of order. */
  readonly listType: 'set' | 'map' | undefined;
  readonly keys: readonly string[];
  readonly #items: readonly unknown[];
  readonly #itemType: CelType | undefined;
  readonly #rest: CelList | undefined;
  readonly #first: CelList | undefined;

  private constructor(
    items: readonly unknown[],
    itemType: CelType | undefined,
    listType?: 'set' | 'map',
    parts?: readonly [CelList, CelList],
    keys: readonly string[] = [],
  ) {
    this.#items = items;
    this.#itemType = itemType;
    this.listType = listType;
    this.keys = keys;
    this.#first = parts?.[0];
    this.#rest = parts?.[1];
    this.size = parts ? parts[0].size + parts[1].size : items.length;
  }

  static of(values: readonly CelValue[]): CelList {
    return new CelList(values, undefined);
  }

  static ofJson(items: readonly unknown[], type: CelType): CelList {
    const known = type.kind === 'list' ? type : undefined;
    return new CelList(items, known?.item ?? (isAny(type) ? type : dyn), known?.listType, undefined, known?.keys ?? []);
  }

  static concat(a: CelList, b: CelList): CelList {
    if (a.size === 0) return b;
    if (b.size === 0) return a;
    return new CelList([], undefined, undefined, [a, b]);
  }

  /** The value at an index in range. */
  get(index: number): CelValue {
    let at: CelList = this;
    let i = index;
    while (at.#first) {
      if (i < at.#first.size) at = at.#first;
      else {
        i -= at.#first.size;
        at = at.#rest!;
      }
    }
    const item = at.#items[i];
    return at.#itemType ? adapt(item, at.#itemType) : (item as CelValue);
  }

  *[Symbol.iterator](): Generator<CelValue> {
    const stack: CelList[] = [this];
    for (let at = stack.pop(); at; at = stack.pop()) {
      if (at.#first) stack.push(at.#rest!, at.#first);
      else for (const item of at.#items) yield at.#itemType ? adapt(item, at.#itemType) : (item as CelValue);
    }
  }
}

export abstract class CelMap {
  abstract readonly size: number;
  abstract get(key: CelValue): CelValue | undefined;
  abstract keys(): Iterable<CelValue>;

  /** What `in` asks. */
  has(key: CelValue): boolean {
    return this.get(key) !== undefined;
  }
}

/** Listing the keys of a large object takes this long for each. */
const STEPS_PER_KEY = 6;

/** A JSON object as a map. */
export class JsonMap extends CelMap {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly #valueType: CelType;
  #size = -1;

  constructor(raw: Readonly<Record<string, unknown>>, valueType: CelType) {
    super();
    this.raw = raw;
    this.#valueType = valueType;
  }

  get size(): number {
    if (this.#size < 0) {
      this.#size = Object.keys(this.raw).length;
      step(this.#size * STEPS_PER_KEY);
    }
    return this.#size;
  }

  get(key: CelValue): CelValue | undefined {
    if (typeof key !== 'string') return undefined;
    stepText(key.length);
    if (!Object.hasOwn(this.raw, key)) return undefined;
    const value = this.raw[key];
    return value === undefined ? undefined : adapt(value, this.#valueType);
  }

  keys(): string[] {
    const keys = Object.keys(this.raw);
    step(keys.length * STEPS_PER_KEY);
    return keys;
  }
}

/** A map made by an expression. */
export class ValueMap extends CelMap {
  readonly #entries = new Map<string, readonly [CelValue, CelValue]>();

  get size(): number {
    return this.#entries.size;
  }

  get(key: CelValue): CelValue | undefined {
    const id = keyId(key);
    return id === undefined ? undefined : this.#entries.get(id)?.[1];
  }

  set(key: CelValue, value: CelValue): void {
    const id = keyId(key);
    if (id === undefined) throw new CelFault('unsupported key type');
    this.#entries.set(id, [key, value]);
  }

  *keys(): Generator<CelValue> {
    for (const [key] of this.#entries.values()) yield key;
  }
}

// Equal numbers of any kind are the same key.
function keyId(key: CelValue): string | undefined {
  if (typeof key === 'string') {
    stepText(key.length);
    return `s${key}`;
  }
  if (typeof key === 'bigint') return `n${key}`;
  if (key instanceof CelUint) return `n${key.value}`;
  if (typeof key === 'boolean') return `b${key}`;
  if (typeof key === 'number' && Number.isInteger(key)) return `n${BigInt(key)}`;
  return undefined;
}

/** A JSON object with declared fields. */
export class CelObject {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly type: CelObjectType;
  /** Made by an expression: the raw fields are CelValues. */
  readonly made: boolean;

  constructor(raw: Readonly<Record<string, unknown>>, type: CelObjectType, made = false) {
    this.raw = raw;
    this.type = type;
    this.made = made;
  }

  /** Names in JSON of the fields that are set and declared, sorted. */
  names(): string[] {
    const names = Object.keys(this.raw);
    step(names.length * STEPS_PER_KEY);
    return names.filter(k => this.raw[k] !== undefined).sort();
  }

  /** Undefined when the field is not set. */
  get(name: string): CelValue | undefined {
    const field = this.type.field(name);
    if (!field || !Object.hasOwn(this.raw, field.name)) return undefined;
    const value = this.raw[field.name];
    if (value === undefined) return undefined;
    const given = typeof value === 'function' ? value() : value;
    return this.made ? (given as CelValue) : adapt(given, field.type);
  }
}

export const isCelObject = (value: unknown): value is CelValue =>
  value instanceof CelList ||
  value instanceof CelMap ||
  value instanceof CelObject ||
  value instanceof CelUint ||
  value instanceof CelTimestamp ||
  value instanceof CelDuration ||
  value instanceof CelTypeValue ||
  value instanceof CelOptional ||
  value instanceof CelOpaque ||
  value instanceof Uint8Array;

/** Reads JSON (or passes a CelValue) as a type says. */
export function adapt(raw: unknown, type: CelType): CelValue {
  switch (typeof raw) {
    case 'string':
      return adaptString(raw, type);
    case 'number':
      if (type.kind === 'double' || isAny(type)) return raw;
      if (Number.isSafeInteger(raw)) return type.kind === 'uint' ? new CelUint(BigInt(raw)) : BigInt(raw);
      return raw;
    case 'bigint':
      return type.kind === 'double' || isAny(type) ? Number(raw) : type.kind === 'uint' ? new CelUint(raw) : raw;
    case 'boolean':
      return raw;
    case 'object':
      break;
    default:
      return null;
  }
  if (raw === null) return null;
  if (Array.isArray(raw)) return CelList.ofJson(raw, type);
  if (isCelObject(raw)) return raw;
  const object = raw as Record<string, unknown>;
  if (type.kind === 'object') return new CelObject(object, type);
  return new JsonMap(object, type.kind === 'map' ? type.value : isAny(type) ? type : dyn);
}

function adaptString(raw: string, type: CelType): CelValue {
  if (type.kind === 'timestamp') return parseTimestamp(raw);
  if (type.kind === 'duration') return durationOf(raw);
  if (type.kind === 'bytes') return new Uint8Array(Buffer.from(raw, 'base64'));
  return raw;
}

// A schema's durations may be in words.
function durationOf(text: string): CelDuration {
  try {
    return parseDuration(text);
  } catch (error) {
    const ns = wordedDuration(text);
    if (ns === undefined) throw error;
    return new CelDuration(ns);
  }
}

/** `int`, `list`, `google.protobuf.Timestamp`: the run-time type's name. */
export function typeName(value: CelValue): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    case 'number':
      return 'double';
    case 'string':
      return 'string';
    default:
  }
  if (value === null) return 'null_type';
  if (value instanceof CelList) return 'list';
  if (value instanceof CelMap) return 'map';
  if (value instanceof CelUint) return 'uint';
  if (value instanceof CelObject) return value.type.name;
  if (value instanceof CelTimestamp) return 'google.protobuf.Timestamp';
  if (value instanceof CelDuration) return 'google.protobuf.Duration';
  if (value instanceof CelTypeValue) return 'type';
  if (value instanceof CelOptional) return 'optional_type';
  if (value instanceof Uint8Array) return 'bytes';
  return value.typeName;
}

const MAX_JSON_VALUES = 1_000_000;

// Lists that were added to themselves are larger than they cost.
function counting(): (units: number) => void {
  let left = MAX_JSON_VALUES;
  return units => {
    left -= units;
    if (left < 0) throw new CelFault('result is too large');
  };
}

/** As JSON; throws CelFault for a value JSON has no form for, or that is too large. `step` is told of every value. */
export function toJson(value: CelValue, step: (units: number) => void = counting()): unknown {
  step(1);
  if (typeof value === 'bigint') return freeNumber(value);
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof CelUint) return freeNumber(value.value);
  if (value instanceof CelList) return Array.from(value, v => toJson(v, step));
  if (value instanceof CelMap) {
    const out: Record<string, unknown> = {};
    for (const key of value.keys()) {
      const name = typeof key === 'string' ? key : String(toJson(key));
      Object.defineProperty(out, name, {
        value: toJson(value.get(key)!, step),
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
    return out;
  }
  if (value instanceof CelObject) return value.made ? madeJson(value, step) : value.raw;
  if (value instanceof CelTimestamp) return timestampText(value);
  if (value instanceof CelDuration) return durationText(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  throw new CelFault(`unsupported conversion from ${typeName(value)} to JSON`);
}

function madeJson(value: CelObject, step: (units: number) => void): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value.raw)) {
    const json = toJson(field as CelValue, step);
    Object.defineProperty(out, name, { value: json, writable: true, enumerable: true, configurable: true });
  }
  return out;
}
