import type { KubeObject } from '../../api/meta.ts';
import { joinedText, objectPieces } from '../../api/object-text.ts';
import { type EncodedObject, encodeProtobufObject, encodeProtobufWatchEvent } from '../../api/protobuf.ts';
import { joined, lineOf } from '../../base/bytes.ts';
import type { LateBytes } from '../../store/store.ts';
import type { Keeper, KeptBytes } from './kept-bytes.ts';

const prefix = Buffer.from('{"type":"');
const middle = Buffer.from('","object":');
const suffix = Buffer.from('}\n');

export interface StoredOptions {
  readonly protobufType?: string | undefined;
  /** Bounds its bytes, of a version that lives long. */
  readonly kept?: KeptBytes;
  /** The bytes of its stored form, where it was read. */
  readonly size?: number;
}

/**
 * One version of one object: the frozen object and, made once when first asked for, its JSON and protobuf
 * bytes and watch frames.
 * Shared by the watch cache, lists, watchers and in-process clients.
 */
export class Stored implements Keeper, LateBytes {
  /** `namespace/name` or `name`. */
  readonly key: string;
  readonly object: KubeObject;
  readonly revision: number;
  /** The message that a store is given; absent: its JSON. */
  readonly protobufType: string | undefined;
  #size: number | undefined;
  // Of an object with parts that others have too, its own text is what lives long: a quarter of the whole.
  #pieces: readonly string[] | undefined;
  #line: Buffer | undefined;
  #kept: KeptBytes | undefined;
  #keptBytes = 0;
  #released = false;
  #frames: Map<string, Buffer> | undefined;
  #protobuf: EncodedObject | undefined;

  constructor(key: string, object: KubeObject, revision: number, { protobufType, kept, size }: StoredOptions = {}) {
    this.key = key;
    this.object = object;
    this.revision = revision;
    this.protobufType = protobufType;
    this.#kept = kept;
    this.#size = size;
  }

  /** What a store is given. */
  get bytes(): Buffer {
    const bytes = this.protobufType ? this.protobuf(this.protobufType) : this.json;
    this.#size ??= bytes.length;
    return bytes;
  }

  /** Whether its size is known without encoding it. */
  get isMeasured(): boolean {
    return this.#size !== undefined;
  }

  /** Bytes of its stored form. */
  get size(): number {
    return this.#size ?? this.bytes.length;
  }

  /** The object's canonical JSON. */
  get json(): Buffer {
    return this.line.subarray(0, -1);
  }

  /** The same and a newline, as Kubernetes sends an object by itself. */
  get line(): Buffer {
    return this.#line ?? this.#lineOf(this.#pieces ?? objectPieces(this.object));
  }

  #lineOf(pieces: readonly string[]): Buffer {
    const line = lineOf(joinedText(pieces));
    if (!this.protobufType) this.#size ??= line.length - 1;
    if (!this.#kept) {
      this.#line = line;
      if (pieces.length > 1) this.#pieces = pieces;
    } else if (pieces.length === 1) {
      if (this.#mayKeep(line.length)) this.#line = line;
    } else if (!this.#pieces) this.#keepPieces(pieces);
    return line;
  }

  /** The canonical JSON as it is kept: in bytes, or in pieces of text. */
  get jsonOrPieces(): Buffer | readonly string[] {
    if (this.#pieces) return this.#pieces;
    if (this.#line) return this.json;
    const pieces = objectPieces(this.object);
    if (pieces.length > 1) this.#keepPieces(pieces);
    else if (this.#kept?.hasRoom) return this.#lineOf(pieces).subarray(0, -1);
    return pieces;
  }

  /** The canonical JSON as a string. */
  get text(): string {
    return this.#pieces || !this.#line ? joinedText(this.#pieces ?? objectPieces(this.object)) : this.json.toString();
  }

  /** Bytes its bound counts. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** This version is the newest now: its bytes take the place of others. */
  retain(kept: KeptBytes): void {
    this.#kept = kept;
    const json = this.#pieces ? ownBytes(this.#pieces) : (this.#line?.length ?? 0);
    this.#keptBytes = json + (this.#protobuf?.whole.length ?? 0);
    if (this.#keptBytes > 0) kept.insist(this, this.#keptBytes);
  }

  #keepPieces(pieces: readonly string[]): void {
    if (this.#mayKeep(ownBytes(pieces))) this.#pieces = pieces;
  }

  #mayKeep(bytes: number): boolean {
    if (this.#released) return false;
    if (!this.#kept) return true;
    if (!this.#kept.offer(this, bytes, this.#keptBytes === 0)) return false;
    this.#keptBytes += bytes;
    return true;
  }

  /** Frees the bytes; they are made again from the object when asked for (6 µs for a 4.7 KB pod). */
  forget(): void {
    this.#keptBytes = 0;
    this.#pieces = undefined;
    this.#line = undefined;
    this.#protobuf = undefined;
    this.#frames = undefined;
  }

  /** The same for good: another version has taken its place. */
  release(): void {
    const bytes = this.#keptBytes;
    this.#released = true;
    this.forget();
    if (bytes > 0) this.#kept?.returned(bytes);
  }

  /** The pieces of one frame that nobody else will ask for. */
  framePieces(type: string): readonly Buffer[] {
    return [prefix, Buffer.from(type), middle, this.json, suffix];
  }

  /** Drops what only the watchers of the moment need, once they have it. */
  releaseFrames(): void {
    this.#frames = undefined;
    if (this.#pieces) this.#line = undefined;
  }

  /** `{"type":"ADDED","object":{…}}` and a newline: made once, shared by all watchers of a change. */
  frame(type: string): Buffer {
    this.#frames ??= new Map();
    let frame = this.#frames.get(type);
    if (!frame) {
      frame = joined([prefix, Buffer.from(type), middle, this.json, suffix]);
      this.#frames.set(type, frame);
    }
    return frame;
  }

  /** The object as an item of its protobuf list; `typeName` is its kind's, always the same. */
  protobufItem(typeName: string): Buffer {
    return this.#encoded(typeName).item;
  }

  #encoded(typeName: string): EncodedObject {
    if (this.#protobuf) return this.#protobuf;
    const encoded = encodeProtobufObject(typeName, this.object);
    if (this.#mayKeep(encoded.whole.length)) this.#protobuf = encoded;
    return encoded;
  }

  /** The object in protobuf, in its envelope. */
  protobuf(typeName: string): Buffer {
    return this.#encoded(typeName).whole;
  }

  /** A watch frame in protobuf, behind its length in four bytes; made once like `frame`. */
  protobufFrame(type: string, typeName: string): Buffer {
    this.#frames ??= new Map();
    const id = `protobuf/${type}`;
    let frame = this.#frames.get(id);
    if (!frame) {
      frame = lengthDelimited(encodeProtobufWatchEvent(type, this.protobuf(typeName)));
      this.#frames.set(id, frame);
    }
    return frame;
  }
}

// A piece of text costs its header, a piece of its own what is cut from, too.
const pieceBytes = 64;

/** What pieces keep alive that nobody else does. */
function ownBytes(pieces: readonly string[]): number {
  let bytes = pieces.length * pieceBytes;
  for (let i = 0; i < pieces.length; i += 2) bytes += pieces[i]!.length;
  return bytes;
}

/** Behind its length in four bytes. */
export function lengthDelimited(message: Uint8Array): Buffer {
  const out = Buffer.allocUnsafeSlow(4 + message.length);
  out.writeUInt32BE(message.length);
  out.set(message, 4);
  return out;
}
