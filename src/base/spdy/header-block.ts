// Header blocks of SPDY/3: name-value pairs, compressed by one zlib stream a direction.
import { createInflate, type Inflate, constants as zlib } from 'node:zlib';
import { spdyDictionary } from './dictionary.ts';

export type SpdyHeaders = Readonly<Record<string, string>>;

/** Names in small letters; several values of one name are joined by NUL. */
export function encodePairs(headers: SpdyHeaders): Buffer {
  const entries = Object.entries(headers).map(([n, v]) => [Buffer.from(n.toLowerCase()), Buffer.from(v)] as const);
  const out = Buffer.alloc(4 + entries.reduce((sum, [n, v]) => sum + 8 + n.length + v.length, 0));
  let at = out.writeUInt32BE(entries.length, 0);
  for (const pair of entries)
    for (const bytes of pair) {
      at = out.writeUInt32BE(bytes.length, at);
      at += bytes.copy(out, at);
    }
  return out;
}

/** Throws RangeError for a block that is cut short. */
export function decodePairs(block: Buffer): SpdyHeaders {
  const headers: Record<string, string> = {};
  let at = 4;
  const text = () => {
    const length = block.readUInt32BE(at);
    at += 4 + length;
    if (at > block.length) throw new RangeError('read a SPDY header block: it ends early');
    return block.toString('utf8', at - length, at);
  };
  for (let n = block.readUInt32BE(0); n > 0; n--) {
    const name = text();
    headers[name] = text();
  }
  return headers;
}

const longestStored = 0xffff;
// Deflate with a 32 KiB window and a preset dictionary; then the dictionary's Adler-32.
const zlibHead = Buffer.from([0x78, 0xf9, 0xe3, 0xc6, 0xa7, 0xc2]);
// An empty stored block: Go's decompressor gives nothing out before it has seen one.
const flushMark = Buffer.from([0, 0, 0, 0xff, 0xff]);

/**
 * Writes blocks uncompressed, which is a valid zlib stream: a connection carries a handful of short ones, and so
 * nothing has to be kept between them.
 */
export class HeaderWriter {
  #started = false;

  write(headers: SpdyHeaders): Buffer {
    const pairs = encodePairs(headers);
    const parts: Buffer[] = this.#started ? [] : [zlibHead];
    this.#started = true;
    for (let at = 0; at < pairs.length; at += longestStored) {
      const piece = pairs.subarray(at, at + longestStored);
      const head = Buffer.alloc(5);
      head.writeUInt16LE(piece.length, 1);
      head.writeUInt16LE(~piece.length & 0xffff, 3);
      parts.push(head, piece);
    }
    parts.push(flushMark);
    return Buffer.concat(parts);
  }
}

// Somebody who sends more than that as headers means harm.
const longestBlock = 1 << 20;

/** Blocks have to be read in the order in which they came, one after the other. */
export class HeaderReader {
  #inflate: Inflate | undefined;

  /** Rejects for what is no header block. */
  async read(compressed: Buffer): Promise<SpdyHeaders> {
    this.#inflate ??= createInflate({ dictionary: spdyDictionary, flush: zlib.Z_SYNC_FLUSH });
    const inflate = this.#inflate;
    const chunks: Buffer[] = [];
    let size = 0;
    const collect = (chunk: Buffer) => {
      size += chunk.length;
      if (size <= longestBlock) chunks.push(chunk);
    };
    inflate.on('data', collect);
    try {
      await new Promise<void>((resolve, reject) => {
        inflate.once('error', reject);
        inflate.write(compressed, error => {
          inflate.off('error', reject);
          if (error) reject(error);
          else resolve();
        });
      });
      // What was pushed last is handed out on the next turn.
      await new Promise(resolve => setImmediate(resolve));
    } finally {
      inflate.off('data', collect);
    }
    if (size > longestBlock) throw new RangeError('read a SPDY header block: it is too large');
    return decodePairs(Buffer.concat(chunks));
  }

  close(): void {
    this.#inflate?.close();
    this.#inflate = undefined;
  }
}
