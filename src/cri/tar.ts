import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';

export interface TarEntry {
  readonly name: string;
  /** Absent, with no link either: a directory. */
  readonly content?: Uint8Array;
  /** Target of a symbolic link, up to 100 bytes. */
  readonly link?: string;
  readonly mode?: number;
}

const block = 512;

/** A ustar archive; times and owners are zero, so that equal entries make equal bytes. Names up to 100 bytes. */
export function writeTar(entries: readonly TarEntry[]): Buffer {
  const parts: Buffer[] = [];
  for (const { name, content, link, mode } of entries) {
    const header = Buffer.alloc(block);
    header.write(name, 0, 100);
    writeOctal(header, 100, 8, mode ?? (content ? 0o644 : link ? 0o777 : 0o755));
    writeOctal(header, 108, 8, 0);
    writeOctal(header, 116, 8, 0);
    writeOctal(header, 124, 12, content?.length ?? 0);
    writeOctal(header, 136, 12, 0);
    header.write(content ? '0' : link ? '2' : '5', 156);
    if (link) header.write(link, 157, 100);
    header.write('ustar\x0000', 257, 'latin1');
    header.fill(' ', 148, 156);
    const sum = header.reduce((a, b) => a + b, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    parts.push(header);
    if (content) parts.push(Buffer.from(content), Buffer.alloc(padding(content.length)));
  }
  parts.push(Buffer.alloc(2 * block));
  return Buffer.concat(parts);
}

function writeOctal(header: Buffer, at: number, width: number, value: number): void {
  header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
}

const padding = (length: number) => (block - (length % block)) % block;

/**
 * The contents of the named files of a tar (gzipped or not), read once from front to end without keeping the rest.
 * Files that are not there are missing from the result.
 */
export async function readFromTar(file: string, wanted: ReadonlySet<string>): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>();
  const source = new ByteSource(await openMaybeGzip(file));
  try {
    while (found.size < wanted.size) {
      const header = await source.take(block);
      if (header.length < block || header[0] === 0) break;
      const { name, size } = readHeader(header);
      if (wanted.has(name)) {
        const content = await source.take(size);
        if (content.length < size) throw new Error(`read ${file}: the archive ends within "${name}"`);
        found.set(name, content);
        await source.skip(padding(size));
      } else await source.skip(size + padding(size));
    }
  } finally {
    source.close();
  }
  return found;
}

function readHeader(header: Buffer): { name: string; size: number } {
  const text = (at: number, length: number) => header.toString('utf8', at, at + length).split('\0')[0]!;
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? text(345, 155) : '';
  const name = (prefix ? `${prefix}/${text(0, 100)}` : text(0, 100)).replace(/^\.\//, '');
  // Sizes beyond 8 GiB are big-endian binary, marked by the top bit.
  const size =
    header[124]! & 0x80 ? Number(header.readBigUInt64BE(128)) : Number.parseInt(text(124, 12).trim() || '0', 8);
  if (!Number.isSafeInteger(size)) throw new Error('read tar: a header is damaged');
  return { name, size };
}

/** True when the file begins as gzip does. */
export async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}

async function openMaybeGzip(file: string): Promise<AsyncIterable<Buffer> & { destroy(): void }> {
  const raw = createReadStream(file);
  if (!(await isGzip(file))) return raw;
  const gunzip = createGunzip();
  raw.on('error', error => gunzip.destroy(error));
  gunzip.on('close', () => raw.destroy());
  return raw.pipe(gunzip);
}

/** Takes bytes from a stream in the amounts asked for. */
class ByteSource {
  readonly #stream: AsyncIterable<Buffer> & { destroy(): void };
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Buffer> & { destroy(): void }) {
    this.#stream = stream;
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  /** Fewer bytes than asked for only at the end. */
  async take(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    await this.#walk(count, part => parts.push(part));
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  async skip(count: number): Promise<void> {
    await this.#walk(count, () => {});
  }

  close(): void {
    this.#stream.destroy();
  }

  async #walk(count: number, each: (part: Buffer) => void): Promise<void> {
    let left = count;
    while (left > 0) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next();
        if (next.done) return;
        this.#rest = next.value;
      }
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      each(part);
    }
  }
}
