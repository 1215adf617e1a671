// How objects become protobuf: a function for each type, put together from the type facts on first use. Writers run
// backwards, from the last field to the first.
import { BugError } from '../base/assert.ts';
import { jsonText } from '../base/json-text.ts';
import type { WholeNumber } from '../base/whole-number.ts';
import { isCanonicalPart } from './canonical-part.ts';
import { nothing, type Plain, schemaVariantOf, wireTypeOf, zeroMessage, zeroOf } from './proto-wire-type.ts';
import { type ProtoWriter, writeField, writeMessage } from './proto-writer.ts';
import { parseDuration } from './scalar.ts';
import { type FieldSchema, schemaOf, type TypeRef } from './schema.ts';

/** Writes what stands between a field's tag and the next field, in reverse. */
type Write = (w: ProtoWriter, value: any) => void;

export interface ProtoWriteCodec {
  /** Writes the fields of a canonical object. */
  write: (w: ProtoWriter, object: Plain) => void;
}

const codecs = new Map<string, ProtoWriteCodec>();

/** Writes nothing until first used, so that types may contain themselves. */
export function writeCodecOf(typeName: string): ProtoWriteCodec {
  let codec = codecs.get(typeName);
  if (!codec) {
    const made: ProtoWriteCodec = {
      write(w, object) {
        made.write = buildWrite(typeName);
        made.write(w, object);
      },
    };
    codec = made;
    codecs.set(typeName, codec);
  }
  return codec;
}

// Generated code reads each field by name, which is three times as fast as a loop over field names.
function buildWrite(typeName: string): ProtoWriteCodec['write'] {
  const schema = schemaOf(typeName);
  const names = ['nothing'];
  const values: unknown[] = [nothing];
  const add = (value: unknown): string => {
    names.push(`$${values.length}`);
    values.push(value);
    return names.at(-1)!;
  };
  const parts: [number, string][] = schema.inline.map(({ type, proto: [number] }) => {
    const codec = add(writeCodecOf(type));
    return [number, `size = w.size; ${codec}.write(w, o); w.varint(w.size - size); w.varint(${number * 8 + 2});`];
  });
  for (const f of schema.fields) if (f.proto) parts.push([f.proto[0], fieldCode(f, add)]);
  const body = parts.sort((a, b) => b[0] - a[0]).map(([, code]) => code);
  const code = `return function write${schema.shortName}(w, o) { let x, i, size; ${body.join('\n')} }`;
  return new Function(...names, code)(...values) as ProtoWriteCodec['write'];
}

/** The statement that writes one field of `o`. */
function fieldCode(f: FieldSchema, add: (value: unknown) => string): string {
  const [number, , , , wrapper] = f.proto!;
  const { type, pointer } = f;
  const read = `x = o[${JSON.stringify(f.name)}];`;
  if (type.kind === 'list' && !wrapper) {
    // JSON that is null is no bytes.
    const zero = add(zeroOf(type.item) ?? zeroMessage);
    const tag = number * 8 + wireTypeOf(type.item);
    const item = valueCode(type.item, `(x[i] ?? ${zero})`, add);
    const loop = `for (i = x.length - 1; i >= 0; i--) { ${item} w.varint(${tag}); }`;
    if (type.item.kind !== 'struct') return `${read} if (x) ${loop}`;
    const kept = add(new KeptLists());
    return `${read} if (x && !${kept}.wrote(w, x)) { const from = w.size; ${loop} ${kept}.keep(w, x, from); }`;
  }
  const tag = number * 8 + wireTypeOf(type);
  if (type.kind === 'map') return `${read} if (x) ${add(mapWriter(tag, type.value))}(w, x);`;
  const write = wrapper ? `${add(wrappedWriter(type))}(w, x);` : valueCode(type, 'x', add);
  const zero = zeroOf(type);
  const present = `{ ${write} w.varint(${tag}); }`;
  if (pointer || zero === undefined) return `${read} if (x !== undefined && x !== null) ${present}`;
  return `${read} if (x === undefined || x === null) x = ${add(zero)}; ${present}`;
}

const shortestKept = 2;

/** The bytes of canonical lists, made once. */
class KeptLists {
  readonly #bytes = new WeakMap<object, Buffer>();

  /** True when they were there to be written. */
  wrote(w: ProtoWriter, list: readonly unknown[]): boolean {
    const bytes = list.length < shortestKept ? undefined : this.#bytes.get(list);
    if (bytes) w.raw(bytes);
    return bytes !== undefined;
  }

  keep(w: ProtoWriter, list: readonly unknown[], from: number): void {
    if (list.length >= shortestKept && isCanonicalPart(list)) this.#bytes.set(list, w.since(from));
  }
}

function valueCode(type: TypeRef, x: string, add: (value: unknown) => string): string {
  if (type.kind === 'struct')
    return `size = w.size; ${add(writeCodecOf(type.name))}.write(w, ${x}); w.varint(w.size - size);`;
  if (type.kind === 'scalar' && !type.via) {
    if (type.scalar === 'string') return `w.string(${x});`;
    if (type.scalar === 'bool') return `w.varint(${x} ? 1 : 0);`;
    if (type.scalar === 'int32') return `w.int(${x});`;
    if (type.scalar === 'int64') return `w.int64(${x});`;
  }
  return `${add(valueWriter(type))}(w, ${x});`;
}

function mapWriter(tag: number, value: TypeRef): (w: ProtoWriter, map: Plain) => void {
  // A named list of strings is a message of its own inside a map.
  const write = value.kind === 'list' ? wrappedWriter(value) : valueWriter(value);
  const valueTag = 2 * 8 + wireTypeOf(value);
  const zero = zeroOf(value);
  return (w, map) => {
    const keys = Object.keys(map);
    if (!inOrder(keys)) keys.sort();
    for (let i = keys.length - 1; i >= 0; i--) {
      const before = w.size;
      write(w, map[keys[i]!] ?? zero);
      w.varint(valueTag);
      w.string(keys[i]!);
      w.varint(10);
      w.varint(w.size - before);
      w.varint(tag);
    }
  };
}

// As they are in canonical objects.
function inOrder(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) if (keys[i]! < keys[i - 1]!) return false;
  return true;
}

/** A list in a message of its own: `{ 1: items }`. */
function wrappedWriter(type: TypeRef): Write {
  if (type.kind !== 'list') throw new BugError('protobuf: only lists are wrapped');
  const write = valueWriter(type.item);
  const tag = 8 + wireTypeOf(type.item);
  return (w, list: unknown[]) => {
    const before = w.size;
    for (let i = list.length - 1; i >= 0; i--) {
      write(w, list[i]);
      w.varint(tag);
    }
    w.varint(w.size - before);
  };
}

function sized(content: Write): Write {
  return (w, value) => {
    const before = w.size;
    if (value !== zeroMessage) content(w, value);
    w.varint(w.size - before);
  };
}

const writeTime = sized((w, text: string) => {
  if (text !== parsed.text) parsed = parseTime(text);
  w.int(parsed.nanos);
  w.varint(16);
  w.int(parsed.seconds);
  w.varint(8);
});

// The last one: an object has the time of its creation more than once, and the next is made in the same second.
let parsed = { text: '', seconds: 0, nanos: 0 };

function parseTime(text: string): typeof parsed {
  const seconds = Math.floor(Date.parse(text) / 1000);
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  return { text, seconds, nanos: Number(fraction.padEnd(9, '0').slice(0, 9)) };
}

const rawBytes = new WeakMap<object, Buffer>();

const writeRaw = sized((w, value) => {
  w.bytes(value instanceof Uint8Array ? value : jsonBytesOf(value));
  w.varint(10);
});

function jsonBytesOf(value: unknown): Buffer {
  const kept = typeof value === 'object' && value !== null && isCanonicalPart(value) ? value : undefined;
  const known = kept && rawBytes.get(kept);
  if (known) return known;
  const bytes = Buffer.from(jsonText(value));
  if (kept) rawBytes.set(kept, bytes);
  return bytes;
}

const scalarWriters: Record<string, Write> = {
  string: (w, value: string) => w.string(value),
  int32: (w, value: number) => w.int(value),
  int64: (w, value: WholeNumber) => w.int64(value),
  bool: (w, value: boolean) => w.varint(value ? 1 : 0),
  double: (w, value: number) => w.double(value),
  bytes: (w, value: string) => w.bytes(Buffer.from(value, 'base64')),
  Time: writeTime,
  MicroTime: writeTime,
  Duration: sized((w, value: string) => {
    w.int(parseDuration(value));
    w.varint(8);
  }),
  Quantity: sized((w, value: string) => {
    w.string(value);
    w.varint(10);
  }),
  IntOrString: sized((w, value: string | number) => {
    const text = typeof value === 'string';
    w.string(text ? value : '');
    w.varint(26);
    w.int(text ? 0 : value);
    w.varint(16);
    w.varint(text ? 1 : 0);
    w.varint(8);
  }),
  RawExtension: writeRaw,
  object: writeRaw,
  any: writeRaw,
};

function valueWriter(type: TypeRef): Write {
  if (type.kind === 'struct') {
    const codec = writeCodecOf(type.name);
    return sized((w, value) => codec.write(w, value));
  }
  if (type.kind === 'list') return wrappedWriter(type);
  if (type.kind === 'map') throw new BugError('protobuf: a map has no message of its own');
  const variant = schemaVariantOf(type);
  return variant ? variantWriter(variant) : scalarWriters[type.scalar]!;
}

// JSON Schema's fields that are one type or another.
function variantWriter({ other, schema }: { other: string; schema: string }): Write {
  const props = writeCodecOf(schema);
  const writeProps = (w: ProtoWriter, number: number, value: Plain) =>
    writeMessage(w, number, () => props.write(w, value));
  return sized((w, value) => {
    if (typeof value === 'boolean') writeBool(w, value);
    else if (Array.isArray(value)) {
      for (const item of value.toReversed())
        if (typeof item === 'string') writeField(w, 2, () => w.string(item));
        else writeProps(w, 2, item as Plain);
    } else {
      writeProps(w, other === 'Bool' ? 2 : 1, value as Plain);
      if (other === 'Bool') writeBool(w, true);
    }
  });
}

function writeBool(w: ProtoWriter, value: boolean): void {
  w.varint(value ? 1 : 0);
  w.varint(8);
}
