// How lists are written: in corked batches, in gzip when they are large, in packed parts where there are any.
import type { Writable } from 'node:stream';
import { createGzip } from 'node:zlib';
import type { Exchange } from './http/exchange.ts';
import { GzipTrailer, gzipHeader, type Packed, type PackedParts, unpacked } from './packed-parts.ts';
import type { ListResult } from './registry/listing.ts';
import type { ListParts } from './render.ts';
import { compressBytes, gzipHeaders } from './respond.ts';

const batchPieces = 128;
const batchBytes = 512 << 10;

/** Writes pieces in corked batches, waiting for the client between them: 1 GB/s without stalls over 5 ms. */
export async function writePieces(out: Writable, pieces: Iterable<Uint8Array>): Promise<void> {
  let n = 0;
  let bytes = 0;
  out.cork();
  for (const piece of pieces) {
    if (out.destroyed) return;
    const ready = out.write(piece);
    bytes += piece.length;
    if (++n < batchPieces && bytes < batchBytes) continue;
    n = 0;
    bytes = 0;
    out.uncork();
    if (ready) await new Promise(resolve => setImmediate(resolve));
    else await drained(out);
    out.cork();
  }
  out.end();
  out.uncork();
}

export function drained(out: Writable): Promise<void> {
  return new Promise(resolve => {
    const go = () => {
      out.off('drain', go);
      out.off('close', go);
      resolve();
    };
    out.on('drain', go);
    out.on('close', go);
  });
}

type Headers = Record<string, string | readonly string[]>;

/** Answers 200 with a list of parts, in gzip when it is more than `compressBytes`. */
export async function writePacked(
  exchange: Exchange,
  headers: Headers,
  form: ListParts,
  result: ListResult,
  packer: PackedParts,
): Promise<void> {
  const small = smallItems(form, result);
  if (small) {
    const { head, tail } = form.ends(result, small.length);
    return exchange.respond(200, headers, Buffer.concat([head, small, tail]));
  }
  // What stands before the items may tell their size, so they are packed first: about a tenth of the list.
  const parts: Packed[] = [];
  let bytes = 0;
  for await (const part of packer.of(form, result.items)) {
    parts.push(part);
    bytes += part.length;
  }
  const { head, tail } = form.ends(result, bytes);
  const out = exchange.open(200, { ...headers, ...gzipHeaders });
  const trailer = new GzipTrailer();
  const all = [unpacked(head), ...parts, unpacked(tail, true)];
  for (const part of all) trailer.add(part);
  exchange.sentBytes = trailer.length;
  for (const piece of [gzipHeader, ...all.map(part => part.bytes), trailer.bytes]) {
    if (out.destroyed) return;
    if (!out.write(piece)) await drained(out);
  }
  out.end();
}

/** The bytes of all items, when they are too few to be packed. */
function smallItems(form: ListParts, { items }: ListResult): Buffer | undefined {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for (const piece of form.items(items, true)) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > compressBytes) return undefined;
  }
  return Buffer.concat(pieces, bytes);
}

/** Answers 200 with these pieces, in gzip when they are more than `compressBytes`. */
export async function writeCompressed(
  exchange: Exchange,
  headers: Headers,
  pieces: Iterable<Uint8Array>,
): Promise<void> {
  const iterator = pieces[Symbol.iterator]();
  const first: Uint8Array[] = [];
  let size = 0;
  let next = iterator.next();
  while (!next.done && size <= compressBytes) {
    first.push(next.value);
    size += next.value.length;
    next = iterator.next();
  }
  if (next.done && size <= compressBytes) return exchange.respond(200, headers, Buffer.concat(first, size));
  const out = exchange.open(200, { ...headers, ...gzipHeaders });
  const packer = createGzip({ level: 1, chunkSize: packBytes });
  packer.on('error', () => out.destroy());
  out.on('close', () => packer.destroy());
  packer.pipe(out);
  await writePieces(packer, counted(exchange, larger(remaining(first, next, iterator))));
}

/** The same pieces; their sizes are noted as sent, before they are packed. */
export function* counted(exchange: Exchange, pieces: Iterable<Uint8Array>): Iterable<Uint8Array> {
  let bytes = 0;
  for (const piece of pieces) {
    bytes += piece.length;
    yield piece;
  }
  exchange.sentBytes = bytes;
}

function* remaining(
  first: readonly Uint8Array[],
  next: IteratorResult<Uint8Array>,
  iterator: Iterator<Uint8Array>,
): Iterable<Uint8Array> {
  yield* first;
  for (let n = next; !n.done; n = iterator.next()) yield n.value;
}

// Every write to the packer is a trip to another thread.
const packBytes = 64 << 10;

function* larger(pieces: Iterable<Uint8Array>): Iterable<Uint8Array> {
  let batch: Uint8Array[] = [];
  let size = 0;
  for (const piece of pieces) {
    batch.push(piece);
    size += piece.length;
    if (size < packBytes) continue;
    yield Buffer.concat(batch, size);
    batch = [];
    size = 0;
  }
  if (size) yield Buffer.concat(batch, size);
}
