// A protobuf codec driven by a protobufjs JSON descriptor: field names as in the protocol, enums as names, 64-bit
// integers as numbers, bytes as Buffers. Decoded messages always carry their scalar, list and map fields (proto3
// defaults filled in, the empty ones shared and frozen); message fields only when present. Unknown fields are skipped.
import { assert, must } from '../base/assert.ts';

export interface FieldDescriptor {
  readonly type: string;
  readonly id: number;
  readonly rule?: string;
  readonly keyType?: string;
}
export interface TypeDescriptor {
  readonly fields?: Readonly<Record<string, FieldDescriptor>>;
  readonly values?: Readonly<Record<string, number>>;
  readonly nested?: Readonly<Record<string, TypeDescriptor>>;
}
export interface MessageCodec<T extends object = object> {
  encode(message: T): Buffer;
  decode(bytes: Uint8Array): T;
}

interface Scalar {
  readonly wire: 0 | 1 | 2 | 5;
  readonly zero: unknown;
  write(value: any, out: Writer): void;
  read(input: Reader): unknown;
}
interface Field {
  readonly name: string;
  readonly id: number;
  readonly tag: number;
  readonly repeated: boolean;
  readonly packed: boolean;
  readonly scalar: Scalar | undefined;
  message: Message | undefined;
  readonly mapKey: Scalar | undefined;
}
interface Message {
  readonly fields: Field[];
  readonly byId: (Field | undefined)[];
  defaults: Record<string, unknown>;
}

/** Grows as needed; one is shared by all encoders, because encoding never yields. */
class Writer {
  bytes = Buffer.allocUnsafe(16 * 1024);
  at = 0;

  reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + count));
    this.bytes.copy(grown, 0, 0, this.at);
    this.bytes = grown;
  }

  /** Any integer a double holds exactly; negative ones as ten bytes of two's complement. */
  varint(value: number): void {
    this.reserve(10);
    if (value < 0) {
      this.bigVarint(BigInt.asUintN(64, BigInt(value)));
      return;
    }
    let rest = value;
    while (rest >= 0x80) {
      this.bytes[this.at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.at++] = rest;
  }

  bigVarint(value: bigint): void {
    let rest = value;
    for (; rest >= 0x80n; rest >>= 7n) this.bytes[this.at++] = Number(rest & 0x7fn) | 0x80;
    this.bytes[this.at++] = Number(rest);
  }

  raw(value: Uint8Array): void {
    this.varint(value.length);
    this.reserve(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.varint(length);
    this.reserve(length);
    this.at += this.bytes.write(value, this.at, 'utf8');
  }

  /** Writes what `body` writes, prefixed by its length. */
  delimited(body: () => void): void {
    this.reserve(1);
    const start = ++this.at;
    body();
    const length = this.at - start;
    if (length < 0x80) {
      this.bytes[start - 1] = length;
      return;
    }
    const extra = (length < 2 ** 14 ? 2 : length < 2 ** 21 ? 3 : length < 2 ** 28 ? 4 : 5) - 1;
    this.reserve(extra);
    this.bytes.copyWithin(start + extra, start, this.at);
    this.at = start - 1;
    this.varint(length);
    this.at += length;
  }
}

class Reader {
  readonly bytes: Buffer;
  at = 0;
  end: number;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.end = bytes.length;
  }

  /** The varint's low and high 32 bits as `low + high * 2^32`, unsigned. */
  varint(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      assert(this.at < this.end, 'protobuf: truncated varint');
      const byte = this.bytes[this.at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
  }

  signedVarint(): number {
    const start = this.at;
    const value = this.varint();
    if (value < 2 ** 63) return value;
    // Beyond a double's precision: negative, read it exactly.
    let exact = 0n;
    for (let i = this.at - 1; i >= start; i--) exact = (exact << 7n) | BigInt(this.bytes[i]! & 0x7f);
    return Number(BigInt.asIntN(64, exact));
  }

  span(): number {
    const length = this.varint();
    assert(this.at + length <= this.end, 'protobuf: truncated field');
    return this.at + length;
  }

  skip(wire: number): void {
    if (wire === 0) this.varint();
    else if (wire === 1) this.at += 8;
    else if (wire === 2) this.at = this.span();
    else if (wire === 5) this.at += 4;
    else assert(false, `protobuf: wire type ${wire}`);
  }
}

const unsigned: Scalar = { wire: 0, zero: 0, write: (v: number, out) => out.varint(v), read: input => input.varint() };
const signed: Scalar = { ...unsigned, read: input => input.signedVarint() };
const scalars: Readonly<Record<string, Scalar>> = {
  int32: signed,
  int64: signed,
  uint32: unsigned,
  uint64: unsigned,
  bool: {
    wire: 0,
    zero: false,
    write: (v: boolean, out) => out.varint(v ? 1 : 0),
    read: input => input.varint() !== 0,
  },
  string: {
    wire: 2,
    zero: '',
    write: (v: string, out) => out.text(v),
    read: input => {
      const end = input.span();
      const text = input.bytes.toString('utf8', input.at, end);
      input.at = end;
      return text;
    },
  },
  bytes: {
    wire: 2,
    zero: Buffer.alloc(0),
    write: (v: Uint8Array, out) => out.raw(v),
    read: input => {
      const end = input.span();
      const bytes = input.bytes.subarray(input.at, end);
      input.at = end;
      return bytes;
    },
  },
  double: {
    wire: 1,
    zero: 0,
    write: (v: number, out) => {
      out.reserve(8);
      out.at = out.bytes.writeDoubleLE(v, out.at);
    },
    read: input => {
      input.at += 8;
      return input.bytes.readDoubleLE(input.at - 8);
    },
  },
};

function enumScalar(values: Readonly<Record<string, number>>): Scalar {
  const names = new Map(Object.entries(values).map(([name, value]) => [value, name]));
  return {
    wire: 0,
    zero: names.get(0) ?? 0,
    write: (v: string | number, out) =>
      out.varint(typeof v === 'number' ? v : must(values[v], `protobuf: no enum value ${v}`)),
    read: input => {
      const value = input.signedVarint();
      return names.get(value) ?? value;
    },
  };
}

function encodeMessage(message: Message, value: Record<string, any>, out: Writer): void {
  for (const field of message.fields) {
    const v = value[field.name];
    if (v === undefined || v === null) continue;
    if (field.mapKey) encodeMap(field, v, out);
    else if (field.repeated) encodeList(field, v, out);
    else if (field.scalar) {
      if (v === field.scalar.zero || (field.scalar === scalars.bytes && v.length === 0)) continue;
      out.varint(field.tag);
      field.scalar.write(v, out);
    } else {
      out.varint(field.tag);
      out.delimited(() => encodeMessage(field.message!, v, out));
    }
  }
}

function encodeValue(field: Field, value: any, out: Writer): void {
  if (field.scalar) field.scalar.write(value, out);
  else out.delimited(() => encodeMessage(field.message!, value, out));
}

function encodeList(field: Field, values: readonly any[], out: Writer): void {
  if (values.length === 0) return;
  if (!field.packed) {
    for (const value of values) {
      out.varint(field.tag);
      encodeValue(field, value, out);
    }
    return;
  }
  out.varint(field.tag);
  out.delimited(() => {
    for (const value of values) field.scalar!.write(value, out);
  });
}

function encodeMap(field: Field, entries: Record<string, any>, out: Writer): void {
  for (const key of Object.keys(entries)) {
    out.varint(field.tag);
    out.delimited(() => {
      out.varint((1 << 3) | field.mapKey!.wire);
      field.mapKey!.write(key, out);
      out.varint((2 << 3) | (field.scalar?.wire ?? 2));
      encodeValue(field, entries[key], out);
    });
  }
}

function decodeMessage(message: Message, input: Reader, end: number): Record<string, any> {
  const out: Record<string, any> = { ...message.defaults };
  const outerEnd = input.end;
  input.end = end;
  while (input.at < end) {
    const tag = input.varint();
    const field = message.byId[tag >>> 3];
    if (!field) input.skip(tag & 7);
    else if (field.mapKey) decodeEntry(field, input, out);
    else if (field.repeated) decodeRepeated(field, tag & 7, input, out);
    else out[field.name] = decodeValue(field, input);
  }
  input.end = outerEnd;
  return out;
}

function decodeValue(field: Field, input: Reader): unknown {
  return field.scalar ? field.scalar.read(input) : decodeMessage(field.message!, input, input.span());
}

function decodeRepeated(field: Field, wire: number, input: Reader, out: Record<string, any>): void {
  if (out[field.name] === noItems) out[field.name] = [];
  const list: unknown[] = out[field.name];
  if (field.scalar && wire === 2 && field.scalar.wire !== 2) {
    const end = input.span();
    while (input.at < end) list.push(field.scalar.read(input));
  } else list.push(decodeValue(field, input));
}

function decodeEntry(field: Field, input: Reader, out: Record<string, any>): void {
  if (out[field.name] === noEntries) out[field.name] = {};
  const end = input.span();
  let key: unknown = field.mapKey!.zero;
  let value: unknown = field.scalar?.zero;
  while (input.at < end) {
    const tag = input.varint();
    if (tag >>> 3 === 1) key = field.mapKey!.read(input);
    else if (tag >>> 3 === 2) value = decodeValue(field, input);
    else input.skip(tag & 7);
  }
  out[field.name][String(key)] = value ?? { ...field.message?.defaults };
}

const noItems: readonly unknown[] = Object.freeze([]);
const noEntries: Readonly<Record<string, unknown>> = Object.freeze({});
const writer = new Writer();

/** Compiles the messages of one package; `codec(name)` fails on a name it does not hold. */
export function compileMessages(
  types: Readonly<Record<string, TypeDescriptor>>,
): <T extends object>(name: string) => MessageCodec<T> {
  const messages = new Map<string, Message>();
  const compile = (name: string): Message => {
    const known = messages.get(name);
    if (known) return known;
    const descriptor = must(types[name]?.fields && types[name], `protobuf: no message ${name}`);
    const message: Message = { fields: [], byId: [], defaults: {} };
    messages.set(name, message);
    for (const [fieldName, field] of Object.entries(descriptor.fields ?? {})) {
      const values = (descriptor.nested?.[field.type] ?? types[field.type])?.values;
      const scalar = scalars[field.type] ?? (values && enumScalar(values));
      const repeated = field.rule === 'repeated';
      const packed = repeated && scalar !== undefined && scalar.wire !== 2;
      const mapKey = field.keyType === undefined ? undefined : must(scalars[field.keyType], `map key ${field.keyType}`);
      const wire = mapKey || packed ? 2 : (scalar?.wire ?? 2);
      const compiled: Field = {
        name: fieldName,
        id: field.id,
        tag: field.id * 8 + wire,
        repeated,
        packed,
        scalar,
        message: scalar ? undefined : compile(field.type),
        mapKey,
      };
      message.fields.push(compiled);
      message.byId[field.id] = compiled;
      if (mapKey) message.defaults[fieldName] = noEntries;
      else if (repeated) message.defaults[fieldName] = noItems;
      else if (scalar) message.defaults[fieldName] = scalar.zero;
    }
    return message;
  };
  return <T extends object>(name: string): MessageCodec<T> => {
    const message = compile(name);
    return {
      encode(value) {
        writer.at = 0;
        encodeMessage(message, value as Record<string, any>, writer);
        return Buffer.from(writer.bytes.subarray(0, writer.at));
      },
      decode(bytes) {
        const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
        return decodeMessage(message, new Reader(buffer), buffer.length) as T;
      },
    };
  };
}
