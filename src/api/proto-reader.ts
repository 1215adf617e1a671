import { textOfBytes } from '../base/utf8.ts';
import { type WholeNumber, wholeNumber } from '../base/whole-number.ts';
import { badRequest } from './status.ts';

/** Of bytes that end within a value, and of a message's fields that do not end with it. */
export const truncated = () => badRequest('unexpected EOF');

/** A message's name, and of its fields by number: how Go names them and their wire type. */
export interface MessageShape {
  readonly name: string;
  readonly fields: ReadonlyMap<number, readonly [name: string, wireType: number]>;
}

const endOfGroup = 4;

// V8 copies cuts this short; longer ones would keep the whole text alive.
const longestCut = 12;

/** Reads protocol buffers; throws a StatusError (400) on broken ones. */
export class ProtoReader {
  readonly #bytes: Buffer;
  #at = 0;
  #text: string | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get at(): number {
    return this.#at;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** An unsigned number; exact to 2^53. */
  varint(): number {
    let result = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const b = this.#bytes[this.#at++];
      if (b === undefined) throw truncated();
      result += (b & 127) * scale;
      if (b < 128) return result;
      scale *= 128;
    }
    throw badRequest('proto: integer overflow');
  }

  /** A signed 64-bit number, beyond 2^53 as near as a double comes. */
  int(): number {
    return Number(this.int64());
  }

  /** A signed 32-bit number: the low bits of a larger one. */
  int32(): number {
    const value = this.int64();
    return typeof value === 'number' ? value | 0 : Number(BigInt.asIntN(32, value));
  }

  /** A signed 64-bit number. */
  int64(): WholeNumber {
    const start = this.#at;
    const value = this.varint();
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    let bits = 0n;
    for (let i = this.#at - 1; i >= start; i--) bits = (bits << 7n) | BigInt(this.#bytes[i]! & 127);
    return wholeNumber(BigInt.asIntN(64, bits));
  }

  double(): number {
    this.#need(8);
    const value = this.#bytes.readDoubleLE(this.#at);
    this.#at += 8;
    return value;
  }

  string(): string {
    const end = this.end();
    const at = this.#at;
    this.#at = end;
    // Short ASCII strings are cut out of the whole text: a call into Node costs more.
    if (end - at <= longestCut && this.#isAscii(at, end)) {
      this.#text ??= this.#bytes.toString('latin1');
      return this.#text.slice(at, end);
    }
    return textOfBytes(this.#bytes.subarray(at, end));
  }

  #isAscii(at: number, end: number): boolean {
    for (let i = at; i < end; i++) if (this.#bytes[i]! > 127) return false;
    return true;
  }

  /** A view of the bytes. */
  bytes(): Buffer {
    const end = this.end();
    const view = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return view;
  }

  /** Reads a length and gives the offset where what follows ends. */
  end(): number {
    const size = this.varint();
    if (size >= 2 ** 63) throw badRequest('proto: negative length found during unmarshaling');
    this.#need(size);
    return this.#at + size;
  }

  /**
   * The bytes of fields that follow one another with the same tag, the first of which has been read; '' when there are
   * fewer than `least` before `end`, or more bytes than `most`. What has been read stays the same.
   */
  run(tag: number, end: number, least: number, most: number): string {
    const start = this.#at;
    let count = 0;
    let at = start;
    try {
      do {
        this.#at = this.end();
        at = this.#at;
        count++;
      } while (at < end && at - start <= most && this.varint() === tag);
    } finally {
      this.#at = start;
    }
    return count >= least && at <= end && at - start <= most ? this.#bytes.toString('latin1', start, at) : '';
  }

  /** Goes on there. */
  goTo(at: number): void {
    this.#at = at;
  }

  /** Leaves out a field that `message` does not have; throws for one that it has in another form, and for what is none. */
  skipUnknown(tag: number, message: MessageShape): void {
    const wireType = tag & 7;
    const number = Math.floor(tag / 8) | 0;
    if (wireType === endOfGroup) throw badRequest(`proto: ${message.name}: wiretype end group for non-group`);
    if (number <= 0) throw badRequest(`proto: ${message.name}: illegal tag ${number} (wire type ${tag})`);
    const known = message.fields.get(number);
    if (known) throw badRequest(`proto: wrong wireType = ${wireType} for field ${known[0]}`);
    this.skip(wireType);
  }

  /** Leaves out a field of any message. A group has fields of its own up to its end. */
  skip(wireType: number): void {
    let depth = 0;
    for (let wire = wireType; ; wire = this.varint() & 7) {
      if (wire === 0) this.varint();
      else if (wire === 1) this.#advance(8);
      else if (wire === 2) this.#at = this.end();
      else if (wire === 3) depth++;
      else if (wire === endOfGroup) depth--;
      else if (wire === 5) this.#advance(4);
      else throw badRequest(`proto: illegal wireType ${wire}`);
      if (depth < 0) throw badRequest('proto: unexpected end of group');
      if (depth === 0) return;
    }
  }

  #advance(bytes: number): void {
    this.#need(bytes);
    this.#at += bytes;
  }

  #need(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) throw truncated();
  }
}

/** Reads a message's fields up to `end`; `take` reads the one of a number. */
export function readFields(r: ProtoReader, end: number, shape: MessageShape, take: (number: number) => void): void {
  while (r.at < end) {
    const tag = r.varint();
    const number = Math.floor(tag / 8);
    if (shape.fields.get(number)?.[1] === (tag & 7)) take(number);
    else r.skipUnknown(tag, shape);
  }
  if (r.at !== end) throw truncated();
}

/** Reads a message's fields by number. */
export function messageReader<T>(
  shape: MessageShape,
  start: () => T,
  take: (r: ProtoReader, number: number, into: T) => void,
): (r: ProtoReader) => T {
  return r => {
    const into = start();
    readFields(r, r.end(), shape, number => take(r, number, into));
    return into;
  };
}

/** `Timestamp`, ['Seconds', 0], … by number from 1 on. */
export const messageShape = (name: string, ...fields: readonly (readonly [string, number])[]): MessageShape => ({
  name,
  fields: new Map(fields.map((field, i) => [i + 1, field])),
});
