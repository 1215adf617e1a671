// Canonical copies of API objects. For each type a function is generated from its schema: closures measured twice as slow.
// The generated code only notices that something is wrong; decode-fault.ts then finds out what, and words it.
import { BugError } from '../base/assert.ts';
import { freeNumber, isInt64, wholeNumber } from '../base/whole-number.ts';
import { isWritten, type WrittenNumber, writtenText, writtenValue } from '../base/written-number.ts';
import { isCanonicalPart } from './canonical-part.ts';
import { explainFault, findUnknown } from './decode-fault.ts';
import type { KubeObject, Mutable } from './meta.ts';
import { parseQuantity, QuantityError } from './quantity.ts';
import {
  canonicalBase64,
  canonicalMicroTime,
  canonicalTime,
  formatDuration,
  parseDuration,
  ScalarError,
  zeroMicroTime,
  zeroTime,
} from './scalar.ts';
import { type FieldSchema, schemaOf, type TypeRef } from './schema.ts';

type Convert = (value: unknown) => unknown;

/** Thrown inside generated code; never leaves this file. */
const fault = new BugError('normalize: fault');
let unknownSeen = false;

/**
 * A private canonical copy: fields in Go's order, map keys sorted, null as absent, unknown fields dropped, omitempty
 * honoured, quantities and times rewritten. Canonical parts stay what they are, and so does `kept`, a struct that was
 * made here before. `report.unknown` gets the paths of dropped fields. Throws a StatusError (400) when a value has the
 * wrong type.
 */
export function normalize<T extends KubeObject = KubeObject>(
  typeName: string,
  value: unknown,
  report?: { unknown: string[] },
  kept?: unknown,
): Mutable<T> {
  unknownSeen = false;
  lib.kept = kept ?? none;
  try {
    const out = typeOf(typeName).convert(value);
    if (unknownSeen && report) findUnknown(typeName, value, report.unknown);
    return out as Mutable<T>;
  } catch (error) {
    if (error === fault || error instanceof ScalarError || error instanceof QuantityError)
      throw explainFault(typeName, value);
    throw error;
  } finally {
    lib.kept = none;
  }
}

// No value is this.
const none = Symbol('none');

/** A type's converter. Compiled on first use, which also lets types contain themselves. */
class Holder {
  convert: Convert;

  constructor(typeName: string) {
    this.convert = value => {
      this.convert = compile(typeName);
      return this.convert(value);
    };
  }
}

const holders = new Map<string, Holder>();

function typeOf(typeName: string): Holder {
  let holder = holders.get(typeName);
  if (!holder) {
    holder = new Holder(typeName);
    holders.set(typeName, holder);
  }
  return holder;
}

// Helpers the generated code calls.
const lib = {
  fault,
  kept: none as unknown,
  isCanonicalPart,
  unknown() {
    unknownSeen = true;
  },
  string(x: unknown): unknown {
    if (typeof x !== 'string') throw fault;
    return x;
  },
  bool(x: unknown): unknown {
    if (typeof x !== 'boolean') throw fault;
    return x;
  },
  int32(x: unknown): unknown {
    if (typeof x !== 'number' || (x | 0) !== x) throw fault;
    return x;
  },
  int64(x: unknown): unknown {
    if (Number.isSafeInteger(x)) return x;
    if (typeof x !== 'bigint' || !isInt64(x)) throw fault;
    return wholeNumber(x);
  },
  double(x: unknown): unknown {
    if (typeof x === 'number') return x;
    if (isWritten(x)) return finite(x);
    if (typeof x !== 'bigint') throw fault;
    return Number(x);
  },
  Time(x: unknown): unknown {
    if (typeof x !== 'string') throw fault;
    return canonicalTime(x);
  },
  MicroTime(x: unknown): unknown {
    if (typeof x !== 'string') throw fault;
    return canonicalMicroTime(x);
  },
  Duration(x: unknown): unknown {
    if (typeof x !== 'string') throw fault;
    return formatDuration(parseDuration(x));
  },
  Quantity(x: unknown): unknown {
    if (typeof x === 'string') return parseQuantity(x.trim()).toString();
    if (typeof x === 'number' || typeof x === 'bigint') return parseQuantity(x).toString();
    if (isWritten(x)) return parseQuantity(writtenText(x)).toString();
    throw fault;
  },
  IntOrString(x: unknown): unknown {
    if (typeof x === 'string') return x;
    if (typeof x !== 'number' || (x | 0) !== x) throw fault;
    return x;
  },
  bytes(x: unknown): unknown {
    if (typeof x !== 'string') throw fault;
    return canonicalBase64(x);
  },
  any: (x: unknown): unknown => (typeof x === 'object' && x !== null && isCanonicalPart(x) ? x : copyAny(x)),
  list(x: unknown, item: Convert, zero: () => unknown): unknown {
    if (!Array.isArray(x)) throw fault;
    const n = x.length;
    if (n === 0) return undefined;
    if (isCanonicalPart(x)) return x;
    const out = new Array<unknown>(n);
    for (let i = 0; i < n; i++) {
      const v: unknown = x[i];
      out[i] = v === null || v === undefined ? zero() : item(v);
    }
    return out;
  },
  map(x: unknown, item: Convert, zero: () => unknown): unknown {
    if (typeof x !== 'object' || x === null || Array.isArray(x)) throw fault;
    const out: Record<string, unknown> = {};
    let previous: string | undefined;
    for (const k in x) {
      if (previous !== undefined && k < previous) return sortedMap(x, item, zero);
      previous = k;
      const v = (x as Record<string, unknown>)[k];
      setKey(out, k, v === null || v === undefined ? zero() : item(v));
    }
    return previous === undefined ? undefined : out;
  },
};

function sortedMap(x: object, item: Convert, zero: () => unknown): unknown {
  const out: Record<string, unknown> = {};
  for (const k of Object.keys(x).sort()) {
    const v = (x as Record<string, unknown>)[k];
    setKey(out, k, v === null || v === undefined ? zero() : item(v));
  }
  return out;
}

function setKey(out: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(out, key, { value, enumerable: true, writable: true, configurable: true });
  } else out[key] = value;
}

function finite(x: WrittenNumber): number {
  const value = writtenValue(x);
  if (!Number.isFinite(value)) throw fault;
  return value;
}

// Free JSON keeps its order and its nulls.
function copyAny(x: unknown): unknown {
  if (isWritten(x)) return finite(x);
  if (typeof x !== 'object' || x === null) return typeof x === 'bigint' ? freeNumber(x) : x;
  if (Array.isArray(x)) return x.map(copyAny);
  const out: Record<string, unknown> = {};
  for (const k in x) {
    const v = (x as Record<string, unknown>)[k];
    if (v !== undefined) setKey(out, k, copyAny(v));
  }
  return out;
}

/** Expressions of generated code refer to these by `$name`. */
class Scope {
  readonly names: string[] = ['lib'];
  readonly values: unknown[] = [lib];

  add(value: unknown): string {
    const at = this.values.indexOf(value);
    if (at >= 0) return this.names[at]!;
    this.names.push(`$${this.values.length}`);
    this.values.push(value);
    return this.names.at(-1)!;
  }
}

const constant: Record<string, string> = { any: 'any', object: 'any', RawExtension: 'any' };

/** The expression that converts `x`. */
function convertExpression(type: TypeRef, scope: Scope, x: string): string {
  if (type.kind === 'struct')
    return `${x} === lib.kept || lib.isCanonicalPart(${x}) ? ${x} : ${scope.add(typeOf(type.name))}.convert(${x})`;
  if (type.kind === 'list') {
    return `lib.list(${x}, ${scope.add(converterOf(type.item))}, ${scope.add(zeroItemOf(type.item))})`;
  }
  if (type.kind === 'map') {
    return `lib.map(${x}, ${scope.add(converterOf(type.value))}, ${scope.add(zeroItemOf(type.value))})`;
  }
  const special = type.via && variants[type.via.slice(type.via.lastIndexOf('.') + 1)];
  if (special) return `${scope.add(special)}(${x})`;
  return `lib.${constant[type.scalar] ?? type.scalar}(${x})`;
}

const converters = new Map<string, Convert>();

/** A function for items of lists and maps; one for each type, so that generated code shares them. */
function converterOf(type: TypeRef): Convert {
  const key = JSON.stringify(type);
  let found = converters.get(key);
  if (!found) {
    const scope = new Scope();
    const body = `return x => ${convertExpression(type, scope, 'x')}`;
    found = new Function(...scope.names, body)(...scope.values) as Convert;
    if (type.kind === 'list') {
      const inner = found;
      found = x => inner(x) ?? [];
    } else if (type.kind === 'map') {
      const inner = found;
      found = x => inner(x) ?? {};
    }
    converters.set(key, found);
  }
  return found;
}

// Go's zero value in JSON, for an absent value that is written all the same and for null items.
const zeroText: Record<string, unknown> = {
  string: '',
  int32: 0,
  int64: 0,
  double: 0,
  bool: false,
  Duration: '0s',
  Quantity: '0',
  IntOrString: 0,
};
const zeros = new Map<string, () => unknown>();

const noBytes = () => '';
const noItems = () => [];

/** No bytes, stored and read again, are empty ones, and no list in a map or a list an empty one; protobuf has no others. */
const zeroItemOf = (type: TypeRef) =>
  type.kind === 'list' ? noItems : type.kind === 'scalar' && type.scalar === 'bytes' ? noBytes : zeroOf(type);

function zeroOf(type: TypeRef): () => unknown {
  const key = type.kind === 'scalar' ? type.scalar : type.kind === 'struct' ? type.name : 'null';
  let found = zeros.get(key);
  if (!found) {
    const value = zeroText[key] ?? null;
    found = type.kind === 'struct' ? () => typeOf(type.name).convert({}) : () => value;
    zeros.set(key, found);
  }
  return found;
}

// JSON Schema's fields that are one type or another.
const schemaProps = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps';
const variants: Record<string, Convert> = {
  // What is no schema is left out.
  JSONSchemaPropsOrArray: x => (Array.isArray(x) ? x.map(props) : isMap(x) ? props(x) : undefined),
  JSONSchemaPropsOrBool: x => (typeof x === 'boolean' ? x : props(x)),
  JSONSchemaPropsOrStringArray: x => (Array.isArray(x) ? x.map(lib.string) : props(x)),
};
const isMap = (x: unknown): boolean => typeof x === 'object' && x !== null;

function props(x: unknown): unknown {
  return typeOf(schemaProps).convert(x);
}

function compile(typeName: string): Convert {
  const schema = schemaOf(typeName);
  const scope = new Scope();
  if (schema.alias) return converterOf(schema.alias);
  // Types stored as JSON keep an empty list that protobuf cannot tell from none.
  const keepEmpty = typeName.includes('.apiextensions.');
  const cases: string[] = [];
  const writes: string[] = [];
  for (const [i, field] of schema.fields.entries()) {
    const name = JSON.stringify(field.name);
    cases.push(`case ${name}: ${readField(field, `f${i}`, scope, keepEmpty)} break;`);
    writes.push(writeField(field, `f${i}`, `o[${name}]`, scope));
  }
  const locals = schema.fields.map((_, i) => `f${i}`).join(', ');
  const known = scope.add(new Set(schema.fields.map(f => f.name)));
  const body = `return function ${schema.shortName}(v) {
    if (typeof v !== 'object' || v === null || Array.isArray(v)) throw lib.fault;
    ${locals ? `let ${locals};` : ''}
    for (const k in v) {
      const x = v[k];
      if (x === null || x === undefined) { if (!${known}.has(k)) lib.unknown(); continue; }
      switch (k) {
        ${cases.join('\n        ')}
        default: lib.unknown();
      }
    }
    const o = {};
    ${writes.join('\n    ')}
    return o;
  }`;
  return new Function(...scope.names, body)(...scope.values) as Convert;
}

function readField(field: FieldSchema, local: string, scope: Scope, keepEmpty: boolean): string {
  const { type } = field;
  if (type.kind === 'scalar' && !type.via) {
    if (type.scalar === 'string') return `if (typeof x !== 'string') throw lib.fault; ${local} = x;`;
    if (type.scalar === 'bool') return `if (typeof x !== 'boolean') throw lib.fault; ${local} = x;`;
    if (type.scalar === 'int32') return `if (typeof x !== 'number' || (x | 0) !== x) throw lib.fault; ${local} = x;`;
  }
  const convert = `${local} = ${convertExpression(type, scope, 'x')};`;
  return keepEmpty && type.kind === 'list' && !field.omitEmpty
    ? `${convert} if (${local} === undefined) ${local} = [];`
    : convert;
}

// Go's rules: omitempty drops 0, "", false and empty lists and maps, never a struct; a pointer only when it is nil.
function writeField(field: FieldSchema, local: string, target: string, scope: Scope): string {
  const { type } = field;
  const ifPresent = `if (${local} !== undefined) ${target} = ${local};`;
  if (field.pointer) return field.omitEmpty ? ifPresent : `${target} = ${local} === undefined ? null : ${local};`;
  if (type.kind === 'list' || type.kind === 'map') {
    return field.omitEmpty ? ifPresent : `${target} = ${local} === undefined ? null : ${local};`;
  }
  const zero = `${scope.add(zeroOf(type))}()`;
  if (type.kind === 'struct') return `${target} = ${local} === undefined ? ${zero} : ${local};`;
  const always = `${target} = ${local} === undefined ? ${zero} : ${local};`;
  switch (type.scalar) {
    case 'string':
      return field.omitEmpty
        ? `if (${local}) ${target} = ${local};`
        : `${target} = ${local} === undefined ? '' : ${local};`;
    case 'bool':
      return field.omitEmpty ? `if (${local}) ${target} = ${local};` : `${target} = ${local} === true;`;
    case 'int32':
    case 'int64':
    case 'double':
      return field.omitEmpty ? `if (${local}) ${target} = ${local};` : `${target} = ${local} || 0;`;
    case 'bytes':
      return field.omitEmpty ? `if (${local}) ${target} = ${local};` : always;
    case 'Time':
    case 'MicroTime': {
      const none = type.scalar === 'Time' ? zeroTime : zeroMicroTime;
      const absent = `${local} === undefined || ${local} === '${none}'`;
      return field.omitZero ? `if (!(${absent})) ${target} = ${local};` : `${target} = ${absent} ? null : ${local};`;
    }
    default:
      return always;
  }
}
