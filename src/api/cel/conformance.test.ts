// The published vectors of google/cel-spec (Apache-2.0), less those about protobuf messages and about unchecked
// expressions: neither exists in Kubernetes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { compile } from './compile.ts';
import { equals } from './equal.ts';
import { parseDuration, parseTimestamp } from './time.ts';
import * as t from './type.ts';
import { CelList, CelTypeValue, CelUint, type CelValue, ValueMap } from './value.ts';

interface WireValue {
  int64Value?: string;
  uint64Value?: string;
  doubleValue?: number | string;
  stringValue?: string;
  boolValue?: boolean;
  nullValue?: null;
  bytesValue?: string;
  typeValue?: string;
  listValue?: { values?: WireValue[] };
  mapValue?: { entries?: { key: WireValue; value: WireValue }[] };
  objectValue?: { '@type': string; value: string };
}
interface WireType {
  primitive?: string;
  wellKnown?: string;
  null?: null;
  listType?: { elemType: WireType };
  mapType?: { keyType: WireType; valueType: WireType };
  abstractType?: { name: string; parameterTypes?: WireType[] };
}
interface Vector {
  suite: string;
  name: string;
  expr: string;
  typeEnv?: { name: string; ident?: { type: WireType }; function?: object }[];
  bindings?: Record<string, { value: WireValue }>;
  value?: WireValue;
  evalError?: boolean;
  checkOnly?: boolean;
  typedResult?: { result?: WireValue };
}

function celValue(v: WireValue): CelValue {
  if (v.int64Value !== undefined) return BigInt(v.int64Value);
  if (v.uint64Value !== undefined) return new CelUint(BigInt(v.uint64Value));
  if (v.doubleValue !== undefined) return Number(v.doubleValue);
  if (v.stringValue !== undefined) return v.stringValue;
  if (v.boolValue !== undefined) return v.boolValue;
  if (v.bytesValue !== undefined) return new Uint8Array(Buffer.from(v.bytesValue, 'base64'));
  if (v.typeValue !== undefined) return new CelTypeValue(v.typeValue);
  if (v.listValue) return CelList.of((v.listValue.values ?? []).map(celValue));
  if (v.mapValue) {
    const map = new ValueMap();
    for (const e of v.mapValue.entries ?? []) map.set(celValue(e.key), celValue(e.value));
    return map;
  }
  if (!v.objectValue) return null;
  const { '@type': type, value } = v.objectValue;
  return type.endsWith('Timestamp') ? parseTimestamp(value) : parseDuration(value);
}

const PRIMITIVE: Record<string, t.CelType> = {
  INT64: t.int,
  UINT64: t.uint,
  DOUBLE: t.double,
  BOOL: t.bool,
  STRING: t.string,
  BYTES: t.bytes,
};
function typeOf(type: WireType | undefined): t.CelType {
  if (type?.primitive) return PRIMITIVE[type.primitive]!;
  if (type?.listType) return t.list(typeOf(type.listType.elemType));
  if (type?.mapType) return t.map(typeOf(type.mapType.keyType), typeOf(type.mapType.valueType));
  if (type?.wellKnown === 'TIMESTAMP') return t.timestamp;
  if (type?.wellKnown === 'DURATION') return t.duration;
  if (type?.abstractType?.name === 'optional_type') return t.optional(typeOf(type.abstractType.parameterTypes?.[0]));
  return type && 'null' in type ? t.nullType : t.dyn;
}

function failure(v: Vector): string | undefined {
  const variables: Record<string, t.CelType> = {};
  for (const e of v.typeEnv ?? []) if (e.ident) variables[e.name] = typeOf(e.ident.type);
  const bindings: Record<string, unknown> = {};
  for (const [name, { value }] of Object.entries(v.bindings ?? {})) {
    variables[name] ??= t.dyn;
    bindings[name] = () => celValue(value);
  }
  const { program, error } = compile(v.expr, { variables, mixedLiterals: true, bindings: true });
  if (!program) return v.evalError ? undefined : error.message;
  if (v.checkOnly) return undefined;
  const result = program.evaluate(bindings);
  if (!result.ok) return v.evalError ? undefined : result.error.message;
  if (v.evalError) return 'no error';
  const wanted = celValue(v.value ?? v.typedResult?.result ?? { boolValue: true });
  if (Number.isNaN(wanted)) return Number.isNaN(result.value) ? undefined : 'not NaN';
  return equals(result.value, wanted) ? undefined : `gives ${String(result.value)}`;
}

// Kubernetes has an older version of the extension for strings, of which kubernetes.test.ts knows what it gives: numbers
// are written as in English, what lies in lists and maps as it is written in an expression, and who searches behind the
// end finds nothing.
const otherwise: ReadonlySet<string> = new Set([
  'string_ext/format/NaN support for decimal',
  'string_ext/format/NaN support for scientific notation',
  'string_ext/format/default precision for scientific notation',
  'string_ext/format/dyntype NaN/infinity support',
  'string_ext/format/dyntype support for lists',
  'string_ext/format/dyntype support for maps',
  'string_ext/format/dyntype support for scientific notation',
  'string_ext/format/list support for string',
  'string_ext/format/map support (all key types)',
  'string_ext/format/map support for string',
  'string_ext/format/negative infinity support for decimal',
  'string_ext/format/negative infinity support for fixed-point',
  'string_ext/format/negative infinity support for scientific notation',
  'string_ext/format/positive infinity support for decimal',
  'string_ext/format/positive infinity support for fixed-point',
  'string_ext/format/positive infinity support for scientific notation',
  'string_ext/format/scientific notation formatting clause',
  'string_ext/format/scientific notation formatting clause in a string variable',
  'string_ext/value_errors/indexof_out_of_range',
  'string_ext/value_errors/lastindexof_out_of_range',
]);

test('all vectors that need no functions of their own pass', () => {
  const all = JSON.parse(readFileSync(new URL('testdata/conformance.json', import.meta.url), 'utf8')) as Vector[];
  const vectors = all.filter(v => !v.typeEnv?.some(e => e.function));
  const nameOf = (v: Vector) => `${v.suite}/${v.name}`;
  const failed = vectors.flatMap(v => {
    const why = failure(v);
    return why === undefined || otherwise.has(nameOf(v)) ? [] : [`${nameOf(v)}: ${v.expr}: ${why}`];
  });
  assert.deepEqual(failed, []);
  const deviating = vectors.filter(v => otherwise.has(nameOf(v)) && failure(v) !== undefined);
  assert.deepEqual(new Set(deviating.map(nameOf)), otherwise);
  assert.equal(vectors.length, 1310);
});
