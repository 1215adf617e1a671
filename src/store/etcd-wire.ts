// Protocol buffers as far as etcd's API needs them: messages are tables of fields.

/** `id`: 64 bits that are nobody's to count, as bigint. Enums are ints. */
type Scalar = 'int' | 'id' | 'bool' | 'bytes' | 'string';
type Type = Scalar | Message<any> | readonly [Message<any>];
/** Field number and type by name; `[message]` is a list. */
export type Fields = Readonly<Record<string, readonly [number, Type]>>;

type ValueOf<T> = T extends 'int'
  ? number
  : T extends 'id'
    ? bigint
    : T extends 'bool'
      ? boolean
      : T extends 'bytes'
        ? Buffer
        : T extends 'string'
          ? string
          : T extends readonly [Message<infer F>]
            ? readonly Decoded<F>[]
            : T extends Message<infer F>
              ? Decoded<F>
              : never;
type InputOf<T> = T extends 'bytes'
  ? Uint8Array
  : T extends readonly [Message<infer F>]
    ? readonly Input<F>[]
    : T extends Message<infer F>
      ? Input<F>
      : ValueOf<T>;

/** What decoding gives: absent scalars are their zero, absent messages undefined, absent lists empty. */
export type Decoded<F extends Fields> = {
  readonly [K in keyof F]: F[K][1] extends Message<any> ? ValueOf<F[K][1]> | undefined : ValueOf<F[K][1]>;
};
/** What encoding takes: what is absent is not written, a zero is. */
export type Input<F extends Fields> = { readonly [K in keyof F]?: InputOf<F[K][1]> | undefined };

export class WireError extends Error {
  override name = 'WireError';
}

const empty = Buffer.alloc(0);

/** One kind of message. */
export class Message<F extends Fields> {
  readonly #fields: readonly { name: string; number: number; type: Type }[];
  readonly #byNumber = new Map<number, { name: string; type: Type }>();

  constructor(fields: F) {
    this.#fields = Object.entries(fields).map(([name, [number, type]]) => ({ name, number, type }));
    for (const { name, number, type } of this.#fields) this.#byNumber.set(number, { name, type });
  }

  encode(value: Input<F>): Buffer {
    const parts: Uint8Array[] = [];
    for (const { name, number, type } of this.#fields) {
      const member = value[name];
      if (member === undefined) continue;
      if (isList(type)) {
        for (const item of member as unknown as readonly object[]) pushBytes(parts, number, type[0].encode(item));
      } else if (type instanceof Message) pushBytes(parts, number, type.encode(member as object));
      else if (type === 'bytes') pushBytes(parts, number, member as unknown as Uint8Array);
      else if (type === 'string') pushBytes(parts, number, Buffer.from(member as unknown as string));
      else parts.push(varint(number * 8), varint(type === 'bool' ? Number(member) : (member as number | bigint)));
    }
    return Buffer.concat(parts);
  }

  /** Throws WireError; unknown fields are skipped. */
  decode(bytes: Buffer): Decoded<F> {
    const out = this.#zero();
    const reader = new Reader(bytes);
    while (reader.at < bytes.length) {
      const tag = reader.int();
      const field = this.#byNumber.get(Math.floor(tag / 8));
      if (!field) {
        reader.skip(tag & 7);
        continue;
      }
      const { name, type } = field;
      if (isList(type)) (out[name] as unknown[]).push(type[0].decode(reader.bytes()));
      else if (type instanceof Message) out[name] = type.decode(reader.bytes());
      else if (type === 'bytes') out[name] = reader.bytes();
      else if (type === 'string') out[name] = reader.bytes().toString();
      else if (type === 'id') out[name] = reader.id();
      else out[name] = type === 'bool' ? reader.int() !== 0 : reader.int();
    }
    return out as Decoded<F>;
  }

  #zero(): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (const { name, type } of this.#fields) {
      if (isList(type)) out[name] = [];
      else if (type === 'int') out[name] = 0;
      else if (type === 'id') out[name] = 0n;
      else if (type === 'bool') out[name] = false;
      else if (type === 'bytes') out[name] = empty;
      else if (type === 'string') out[name] = '';
      else out[name] = undefined;
    }
    return out;
  }
}

const isList = (type: Type): type is readonly [Message<any>] => Array.isArray(type);

function pushBytes(parts: Uint8Array[], number: number, bytes: Uint8Array): void {
  parts.push(varint(number * 8 + 2), varint(bytes.length), bytes);
}

function varint(value: number | bigint): Buffer {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  if (rest < 0x80n) return Buffer.of(Number(rest));
  for (; rest >= 0x80n; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  out.push(Number(rest));
  return Buffer.from(out);
}

class Reader {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Exact up to 2^53: revisions, counts, sizes. */
  int(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  id(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
  }

  /** A view. */
  bytes(): Buffer {
    const end = this.int() + this.at;
    if (end > this.#bytes.length) throw new WireError('decoding an answer of etcd: a field runs past its message');
    const out = this.#bytes.subarray(this.at, end);
    this.at = end;
    return out;
  }

  skip(wireType: number): void {
    if (wireType === 0) this.int();
    else if (wireType === 1) this.at += 8;
    else if (wireType === 2) this.bytes();
    else if (wireType === 5) this.at += 4;
    else throw new WireError(`decoding an answer of etcd: there is no wire type ${wireType}`);
  }

  #byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw new WireError('decoding an answer of etcd: it is cut short');
    return byte;
  }
}
