// Replies of name servers, kept for as long as they allow and no longer than CoreDNS' `cache 30`. Pure.
import type { Query } from './message.ts';

interface Entry {
  readonly reply: Uint8Array;
  /** Where in the reply the TTLs stand. */
  readonly ttlAt: readonly number[];
  readonly storedMs: number;
  readonly expiresMs: number;
}

const maxEntries = 10_000;
const maxSeconds = 30;
const headerBytes = 12;
const typeSoa = 6;
const typeOpt = 41;
const nxdomain = 3;

export class ReplyCache {
  readonly #entries = new Map<string, Entry>();

  get size(): number {
    return this.#entries.size;
  }

  /** A copy that answers this query, its TTLs less by the time since; undefined when there is none that fits `maxBytes`. */
  get(query: Query, header: Uint8Array, nowMs: number, maxBytes: number): Uint8Array | undefined {
    const key = keyOf(query, header);
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (entry.expiresMs <= nowMs) {
      this.#entries.delete(key);
      return undefined;
    }
    if (entry.reply.length > maxBytes) return undefined;
    const copy = Uint8Array.from(entry.reply);
    copy.set(header.subarray(0, 2));
    copy.set(query.question, headerBytes);
    const view = new DataView(copy.buffer);
    const ageSeconds = Math.floor((nowMs - entry.storedMs) / 1000);
    for (const at of entry.ttlAt) view.setUint32(at, Math.max(0, view.getUint32(at) - ageSeconds));
    return copy;
  }

  put(query: Query, header: Uint8Array, reply: Uint8Array, nowMs: number): void {
    const read = readTtls(reply);
    const kept = read && withoutOptions(reply, read.optAt);
    if (!kept || read.seconds <= 0) return;
    const key = keyOf(query, header);
    this.#entries.delete(key);
    if (this.#entries.size >= maxEntries) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.set(key, {
      reply: kept,
      ttlAt: read.ttlAt,
      storedMs: nowMs,
      expiresMs: nowMs + Math.min(read.seconds, maxSeconds) * 1000,
    });
  }
}

// The same question, in whatever case, asked with the same wishes.
function keyOf(query: Query, header: Uint8Array): string {
  const wishes = `${header[2]! & 1}${header[3]! & 0x10}${query.edns ? (query.edns.dnssecOk ? 2 : 1) : 0}`;
  return `${query.name.toLowerCase()} ${query.type} ${query.class} ${wishes}`;
}

/** Undefined for what is not to be kept: cut off, failed, or not understood. */
function readTtls(reply: Uint8Array): { seconds: number; ttlAt: number[]; optAt?: number } | undefined {
  if (reply.length < headerBytes) return undefined;
  const rcode = reply[3]! & 15;
  if (reply[2]! & 2 || (rcode !== 0 && rcode !== nxdomain)) return undefined;
  const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
  if (view.getUint16(4) !== 1) return undefined;
  const answers = view.getUint16(6);
  const records = answers + view.getUint16(8) + view.getUint16(10);
  let at = skipName(reply, headerBytes) + 4;
  let seconds = Number.POSITIVE_INFINITY;
  let denied: number | undefined;
  const ttlAt: number[] = [];
  let optAt: number | undefined;
  for (let i = 0; i < records; i++) {
    at = skipName(reply, at);
    if (at + 10 > reply.length) return undefined;
    const [type, ttl, length] = [view.getUint16(at), view.getUint32(at + 4), view.getUint16(at + 8)];
    const end = at + 10 + length;
    if (end > reply.length) return undefined;
    if (type === typeOpt) optAt = at;
    else {
      ttlAt.push(at + 4);
      seconds = Math.min(seconds, ttl);
      // RFC 2308: how long a "no" holds is the last number of the SOA, or its own TTL if that is less.
      if (type === typeSoa && i >= answers && length >= 22) denied = Math.min(ttl, view.getUint32(end - 4));
    }
    at = end;
  }
  const found = { ttlAt, ...(optAt === undefined ? {} : { optAt }) };
  if (answers > 0 && rcode === 0) return { seconds, ...found };
  return denied === undefined ? undefined : { seconds: denied, ...found };
}

/**
 * A copy that may be said to others: options (a client's cookie, RFC 7873) are for who asked. Undefined where they do not
 * stand at the end.
 */
function withoutOptions(reply: Uint8Array, optAt: number | undefined): Uint8Array | undefined {
  if (optAt === undefined) return Uint8Array.from(reply);
  const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
  const length = view.getUint16(optAt + 8);
  if (length > 0 && optAt + 10 + length !== reply.length) return undefined;
  const copy = reply.slice(0, reply.length - length);
  new DataView(copy.buffer).setUint16(optAt + 8, 0);
  return copy;
}

function skipName(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && bytes[at]! > 0 && bytes[at]! < 64) at += bytes[at]! + 1;
  return at + ((bytes[at] ?? 0) >= 192 ? 2 : 1);
}
