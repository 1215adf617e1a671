// Kubernetes' protobuf form: `k8s\0`, then runtime.Unknown around the object. Encoders and decoders are put together from
// the type facts on first use.
import { BugError } from '../base/assert.ts';
import { parseJson } from './decode.ts';
import type { KubeObject, Mutable } from './meta.ts';
import { normalize } from './normalize.ts';
import { setKey } from './patch/plain.ts';
import { ProtoReader } from './proto-reader.ts';
import { ProtoWriter } from './proto-writer.ts';
import { builtinResources } from './resource.ts';
import { formatDuration, parseDuration } from './scalar.ts';
import { type FieldSchema, isTypeName, schemaOf, type TypeRef } from './schema.ts';
import { badRequest } from './status.ts';

type Plain = Record<string, unknown>;
/** Writes what stands between a field's tag and the next field, in reverse. */
type Write = (w: ProtoWriter, value: any) => void;
type Read = (r: ProtoReader) => unknown;
type WriteFields = (w: ProtoWriter, object: Plain) => void;

interface Codec {
  write: WriteFields;
  read: (r: ProtoReader, end: number) => Plain;
}

const magic = Buffer.from('k8s\0');
const writer = new ProtoWriter();

/** The object in its envelope. `object` is canonical (see normalize); its kind and apiVersion go into the envelope. */
export function encodeProtobuf(typeName: string, object: KubeObject): Uint8Array {
  try {
    field(writer, 4, () => writer.varint(0));
    field(writer, 3, () => writer.varint(0));
    message(writer, 2, () => codecOf(typeName).write(writer, object as unknown as Plain));
    message(writer, 1, () => {
      field(writer, 2, () => writer.string(object.kind ?? ''));
      field(writer, 1, () => writer.string(object.apiVersion ?? ''));
    });
    writer.raw(magic);
    return writer.take();
  } finally {
    writer.reset();
  }
}

const itemTag = 2 * 8 + 2;

/**
 * The object as an item of its list (field 2), bare: tag, length, message. `message` is a view of the message alone, to
 * be put into an envelope.
 */
export function encodeProtobufItem(typeName: string, object: KubeObject): { item: Buffer; message: Buffer } {
  try {
    codecOf(typeName).write(writer, object as unknown as Plain);
    const size = writer.size;
    writer.varint(size);
    writer.varint(itemTag);
    const item = writer.take();
    return { item, message: item.subarray(item.length - size) };
  } finally {
    writer.reset();
  }
}

/** What stands around a message of `size` bytes that is written elsewhere. */
export function protobufEnvelope(
  typeMeta: { apiVersion: string; kind: string },
  size: number,
): { head: Buffer; tail: Buffer } {
  try {
    writer.varint(size);
    writer.varint(2 * 8 + 2);
    message(writer, 1, () => {
      field(writer, 2, () => writer.string(typeMeta.kind));
      field(writer, 1, () => writer.string(typeMeta.apiVersion));
    });
    writer.raw(magic);
    return { head: writer.take(), tail: envelopeTail };
  } finally {
    writer.reset();
  }
}

// Content encoding and content type, both empty.
const envelopeTail = Buffer.from([3 * 8 + 2, 0, 4 * 8 + 2, 0]);

/** A watch event around the bytes of an enveloped object, as it stands in a length-delimited watch stream. */
export function encodeProtobufWatchEvent(type: string, object: Uint8Array): Uint8Array {
  message(writer, 2, () => field(writer, 1, () => writer.bytes(object)));
  field(writer, 1, () => writer.string(type));
  return writer.take();
}

export const isProtobuf = (bytes: Uint8Array): boolean => magic.equals(bytes.subarray(0, 4));

/** Throws a StatusError (400) for bytes that do not decode or a kind that is not known. `typeName` overrides the kind's. */
export function decodeProtobuf(
  bytes: Uint8Array,
  typeName?: string,
): { typeMeta: { apiVersion: string; kind: string }; object: Mutable<KubeObject> } {
  if (!isProtobuf(bytes))
    throw badRequest('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  const { apiVersion, kind, raw } = readEnvelope(new ProtoReader(bytes.subarray(4)));
  const name = typeName ?? typeNameOf(apiVersion, kind);
  if (nesting >= mostNesting) throw badRequest('exceeded max depth');
  nesting++;
  try {
    const reader = new ProtoReader(raw);
    const fields = codecOf(name).read(reader, raw.length);
    // The only kind with messages in messages of the same type.
    if (kind === 'CustomResourceDefinition') checkDepth(fields, 0);
    const object = normalize(name, { kind, apiVersion, ...fields });
    return { typeMeta: { apiVersion, kind }, object };
  } catch (error) {
    throw error instanceof RangeError ? badRequest('exceeded max depth') : error;
  } finally {
    nesting--;
  }
}

// Objects in raw extensions of objects, and messages in messages: everything that walks a value recurses.
const mostNesting = 16;
let nesting = 0;
const maxDepth = 1000;

function checkDepth(value: unknown, depth: number): void {
  if (depth > maxDepth) throw badRequest('exceeded max depth');
  for (const key in value as object) {
    const child = (value as Plain)[key];
    if (typeof child === 'object' && child !== null) checkDepth(child, depth + 1);
  }
}

function readEnvelope(r: ProtoReader): { apiVersion: string; kind: string; raw: Buffer } {
  const out: { apiVersion: string; kind: string; raw: Buffer } = { apiVersion: '', kind: '', raw: Buffer.alloc(0) };
  readFields(r, r.length, (number, wire) => {
    if (number === 1 && wire === 2) {
      readFields(r, r.end(), (inner, innerWire) => {
        if (inner === 1) out.apiVersion = r.string();
        else if (inner === 2) out.kind = r.string();
        else r.skip(innerWire);
      });
    } else if (number === 2 && wire === 2) out.raw = r.bytes();
    else r.skip(wire);
  });
  return out;
}

function typeNameOf(apiVersion: string, kind: string): string {
  const name = builtinResources().typeNameOf(apiVersion, kind);
  if (name) return name;
  const common = `io.k8s.apimachinery.pkg.apis.meta.v1.${kind}`;
  if (isTypeName(common)) return common;
  throw badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
}

function readFields(r: ProtoReader, end: number, take: (number: number, wireType: number) => void): void {
  while (r.at < end) {
    const tag = r.varint();
    take(Math.floor(tag / 8), tag & 7);
  }
  if (r.at !== end) throw badRequest('proto: message runs past its end');
}

// Writers run backwards: content first, then its length, then its tag.
function message(w: ProtoWriter, number: number, content: () => void): void {
  const before = w.size;
  content();
  w.varint(w.size - before);
  w.varint(number * 8 + 2);
}

function field(w: ProtoWriter, number: number, content: () => void): void {
  content();
  w.varint(number * 8 + 2);
}

const codecs = new Map<string, Codec>();

/** Reads and writes nothing until first used, so that types may contain themselves. */
function codecOf(typeName: string): Codec {
  let codec = codecs.get(typeName);
  if (!codec) {
    const made: Codec = {
      write(w, object) {
        made.write = buildWrite(typeName);
        made.write(w, object);
      },
      read(r, end) {
        made.read = buildRead(typeName);
        return made.read(r, end);
      },
    };
    codec = made;
    codecs.set(typeName, codec);
  }
  return codec;
}

const nothing: Plain = Object.freeze({});

// Generated code reads each field by name, which is three times as fast as a loop over field names.
function buildWrite(typeName: string): WriteFields {
  const schema = schemaOf(typeName);
  const names = ['nothing'];
  const values: unknown[] = [nothing];
  const add = (value: unknown): string => {
    names.push(`$${values.length}`);
    values.push(value);
    return names.at(-1)!;
  };
  const parts: [number, string][] = schema.inline.map(({ type, proto: [number] }) => {
    const codec = add(codecOf(type));
    return [number, `size = w.size; ${codec}.write(w, o); w.varint(w.size - size); w.varint(${number * 8 + 2});`];
  });
  for (const f of schema.fields) if (f.proto) parts.push([f.proto[0], fieldCode(f, add)]);
  const body = parts.sort((a, b) => b[0] - a[0]).map(([, code]) => code);
  const code = `return function write${schema.shortName}(w, o) { let x, i, size; ${body.join('\n')} }`;
  return new Function(...names, code)(...values) as WriteFields;
}

/** The statement that writes one field of `o`. */
function fieldCode(f: FieldSchema, add: (value: unknown) => string): string {
  const [number, , , , wrapper] = f.proto!;
  const { type, pointer } = f;
  const read = `x = o[${JSON.stringify(f.name)}];`;
  if (type.kind === 'list' && !wrapper) {
    const zero = add(zeroOf(type.item) ?? null);
    const tag = number * 8 + wireTypeOf(type.item);
    const item = valueCode(type.item, `(x[i] ?? ${zero})`, add);
    return `${read} if (x) for (i = x.length - 1; i >= 0; i--) { ${item} w.varint(${tag}); }`;
  }
  const tag = number * 8 + wireTypeOf(type);
  if (type.kind === 'map') return `${read} if (x) ${add(mapWriter(tag, type.value))}(w, x);`;
  const write = wrapper ? `${add(wrappedWriter(type))}(w, x);` : valueCode(type, 'x', add);
  const zero = zeroOf(type);
  const present = `{ ${write} w.varint(${tag}); }`;
  if (pointer || zero === undefined) return `${read} if (x !== undefined && x !== null) ${present}`;
  return `${read} if (x === undefined || x === null) x = ${add(zero)}; ${present}`;
}

function valueCode(type: TypeRef, x: string, add: (value: unknown) => string): string {
  if (type.kind === 'struct')
    return `size = w.size; ${add(codecOf(type.name))}.write(w, ${x}); w.varint(w.size - size);`;
  if (type.kind === 'scalar' && !type.via) {
    if (type.scalar === 'string') return `w.string(${x});`;
    if (type.scalar === 'bool') return `w.varint(${x} ? 1 : 0);`;
    if (type.scalar === 'int32' || type.scalar === 'int64') return `w.int(${x});`;
  }
  return `${add(valueWriter(type))}(w, ${x});`;
}

function mapWriter(tag: number, value: TypeRef): (w: ProtoWriter, map: Plain) => void {
  // A named list of strings is a message of its own inside a map.
  const write = value.kind === 'list' ? wrappedWriter(value) : valueWriter(value);
  const valueTag = 2 * 8 + wireTypeOf(value);
  const zero = zeroOf(value);
  return (w, map) => {
    const keys = Object.keys(map).sort();
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

function wireTypeOf(type: TypeRef): number {
  if (type.kind !== 'scalar') return 2;
  if (type.scalar === 'int32' || type.scalar === 'int64' || type.scalar === 'bool') return 0;
  return type.scalar === 'double' ? 1 : 2;
}

/** What an absent value that is no pointer is written as; undefined: it is left out. */
function zeroOf(type: TypeRef): unknown {
  if (type.kind === 'struct') return nothing;
  if (type.kind !== 'scalar') return type.kind === 'list' ? [] : undefined;
  const zeros: Plain = { string: '', int32: 0, int64: 0, double: 0, bool: false, Quantity: '0', IntOrString: 0 };
  const messages: Plain = { Duration: '0s', Time: zeroMessage, MicroTime: zeroMessage, RawExtension: zeroMessage };
  return zeros[type.scalar] ?? messages[type.scalar];
}

/** Stands for a value whose message is empty. */
const zeroMessage = Symbol('zero');

function sized(content: Write): Write {
  return (w, value) => {
    const before = w.size;
    if (value !== zeroMessage) content(w, value);
    w.varint(w.size - before);
  };
}

const writeTime = sized((w, text: string) => {
  const ms = Date.parse(text);
  const seconds = Math.floor(ms / 1000);
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? '';
  w.int(Number(fraction.padEnd(9, '0').slice(0, 9)));
  w.varint(16);
  w.int(seconds);
  w.varint(8);
});

const writeRaw = sized((w, value) => {
  w.bytes(value instanceof Uint8Array ? value : Buffer.from(JSON.stringify(value)));
  w.varint(10);
});

const scalarWriters: Record<string, Write> = {
  string: (w, value: string) => w.string(value),
  int32: (w, value: number) => w.int(value),
  int64: (w, value: number) => w.int(value),
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
    const codec = codecOf(type.name);
    return sized((w, value) => codec.write(w, value));
  }
  if (type.kind === 'list') return wrappedWriter(type);
  if (type.kind === 'map') throw new BugError('protobuf: a map has no message of its own');
  return variantOf(type)?.write ?? scalarWriters[type.scalar]!;
}

// ---- reading

function buildRead(typeName: string): Codec['read'] {
  const schema = schemaOf(typeName);
  const names = ['runsPast'];
  const values: unknown[] = [() => badRequest('proto: message runs past its end')];
  const add = (value: unknown): string => {
    names.push(`$${values.length}`);
    values.push(value);
    return names.at(-1)!;
  };
  const cases = schema.inline.map(
    ({ type, proto }) => `case ${proto[0] * 8 + 2}: Object.assign(o, ${add(codecOf(type))}.read(r, r.end())); break;`,
  );
  for (const f of schema.fields) if (f.proto) cases.push(readCase(f, add));
  const code = `return function read${schema.shortName}(r, end) {
    const o = {};
    while (r.at < end) {
      const tag = r.varint();
      switch (tag) {
        ${cases.join('\n        ')}
        default: r.skip(tag & 7);
      }
    }
    if (r.at !== end) throw runsPast();
    return o;
  }`;
  return new Function(...names, code)(...values) as Codec['read'];
}

function readCase(f: FieldSchema, add: (value: unknown) => string): string {
  const { type } = f;
  const target = `o[${JSON.stringify(f.name)}]`;
  if (type.kind === 'map')
    return `case ${f.proto![0] * 8 + 2}: ${add(mapReader(type.value))}(r, ${target} ??= {}); break;`;
  const isList = type.kind === 'list' && !f.proto![4];
  const item = isList ? type.item : type;
  const tag = f.proto![0] * 8 + wireTypeOf(item);
  const value = readCode(item, add);
  return isList
    ? `case ${tag}: (${target} ??= []).push(${value}); break;`
    : `case ${tag}: ${target} = ${value}; break;`;
}

function readCode(type: TypeRef, add: (value: unknown) => string): string {
  if (type.kind === 'struct') return `${add(codecOf(type.name))}.read(r, r.end())`;
  if (type.kind === 'scalar' && !type.via) {
    if (type.scalar === 'string') return 'r.string()';
    if (type.scalar === 'bool') return 'r.varint() !== 0';
    if (type.scalar === 'int32' || type.scalar === 'int64') return 'r.int()';
  }
  return `${add(valueReader(type))}(r)`;
}

function mapReader(value: TypeRef): (r: ProtoReader, out: Plain) => void {
  const read = valueReader(value);
  const zero = zeroOf(value);
  return (r, out) => {
    let key = '';
    let got: unknown = zero === zeroMessage ? null : zero;
    readFields(r, r.end(), (number, wire) => {
      if (number === 1 && wire === 2) key = r.string();
      else if (number === 2) got = read(r);
      else r.skip(wire);
    });
    setKey(out, key, got);
  };
}

/** Reads a message's fields by number; `take` gives back whether it took the field. */
function messageReader<T>(
  start: () => T,
  take: (r: ProtoReader, number: number, into: T) => boolean,
): (r: ProtoReader) => T {
  return r => {
    const into = start();
    readFields(r, r.end(), (number, wire) => {
      if (!take(r, number, into)) r.skip(wire);
    });
    return into;
  };
}

// Of the years that RFC 3339 can write.
const firstSecond = -62_167_219_200;
const lastSecond = 253_402_300_799;

function timeReader(digits: number): Read {
  const read = messageReader(
    () => ({ seconds: 0, nanos: 0, empty: true }),
    (r, number, into) => {
      if (number !== 1 && number !== 2) return false;
      into[number === 1 ? 'seconds' : 'nanos'] = r.int();
      into.empty = false;
      return true;
    },
  );
  return r => {
    const { seconds, nanos, empty } = read(r);
    if (empty) return null;
    if (!(seconds >= firstSecond && seconds <= lastSecond)) throw badRequest('Time: year outside of range [0,9999]');
    const text = new Date(seconds * 1000).toISOString().slice(0, 19);
    return digits
      ? `${text}.${String(Math.abs(nanos) % 1e9)
          .padStart(9, '0')
          .slice(0, digits)}Z`
      : `${text}Z`;
  };
}

const readText = messageReader(
  () => ({ text: '' }),
  (r, number, into) => {
    if (number !== 1) return false;
    into.text = r.string();
    return true;
  },
);

const readIntOrString = messageReader(
  () => ({ type: 0, int: 0, text: '' }),
  (r, number, into) => {
    if (number === 1) into.type = r.int();
    else if (number === 2) into.int = r.int();
    else if (number === 3) into.text = r.string();
    else return false;
    return true;
  },
);

const readRawBytes = messageReader(
  () => ({ raw: undefined as Buffer | undefined }),
  (r, number, into) => {
    if (number !== 1) return false;
    into.raw = r.bytes();
    return true;
  },
);

// Raw JSON, or an object in an envelope of its own.
function readRaw(r: ProtoReader): unknown {
  const { raw } = readRawBytes(r);
  if (!raw?.length) return null;
  if (isProtobuf(raw)) return decodeProtobuf(raw).object;
  return parseJson(raw).value;
}

const scalarReaders: Record<string, Read> = {
  string: r => r.string(),
  int32: r => r.int(),
  int64: r => r.int(),
  bool: r => r.varint() !== 0,
  double: r => r.double(),
  bytes: r => r.bytes().toString('base64'),
  Time: timeReader(0),
  MicroTime: timeReader(6),
  Duration: messageReader(
    () => ({ ns: 0 }),
    (r, number, into) => {
      if (number !== 1) return false;
      into.ns = r.int();
      return true;
    },
  ),
  Quantity: r => readText(r).text || '0',
  IntOrString: r => {
    const { type, int, text } = readIntOrString(r);
    return type === 0 ? int : text;
  },
  RawExtension: readRaw,
  object: readRaw,
  any: readRaw,
};
const readDuration = scalarReaders.Duration as (r: ProtoReader) => { ns: number };
scalarReaders.Duration = r => formatDuration(readDuration(r).ns);

function valueReader(type: TypeRef): Read {
  if (type.kind === 'struct') {
    const codec = codecOf(type.name);
    return r => codec.read(r, r.end());
  }
  if (type.kind === 'list') {
    const item = valueReader(type.item);
    return messageReader<unknown[]>(
      () => [],
      (r, number, into) => {
        if (number !== 1) return false;
        into.push(item(r));
        return true;
      },
    );
  }
  if (type.kind === 'map') throw new BugError('protobuf: a map has no message of its own');
  return variantOf(type)?.read ?? scalarReaders[type.scalar]!;
}

// ---- JSON Schema's fields that are one type or another

function variantOf(type: TypeRef & { kind: 'scalar' }): { write: Write; read: Read } | undefined {
  const name = /\.JSONSchemaPropsOr(\w+)$/.exec(type.via ?? '')?.[1];
  if (!name) return undefined;
  const props = codecOf(type.via!.replace(/Or\w+$/, ''));
  const writeProps = (w: ProtoWriter, number: number, value: Plain) => message(w, number, () => props.write(w, value));
  const write = sized((w, value) => {
    if (typeof value === 'boolean') field1(w, value);
    else if (Array.isArray(value)) {
      for (const item of value.toReversed())
        if (typeof item === 'string') field(w, 2, () => w.string(item));
        else writeProps(w, 2, item as Plain);
    } else {
      writeProps(w, name === 'Bool' ? 2 : 1, value as Plain);
      if (name === 'Bool') field1(w, true);
    }
  });
  const read = messageReader<{ value: unknown; schema?: Plain }>(
    () => ({ value: name === 'Bool' ? false : [] }),
    (r, number, into) => {
      if (name === 'Bool' && number === 1) into.value = r.varint() !== 0;
      else if (number === (name === 'Bool' ? 2 : 1)) into.schema = props.read(r, r.end());
      else if (number === 2)
        (into.value as unknown[]).push(name === 'StringArray' ? r.string() : props.read(r, r.end()));
      else return false;
      return true;
    },
  );
  return {
    write,
    read: r => {
      const { value, schema } = read(r);
      return schema ?? value;
    },
  };
}

function field1(w: ProtoWriter, value: boolean): void {
  w.varint(value ? 1 : 0);
  w.varint(8);
}
