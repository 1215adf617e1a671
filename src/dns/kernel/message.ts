// DNS messages as bytes (RFC 1035, 6891): questions read, answers written with compressed names. Pure.
import { parseIp } from '../../api/name-rule.ts';
import type { ResourceRecord, SoaData, SrvData } from './resolve.ts';

export const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
export type Rcode = keyof typeof rcodes;
export type Transport = 'udp' | 'tcp';

export interface Query {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  /** As asked, without a dot at the end. */
  readonly name: string;
  /** `A`, `SRV`, … or `TYPE123`. */
  readonly type: string;
  readonly class: number;
  /** The question section as it came. */
  readonly question: Uint8Array;
  readonly edns?: { readonly udpBytes: number; readonly version: number; readonly dnssecOk: boolean };
}

const typeNumbers: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  OPT: 41,
  DS: 43,
  DNSKEY: 48,
  SVCB: 64,
  HTTPS: 65,
  AXFR: 252,
  ANY: 255,
};
const typeNames = new Map(Object.entries(typeNumbers).map(([name, number]) => [number, name]));
const typeOpt = 41;
const headerBytes = 12;

export interface Malformed {
  readonly id: number;
  readonly malformed: true;
}

/** Undefined for what deserves no answer (a response, or too short to be anything). */
export function parseQuery(bytes: Uint8Array): Query | Malformed | undefined {
  if (bytes.length < headerBytes || bytes[2]! & 0x80) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const id = view.getUint16(0);
  const opcode = (bytes[2]! >> 3) & 15;
  const question = view.getUint16(4) === 1 ? readQuestion(view, bytes) : undefined;
  if (!question) {
    // An operation other than a query may have another form; it is refused as unknown, not as malformed.
    if (opcode === 0) return { id, malformed: true };
    return { id, opcode, recursionDesired: false, name: '', type: '', class: 1, question: new Uint8Array(0) };
  }
  const { end, ...asked } = question;
  const edns = readOpt(view, bytes, end, view.getUint16(6) + view.getUint16(8) + view.getUint16(10));
  return {
    id,
    opcode,
    recursionDesired: (bytes[2]! & 1) !== 0,
    ...asked,
    question: bytes.subarray(headerBytes, end),
    ...(edns ? { edns } : {}),
  };
}

function readQuestion(view: DataView, bytes: Uint8Array) {
  const labels: string[] = [];
  let at = headerBytes;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || length > 63) return undefined;
    at++;
    if (length === 0) break;
    if (at + length > bytes.length) return undefined;
    labels.push(String.fromCharCode(...bytes.subarray(at, at + length)));
    at += length;
  }
  if (at + 4 > bytes.length || at - headerBytes > 255) return undefined;
  const number = view.getUint16(at);
  const type = typeNames.get(number) ?? `TYPE${number}`;
  return { name: labels.join('.'), type, class: view.getUint16(at + 2), end: at + 4 };
}

function readOpt(view: DataView, bytes: Uint8Array, start: number, count: number): Query['edns'] | undefined {
  let at = start;
  for (let i = 0; i < count; i++) {
    while (at < bytes.length && bytes[at]! > 0 && bytes[at]! < 64) at += bytes[at]! + 1;
    at += (bytes[at] ?? 0) >= 192 ? 2 : 1;
    if (at + 10 > bytes.length) return undefined;
    if (view.getUint16(at) === typeOpt)
      return {
        udpBytes: view.getUint16(at + 2),
        version: bytes[at + 5]!,
        dnssecOk: (bytes[at + 6]! & 0x80) !== 0,
      };
    at += 10 + view.getUint16(at + 8);
  }
  return undefined;
}

export interface Response {
  readonly rcode: Rcode;
  readonly authoritative: boolean;
  readonly answers?: readonly ResourceRecord[];
  readonly authorities?: readonly ResourceRecord[];
  readonly additionals?: readonly ResourceRecord[];
}

/** Payload of UDP that passes networks whole. */
export const maxUdpBytes = 1232;
export const maxTcpBytes = 65_535;
const plainUdpBytes = 512;

/** How many bytes an answer over UDP may have. */
export const udpLimit = (query: Query): number =>
  query.edns ? Math.min(maxUdpBytes, Math.max(plainUdpBytes, query.edns.udpBytes)) : plainUdpBytes;

/** Records that do not fit are left out, and the answer is marked as truncated when that concerns what was asked. */
export function encodeResponse(query: Query, response: Response, maxBytes: number): Uint8Array {
  const optBytes = query.edns ? 11 : 0;
  const writer = new Writer(query, maxBytes - optBytes);
  const answers = writer.records(response.answers ?? []);
  const truncated = answers < (response.answers?.length ?? 0);
  const authorities = truncated ? 0 : writer.records(response.authorities ?? []);
  const additionals = truncated ? 0 : writer.records(response.additionals ?? []);
  const number = rcodes[response.rcode];
  if (query.edns) writer.opt(number >> 4, query.edns.dnssecOk);
  const flags =
    0x8000 |
    (query.opcode << 11) |
    (response.authoritative ? 0x0400 : 0) |
    (truncated ? 0x0200 : 0) |
    (query.recursionDesired ? 0x0100 : 0) |
    0x0080 |
    (number & 15);
  return writer.finish(query.id, flags, [
    query.question.length > 0 ? 1 : 0,
    answers,
    authorities,
    additionals + (query.edns ? 1 : 0),
  ]);
}

/** Says to ask again over TCP: what there is to say does not fit. */
export function encodeTruncated(query: Query, maxBytes: number): Uint8Array {
  const bytes = encodeResponse(query, { rcode: 'NOERROR', authoritative: false }, maxBytes);
  bytes[2]! |= 0x02;
  return bytes;
}

/** To something that could not be read. */
export function encodeFormatError(id: number): Uint8Array {
  return Uint8Array.from([id >> 8, id & 255, 0x80, rcodes.FORMERR, 0, 0, 0, 0, 0, 0, 0, 0]);
}

const classIn = 1;

class Writer {
  #bytes: Uint8Array;
  #view: DataView;
  #at = headerBytes;
  readonly #max: number;
  readonly #suffixes = new Map<string, number>();

  constructor(query: Query, maxBytes: number) {
    this.#max = maxBytes;
    this.#bytes = new Uint8Array(512);
    this.#view = new DataView(this.#bytes.buffer);
    this.#bytes.set(query.question, this.#at);
    this.#at += query.question.length;
    this.#remember(query.name.toLowerCase().split('.'), headerBytes);
  }

  /** How many of them fitted. */
  records(list: readonly ResourceRecord[]): number {
    for (let i = 0; i < list.length; i++) {
      const start = this.#at;
      this.#record(list[i]!);
      if (this.#at <= this.#max) continue;
      this.#at = start;
      for (const [suffix, at] of this.#suffixes) if (at >= start) this.#suffixes.delete(suffix);
      return i;
    }
    return list.length;
  }

  opt(extendedRcode: number, dnssecOk: boolean): void {
    this.#room(11);
    this.#byte(0);
    this.#short(typeOpt);
    this.#short(maxUdpBytes);
    this.#byte(extendedRcode);
    this.#byte(0);
    this.#short(dnssecOk ? 0x8000 : 0);
    this.#short(0);
  }

  finish(id: number, flags: number, counts: readonly number[]): Uint8Array {
    [id, flags, ...counts].forEach((n, i) => {
      this.#view.setUint16(i * 2, n);
    });
    return this.#bytes.subarray(0, this.#at);
  }

  #record(record: ResourceRecord): void {
    this.#name(record.name);
    this.#room(10);
    this.#short(typeNumbers[record.type]!);
    this.#short(classIn);
    this.#long(record.ttl);
    const lengthAt = this.#at;
    this.#short(0);
    this.#data(record);
    this.#view.setUint16(lengthAt, this.#at - lengthAt - 2);
  }

  #data({ type, data }: ResourceRecord): void {
    if (typeof data === 'string') {
      if (type === 'A' || type === 'AAAA') this.#raw(parseIp(data) ?? new Uint8Array(type === 'A' ? 4 : 16));
      else if (type === 'TXT') this.#text(data);
      else this.#name(data);
    } else if (type === 'SRV') {
      const { priority, weight, port, target } = data as SrvData;
      this.#room(6);
      for (const n of [priority, weight, port]) this.#short(n);
      // RFC 2782: the target is not to be compressed.
      this.#name(target, false);
    } else {
      const { mname, rname, serial } = data as SoaData;
      this.#name(mname);
      this.#name(rname);
      this.#room(20);
      // Refresh, retry, expire; the last is how long a negative answer may be kept.
      for (const n of [serial, 7200, 1800, 86_400, 5]) this.#long(n);
    }
  }

  #name(name: string, compress = true): void {
    const labels = name.split('.');
    const lower = name.toLowerCase().split('.');
    for (let i = 0; i < labels.length; i++) {
      const known = compress ? this.#suffixes.get(lower.slice(i).join('.')) : undefined;
      if (known !== undefined) {
        this.#room(2);
        this.#short(0xc000 | known);
        return;
      }
      if (compress && this.#at < 0x3fff) this.#suffixes.set(lower.slice(i).join('.'), this.#at);
      const label = labels[i]!.slice(0, 63);
      this.#room(label.length + 1);
      this.#byte(label.length);
      for (let c = 0; c < label.length; c++) this.#byte(label.charCodeAt(c) & 255);
    }
    this.#room(1);
    this.#byte(0);
  }

  #remember(labels: readonly string[], start: number): void {
    let at = start;
    if (labels[0] === '') return;
    for (let i = 0; i < labels.length; i++) {
      this.#suffixes.set(labels.slice(i).join('.'), at);
      at += labels[i]!.length + 1;
    }
  }

  #text(text: string): void {
    const bytes = new TextEncoder().encode(text).subarray(0, 255);
    this.#room(bytes.length + 1);
    this.#byte(bytes.length);
    this.#raw(bytes);
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #byte(n: number): void {
    this.#bytes[this.#at++] = n;
  }

  #short(n: number): void {
    this.#view.setUint16(this.#at, n);
    this.#at += 2;
  }

  #long(n: number): void {
    this.#view.setUint32(this.#at, n);
    this.#at += 4;
  }

  #room(bytes: number): void {
    if (this.#at + bytes + 16 <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + bytes + 16));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
