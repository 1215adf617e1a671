// Protocol buffers written from the end to the front, so that every length is known when it is due.

import { BugError } from '../base/assert.ts';
import { joined } from '../base/bytes.ts';
import type { WholeNumber } from '../base/whole-number.ts';

// The bit that says another byte follows.
const more = 128;

export class ProtoWriter {
  #bytes = Buffer.allocUnsafe(16 << 10);
  #at = this.#bytes.length;

  /** Bytes written so far. */
  get size(): number {
    return this.#bytes.length - this.#at;
  }

  /** A copy of what was written; the writer is empty afterwards. */
  take(): Buffer {
    const out = joined([this.#bytes.subarray(this.#at)]);
    this.#at = this.#bytes.length;
    return out;
  }

  /** A copy of what was written since there were `size` bytes. */
  since(size: number): Buffer {
    return joined([this.#bytes.subarray(this.#at, this.#bytes.length - size)]);
  }

  reset(): void {
    this.#at = this.#bytes.length;
  }

  #room(bytes: number): void {
    if (this.#at >= bytes) return;
    const used = this.size;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, used + bytes));
    this.#bytes.copy(larger, larger.length - used, this.#at);
    this.#at = larger.length - used;
    this.#bytes = larger;
  }

  /** An unsigned number below 2^53. */
  varint(value: number): void {
    this.#room(10);
    if (value < more) {
      this.#bytes[--this.#at] = value;
      return;
    }
    let size = 1;
    for (let rest = value; rest >= more; rest = Math.floor(rest / more)) size++;
    let at = this.#at - size;
    this.#at = at;
    let rest = value;
    while (rest >= more) {
      this.#bytes[at++] = (rest % more) | more;
      rest = Math.floor(rest / more);
    }
    this.#bytes[at] = rest;
  }

  /** A signed number: negative ones take ten bytes, as int32 and int64 do. */
  int(value: number): void {
    if (!Number.isSafeInteger(value)) throw new BugError(`protobuf: ${value} is no whole number`);
    if (value >= 0) {
      this.varint(value);
      return;
    }
    this.#wide(BigInt(value));
  }

  /** A signed 64-bit number. */
  int64(value: WholeNumber): void {
    if (typeof value === 'number') this.int(value);
    else this.#wide(value);
  }

  #wide(value: bigint): void {
    this.#room(10);
    const bits = BigInt.asUintN(64, value);
    let size = 1;
    for (let rest = bits >> 7n; rest > 0n; rest >>= 7n) size++;
    const at = this.#at - size;
    let rest = bits;
    for (let i = 0; i < size; i++) {
      this.#bytes[at + i] = Number(rest & 127n) | (i < size - 1 ? more : 0);
      rest >>= 7n;
    }
    this.#at = at;
  }

  double(value: number): void {
    this.#room(8);
    this.#at -= 8;
    this.#bytes.writeDoubleLE(value, this.#at);
  }

  /** Length and bytes of a text. */
  string(text: string): void {
    const n = text.length;
    this.#room(n + 10);
    if (n <= 48) {
      const start = this.#at - n;
      let i = 0;
      for (; i < n; i++) {
        const c = text.charCodeAt(i);
        if (c >= more) break;
        this.#bytes[start + i] = c;
      }
      if (i === n) {
        this.#at = start;
        this.varint(n);
        return;
      }
    }
    const size = Buffer.byteLength(text);
    this.#room(size + 10);
    this.#at -= size;
    this.#bytes.write(text, this.#at, size, 'utf8');
    this.varint(size);
  }

  /** Length and bytes. */
  bytes(value: Uint8Array): void {
    this.raw(value);
    this.varint(value.length);
  }

  raw(value: Uint8Array): void {
    this.#room(value.length);
    this.#at -= value.length;
    this.#bytes.set(value, this.#at);
  }
}

/** A message as field `number`: content first, then its length, then its tag. */
export function writeMessage(w: ProtoWriter, number: number, content: () => void): void {
  const before = w.size;
  content();
  w.varint(w.size - before);
  w.varint(number * 8 + 2);
}

/** Length and bytes as field `number`; `content` writes both. */
export function writeField(w: ProtoWriter, number: number, content: () => void): void {
  content();
  w.varint(number * 8 + 2);
}
