// How objects are read from protobuf: a function for each type, put together from the type facts on first use.
import { BugError } from '../base/assert.ts';
import { markCanonical } from './canonical-part.ts';
import { goNameOf } from './go-value.ts';
import { normalize } from './normalize.ts';
import { setKey } from './patch/plain.ts';
import { type MessageShape, messageReader, messageShape, type ProtoReader, truncated } from './proto-reader.ts';
import { type Plain, schemaVariantOf, wireTypeOf, zeroMessage, zeroOf } from './proto-wire-type.ts';
import { Recent } from './recent.ts';
import { formatDuration } from './scalar.ts';
import { type FieldSchema, schemaOf, type TypeRef, type TypeSchema } from './schema.ts';
import { badRequest } from './status.ts';

type Read = (r: ProtoReader) => unknown;

export interface ProtoReadCodec {
  /** Reads the fields that stand before `end`, in the order they come in. */
  read: (r: ProtoReader, end: number) => Plain;
}

type Add = (value: unknown) => string;

/** `readRaw` makes a value of what stands in a raw extension: JSON, or an object in an envelope of its own. */
export class ProtoReadCodecs {
  readonly #codecs = new Map<string, ProtoReadCodec>();
  readonly #scalars: Record<string, Read>;

  constructor(readRaw: (bytes: Buffer) => unknown) {
    const raw: Read = r => {
      const { bytes } = readRawBytes(r);
      return bytes?.length ? readRaw(bytes) : null;
    };
    this.#scalars = { ...scalarReaders, RawExtension: raw, object: raw, any: raw };
  }

  /** Reads nothing until first used, so that types may contain themselves. */
  of(typeName: string): ProtoReadCodec {
    let codec = this.#codecs.get(typeName);
    if (!codec) {
      const made: ProtoReadCodec = {
        read: (r, end) => {
          made.read = this.#build(typeName);
          return made.read(r, end);
        },
      };
      codec = made;
      this.#codecs.set(typeName, codec);
    }
    return codec;
  }

  #build(typeName: string): ProtoReadCodec['read'] {
    const schema = schemaOf(typeName);
    const names = ['truncated', 'shape'];
    const values: unknown[] = [truncated, shapeOf(schema)];
    const add: Add = value => {
      names.push(`$${values.length}`);
      values.push(value);
      return names.at(-1)!;
    };
    const cases = schema.inline.map(
      ({ type, proto }) => `case ${proto[0] * 8 + 2}: Object.assign(o, ${add(this.of(type))}.read(r, r.end())); break;`,
    );
    for (const f of schema.fields) if (f.proto) cases.push(this.#case(f, add));
    const code = `return function read${schema.shortName}(r, end) {
    const o = {};
    while (r.at < end) {
      const tag = r.varint();
      switch (tag) {
        ${cases.join('\n        ')}
        default: r.skipUnknown(tag, shape);
      }
    }
    if (r.at !== end) throw truncated();
    return o;
  }`;
    return new Function(...names, code)(...values) as ProtoReadCodec['read'];
  }

  #case(f: FieldSchema, add: Add): string {
    const { type } = f;
    const target = `o[${JSON.stringify(f.name)}]`;
    if (type.kind === 'map')
      return `case ${f.proto![0] * 8 + 2}: ${add(this.#mapReader(type.value))}(r, ${target} ??= {}); break;`;
    const isList = type.kind === 'list' && !f.proto![4];
    const item = isList ? type.item : type;
    const tag = f.proto![0] * 8 + wireTypeOf(item);
    const value = this.#code(item, add);
    if (isList && item.kind === 'struct' && item.name === variableType)
      return `case ${tag}: ${target} = ${add(new MetLists(this.of(item.name)))}.next(r, ${tag}, end, ${target}); break;`;
    return isList
      ? `case ${tag}: (${target} ??= []).push(${value}); break;`
      : `case ${tag}: ${target} = ${value}; break;`;
  }

  #code(type: TypeRef, add: Add): string {
    if (type.kind === 'struct') return `${add(this.of(type.name))}.read(r, r.end())`;
    if (type.kind === 'scalar' && !type.via) {
      if (type.scalar === 'string') return 'r.string()';
      if (type.scalar === 'bool') return 'r.varint() !== 0';
      if (type.scalar === 'int32') return 'r.int32()';
      if (type.scalar === 'int64') return 'r.int64()';
    }
    return `${add(this.#valueReader(type))}(r)`;
  }

  #mapReader(value: TypeRef): (r: ProtoReader, out: Plain) => void {
    const read = this.#valueReader(value);
    const zero = zeroOf(value);
    return (r, out) => {
      let key = '';
      let got: unknown = zero === zeroMessage ? null : zero;
      const end = r.end();
      // As Go reads them, without a look at their forms.
      while (r.at < end) {
        const tag = r.varint();
        if (tag >> 3 === 1) key = r.string();
        else if (tag >> 3 === 2) got = read(r);
        else r.skip(tag & 7);
      }
      if (r.at !== end) throw truncated();
      setKey(out, key, got);
    };
  }

  #valueReader(type: TypeRef): Read {
    if (type.kind === 'struct') {
      const codec = this.of(type.name);
      return r => codec.read(r, r.end());
    }
    if (type.kind === 'list') {
      const item = this.#valueReader(type.item);
      return messageReader<unknown[]>(
        messageShape('Items', ['Items', wireTypeOf(type.item)]),
        () => [],
        (r, _, into) => into.push(item(r)),
      );
    }
    if (type.kind === 'map') throw new BugError('protobuf: a map has no message of its own');
    const variant = schemaVariantOf(type);
    return variant ? this.#variantReader(variant) : this.#scalars[type.scalar]!;
  }

  // JSON Schema's fields that are one type or another.
  #variantReader({ other, schema }: { other: string; schema: string }): Read {
    const props = this.of(schema);
    const isBool = other === 'Bool';
    const read = messageReader<{ value: unknown; schema?: Plain }>(
      messageShape(
        `JSONSchemaPropsOr${other}`,
        ...(isBool
          ? ([
              ['Allows', 0],
              ['Schema', 2],
            ] as const)
          : ([
              ['Schema', 2],
              ['Property', 2],
            ] as const)),
      ),
      () => ({ value: isBool ? false : [] }),
      (r, number, into) => {
        if (isBool && number === 1) into.value = r.varint() !== 0;
        else if (number === (isBool ? 2 : 1)) into.schema = props.read(r, r.end());
        else (into.value as unknown[]).push(other === 'StringArray' ? r.string() : props.read(r, r.end()));
      },
    );
    return r => {
      const got = read(r);
      return got.schema ?? got.value;
    };
  }
}

function shapeOf({ shortName, fields, inline }: TypeSchema): MessageShape {
  const known: [number, readonly [string, number]][] = inline.map(({ name, proto: [number] }) => [number, [name, 2]]);
  for (const { name, type, proto } of fields)
    if (proto)
      known.push([proto[0], [goNameOf(name, type), wireTypeOf(type.kind === 'list' && !proto[4] ? type.item : type)]]);
  return { name: shortName, fields: new Map(known) };
}

const variableType = 'io.k8s.api.core.v1.EnvVar';
const containerType = 'io.k8s.api.core.v1.Container';
// Shorter lists are read as fast as they are looked for.
const leastItems = 4;
const mostBytes = 4 << 10;
const mostLists = 128;

/** Lists of variables met before, by their bytes: those of the pods of one template are read once. */
class MetLists {
  readonly #item: ProtoReadCodec;
  readonly #met = new Recent<unknown[]>(mostLists);

  constructor(item: ProtoReadCodec) {
    this.#item = item;
  }

  /** `before` with the item that comes next, or all that come next: a canonical list, where their values are plain texts. */
  next(r: ProtoReader, tag: number, end: number, before: unknown[] = []): unknown[] {
    const bytes = before.length > 0 ? '' : r.run(tag, end, leastItems, mostBytes);
    const met = bytes === '' ? unfit : this.#met.of(bytes, () => this.#find(r, tag, bytes.length));
    if (met !== unfit) {
      r.goTo(r.at + bytes.length);
      return met;
    }
    const list = Object.isFrozen(before) ? [...before] : before;
    list.push(this.#item.read(r, r.end()));
    return list;
  }

  /** Looks at what comes next. What is not plain may have to be completed in place. */
  #find(r: ProtoReader, tag: number, bytes: number): unknown[] {
    const from = r.at;
    const env: Plain[] = [];
    do env.push(this.#item.read(r, r.end()));
    while (r.at < from + bytes && r.varint() === tag);
    r.goTo(from);
    if (env.some(variable => variable.valueFrom !== undefined)) return unfit;
    return markCanonical((normalize(containerType, { name: '', env }) as unknown as { env: unknown[] }).env);
  }
}

const unfit: unknown[] = [];

// Of the years that RFC 3339 can write.
const firstSecond = -62_167_219_200;
const lastSecond = 253_402_300_799;

const timestamp = messageShape('Timestamp', ['Seconds', 0], ['Nanos', 0]);

function timeReader(digits: number): Read {
  const read = messageReader(
    timestamp,
    () => ({ seconds: 0, nanos: 0, empty: true }),
    (r, number, into) => {
      if (number === 1) into.seconds = r.int();
      else into.nanos = r.int32();
      into.empty = false;
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
  messageShape('Quantity', ['String_', 2]),
  () => ({ text: '' }),
  (r, _, into) => {
    into.text = r.string();
  },
);

const readIntOrString = messageReader(
  messageShape('IntOrString', ['Type', 0], ['IntVal', 0], ['StrVal', 2]),
  () => ({ type: 0, int: 0, text: '' }),
  (r, number, into) => {
    if (number === 1) into.type = r.int();
    else if (number === 2) into.int = r.int32();
    else into.text = r.string();
  },
);

const readRawBytes = messageReader(
  messageShape('RawExtension', ['Raw', 2]),
  () => ({ bytes: undefined as Buffer | undefined }),
  (r, _, into) => {
    into.bytes = r.bytes();
  },
);

const readDuration = messageReader(
  messageShape('Duration', ['Duration', 0]),
  () => ({ ns: 0 }),
  (r, _, into) => {
    into.ns = r.int();
  },
);

const scalarReaders: Record<string, Read> = {
  string: r => r.string(),
  int32: r => r.int32(),
  int64: r => r.int64(),
  bool: r => r.varint() !== 0,
  double: r => r.double(),
  bytes: r => r.bytes().toString('base64'),
  Time: timeReader(0),
  MicroTime: timeReader(6),
  Duration: r => formatDuration(readDuration(r).ns),
  Quantity: r => readText(r).text || '0',
  IntOrString: r => {
    const { type, int, text } = readIntOrString(r);
    return type === 0 ? int : text;
  },
};
