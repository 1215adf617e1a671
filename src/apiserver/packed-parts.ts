// Lists in gzip, put together from parts that were packed before: most of what a client lists again has not changed.
// A gzip member is a header, deflate blocks, the CRC-32 and the length. Parts are runs of deflate blocks that end on a
// byte and look back at nothing before them, so that any sequence of them is a deflate stream; the CRC-32 of the whole
// follows from those of the parts.
import { crc32, deflateRaw, inflateRaw, constants as zlib } from 'node:zlib';
import type { Keeper, KeptBytes } from './registry/kept-bytes.ts';
import type { Stored } from './registry/stored.ts';

/** The items of a list as bytes that depend on nothing but the items. */
export interface ListForm {
  /** Two forms of the same name give the same bytes for the same items. */
  readonly name: string;
  /** The bytes of these items; `first`: they stand first in the list. */
  items(items: readonly Stored[], first: boolean): Iterable<Uint8Array>;
}

/** A piece of a deflate stream. */
export interface Packed {
  readonly bytes: Uint8Array;
  /** How many bytes come out of it, and their CRC-32. */
  readonly length: number;
  readonly crc: number;
}

// About so many items to a part: packing forgets at each start what it has seen before.
const partItems = 32;
const partBytes = 256 << 10;
// Parts packed at the same time: libuv has four threads.
const ahead = 4;

/** Packs the items of lists, and keeps what it has packed with the first object of each part, within a budget. */
export class PackedParts {
  readonly #kept: KeptBytes;
  // Parts live as long as the version of the object they begin with.
  readonly #parts = new WeakMap<Stored, Map<string, Part>>();

  constructor(kept: KeptBytes) {
    this.#kept = kept;
  }

  /** The parts of these items in order, packed as they are taken. */
  async *of(form: ListForm, items: readonly Stored[]): AsyncGenerator<Packed> {
    const coming: Promise<Packed>[] = [];
    let next = 0;
    while (next < items.length || coming.length > 0) {
      while (coming.length < ahead && next < items.length) {
        const part = this.#at(form, items, next);
        next += part.items;
        coming.push(part.packed());
      }
      yield (await coming.shift())!;
    }
  }

  #at(form: ListForm, items: readonly Stored[], from: number): Part {
    const begin = items[from]!;
    const name = from === 0 ? `${form.name} first` : form.name;
    let forms = this.#parts.get(begin);
    const known = forms?.get(name);
    if (known?.begins(items, from)) return known;
    known?.release();
    const pieces: Uint8Array[] = [];
    const held: Stored[] = [];
    let bytes = 0;
    for (let i = from; i < items.length && bytes < partBytes; i++) {
      const item = items[i]!;
      // Keys decide where parts end, so that an object more or less changes one part and not all behind it.
      if (i > from && endsPart(item.key, partItems)) break;
      held.push(item);
      for (const piece of form.items([item], i === 0)) {
        pieces.push(piece);
        bytes += piece.length;
      }
    }
    const part = new Part(held, Buffer.concat(pieces, bytes), this.#kept);
    if (!forms) {
      forms = new Map();
      this.#parts.set(begin, forms);
    }
    forms.set(name, part);
    return part;
  }
}

/** Whether a new part begins here; `about`: how many items a part has, a power of two. */
export function endsPart(key: string, about: number): boolean {
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  return ((hash ^ (hash >>> 15)) & (about - 1)) === 0;
}

/** Knows its objects by key and revision: to hold them would keep what has been replaced. */
class Part implements Keeper {
  readonly #keys: readonly string[];
  readonly #revisions: readonly number[];
  readonly #kept: KeptBytes;
  #packed: Promise<Packed> | undefined;
  keptBytes = 0;

  constructor(items: readonly Stored[], bytes: Uint8Array, kept: KeptBytes) {
    this.#keys = items.map(item => item.key);
    this.#revisions = items.map(item => item.revision);
    this.#kept = kept;
    this.#packed = pack(bytes);
    this.#packed.then(
      packed => this.#keep(packed),
      () => this.forget(),
    );
  }

  get items(): number {
    return this.#keys.length;
  }

  /** Whether these items, from there on, begin with its own, and it still has them packed. */
  begins(items: readonly Stored[], from: number): boolean {
    if (!this.#packed || from + this.items > items.length) return false;
    for (let i = 0; i < this.items; i++) {
      const item = items[from + i]!;
      if (item.revision !== this.#revisions[i] || item.key !== this.#keys[i]) return false;
    }
    return true;
  }

  packed(): Promise<Packed> {
    return this.#packed!;
  }

  #keep(packed: Packed): void {
    if (!this.#packed) return;
    this.keptBytes = packed.bytes.length;
    this.#kept.insist(this, this.keptBytes);
  }

  /** Frees what it has packed; who is taking it now still gets it. */
  forget(): void {
    this.keptBytes = 0;
    this.#packed = undefined;
  }

  /** The same, before the bound asks for it: another part begins with this object now. */
  release(): void {
    const bytes = this.keptBytes;
    this.forget();
    if (bytes > 0) this.#kept.returned(bytes);
  }
}

// For what is kept, and sent often.
export const keptLevel = 6;

export function pack(bytes: Uint8Array, level = 1): Promise<Packed> {
  return new Promise((resolve, reject) =>
    deflateRaw(bytes, { level, finishFlush: zlib.Z_SYNC_FLUSH }, (error, packed) =>
      // In memory of its own size: the packer's answer may be a corner of a large buffer.
      error ? reject(error) : resolve({ bytes: Buffer.from(packed), length: bytes.length, crc: crc32(bytes) }),
    ),
  );
}

export function unpack({ bytes, length }: Packed): Promise<Buffer> {
  // Every chunk is a trip to another thread. A part alone is no whole stream.
  const options = { chunkSize: Math.max(length, 64), finishFlush: zlib.Z_SYNC_FLUSH };
  return new Promise((resolve, reject) =>
    inflateRaw(bytes, options, (error, plain) => (error ? reject(error) : resolve(plain))),
  );
}

const storedLimit = 0xffff;

/** Bytes as they are, as blocks of a deflate stream; `last`: nothing follows. */
export function unpacked(bytes: Uint8Array, last = false): Packed {
  const blocks: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += storedLimit) {
    const block = bytes.subarray(at, at + storedLimit);
    const head = Buffer.alloc(5);
    head[0] = last && at + storedLimit >= bytes.length ? 1 : 0;
    head.writeUInt16LE(block.length, 1);
    head.writeUInt16LE(block.length ^ 0xffff, 3);
    blocks.push(head, block);
  }
  return { bytes: Buffer.concat(blocks), length: bytes.length, crc: crc32(bytes) };
}

/** Ends the stream. */
export const nothingMore: Packed = unpacked(Buffer.alloc(0), true);

/** RFC 1952: no name, no time, an unknown system. */
export const gzipHeader: Uint8Array = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);

/** Follows the parts of a gzip member and gives what stands behind them. */
export class GzipTrailer {
  #crc = 0;
  #length = 0;

  /** Bytes that come out of all parts so far. */
  get length(): number {
    return this.#length;
  }

  add({ crc, length }: Packed): void {
    this.#crc = (multiply(power(length), this.#crc) ^ crc) >>> 0;
    this.#length += length;
  }

  get bytes(): Uint8Array {
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(this.#crc);
    trailer.writeUInt32LE(this.#length % 2 ** 32, 4);
    return trailer;
  }
}

// A CRC-32 is a remainder of polynomials over two elements, bits in reverse: n bytes more behind it multiply it by x^8n.
const polynomial = 0xedb88320;
const one = 0x80000000;

function multiply(a: number, b: number): number {
  let product = 0;
  for (let bit = one; bit !== 0; bit >>>= 1) {
    if (a & bit) product ^= b;
    b = b & 1 ? (b >>> 1) ^ polynomial : b >>> 1;
  }
  return product >>> 0;
}

/** x^(2^i). */
const squares: number[] = [one >>> 1];

/** x^8n. */
function power(bytes: number): number {
  let result = one;
  for (let i = 3, n = bytes; n > 0; i++, n = Math.floor(n / 2)) {
    while (squares.length <= i) squares.push(multiply(squares.at(-1)!, squares.at(-1)!));
    if (n % 2 === 1) result = multiply(squares[i]!, result);
  }
  return result;
}
