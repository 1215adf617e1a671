import { type WholeNumber, wholeNumber } from '../base/whole-number.ts';
import { badRequest } from './status.ts';

const truncated = () => badRequest('unexpected EOF');

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
    return this.#bytes.toString('utf8', at, end);
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

  /** Leaves out bytes that are known. */
  pass(bytes: number): void {
    this.#at += bytes;
  }

  skip(wireType: number): void {
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.#advance(8);
    else if (wireType === 2) this.#at = this.end();
    else if (wireType === 5) this.#advance(4);
    else throw badRequest(`proto: illegal wireType ${wireType}`);
  }

  #advance(bytes: number): void {
    this.#need(bytes);
    this.#at += bytes;
  }

  #need(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) throw truncated();
  }
}

/** Reads a message's fields up to `end`; `take` reads or skips what follows the tag. */
export function readFields(r: ProtoReader, end: number, take: (number: number, wireType: number) => void): void {
  while (r.at < end) {
    const tag = r.varint();
    take(Math.floor(tag / 8), tag & 7);
  }
  if (r.at !== end) throw runsPast();
}

export const runsPast = () => badRequest('proto: message runs past its end');

/** Reads a message's fields by number; `take` gives back whether it took the field. */
export function messageReader<T>(
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
