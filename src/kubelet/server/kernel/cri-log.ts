// Lines of container logs as the CRI lays them down: `<RFC 3339 time> stdout|stderr F|P[:tags] <text>`.

export interface LogFilter {
  /** Nanoseconds since the epoch; earlier entries are left out. */
  readonly sinceNs?: bigint;
  readonly timestamps?: boolean;
  /** Lines to read at most, left-out ones counted. */
  readonly lines?: number;
  /** Bytes to give out at most. */
  readonly bytes?: number;
  readonly stream?: 'stdout' | 'stderr';
}

export interface LogEntry {
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  /** The line goes on in the next entry. */
  readonly partial: boolean;
  /** With its line end, unless partial. */
  readonly text: Buffer;
}

const space = 0x20;
const newline = 0x0a;

/** `line` with its line end, if it has one. Undefined for what is no log line. */
export function parseLogLine(line: Buffer): LogEntry | undefined {
  const a = line.indexOf(space);
  const b = a < 0 ? -1 : line.indexOf(space, a + 1);
  if (b < 0) return undefined;
  let c = line.indexOf(space, b + 1);
  // An empty entry may come without the last space.
  if (c < 0) c = line.at(-1) === newline ? line.length - 1 : line.length;
  const stream = line.toString('latin1', a + 1, b);
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  const partial = line.toString('latin1', b + 1, c).split(':', 1)[0] === 'P';
  const start = line[c] === space ? c + 1 : c;
  const end = partial && line.at(-1) === newline ? line.length - 1 : line.length;
  return { time: line.toString('latin1', 0, a), stream, partial, text: line.subarray(start, end) };
}

const timePattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/;

/** Undefined for what is no RFC 3339 time. */
export function nanosecondsOf(time: string): bigint | undefined {
  const match = timePattern.exec(time);
  if (!match) return undefined;
  const ms = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(ms)) return undefined;
  return BigInt(ms) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}

/** With nine digits of fraction, so that the texts of lines stand below each other. */
function fixedTime(time: string): string {
  const match = timePattern.exec(time);
  return match ? `${match[1]}.${(match[2] ?? '').padEnd(9, '0')}${match[3]}` : time;
}

/** What a reader of the log gets to see of the lines it is given, until `done`. */
export class LogSelector {
  readonly #filter: LogFilter;
  #lines: number;
  #bytes: number;
  #atLineStart = true;

  constructor(filter: LogFilter) {
    this.#filter = filter;
    this.#lines = filter.lines ?? Number.POSITIVE_INFINITY;
    this.#bytes = filter.bytes ?? Number.POSITIVE_INFINITY;
  }

  get done(): boolean {
    return this.#lines <= 0 || this.#bytes <= 0;
  }

  take(line: Buffer): Buffer[] {
    if (this.done) return [];
    const entry = parseLogLine(line);
    if (!entry) return [];
    this.#lines--;
    const { sinceNs, stream, timestamps } = this.#filter;
    if (stream && entry.stream !== stream) return [];
    if (sinceNs !== undefined && (nanosecondsOf(entry.time) ?? sinceNs) < sinceNs) return [];
    const parts: Buffer[] = timestamps && this.#atLineStart ? [Buffer.from(`${fixedTime(entry.time)} `)] : [];
    parts.push(entry.text);
    this.#atLineStart = entry.text.length === 0 || entry.text.at(-1) === newline;
    return this.#cut(parts);
  }

  #cut(parts: Buffer[]): Buffer[] {
    const out: Buffer[] = [];
    for (const part of parts) {
      if (this.#bytes <= 0) break;
      const piece = part.length > this.#bytes ? part.subarray(0, this.#bytes) : part;
      this.#bytes -= piece.length;
      if (piece.length) out.push(piece);
    }
    return out;
  }
}

/** Cuts chunks into lines, line ends included. */
export class LineCutter {
  #rest: Buffer[] = [];

  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let start = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, start)) {
      const piece = chunk.subarray(start, at + 1);
      lines.push(this.#rest.length ? Buffer.concat([...this.#rest, piece]) : piece);
      this.#rest = [];
      start = at + 1;
    }
    if (start < chunk.length) this.#rest.push(chunk.subarray(start));
    return lines;
  }

  /** What came after the last line end. */
  rest(): Buffer {
    const rest = Buffer.concat(this.#rest);
    this.#rest = [];
    return rest;
  }
}

/**
 * Where the last `lines` lines begin, found from blocks that are given back to front. `add` returns the offset once it
 * is known.
 */
export class TailFinder {
  #missing: number;
  #first = true;

  constructor(lines: number) {
    this.#missing = lines;
  }

  /** `block` ends where the one given before began; `offset` is where it begins in the file. */
  add(block: Buffer, offset: number): number | undefined {
    if (this.#missing <= 0) return offset + block.length;
    for (let at = block.length - 1; at >= 0; at--) {
      const ends = block[at] === newline;
      // The last line's own end.
      const own = this.#first;
      this.#first = false;
      if (!ends || own) continue;
      if (--this.#missing === 0) return offset + at + 1;
    }
    return undefined;
  }
}
