// The audit log: one event a line, in files that are put aside when they are full.
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  type WriteStream,
} from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Event } from '../../api/type/audit-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { legacyLine } from './kernel/legacy-line.ts';
import type { AuditSink } from './sink.ts';

export interface LogFileOptions {
  readonly path: string;
  /** Megabytes a file may grow to. Default: 100; 0: any size. */
  readonly maxSizeMb?: number;
  /** Files put aside that are kept. Default, and 0: all. */
  readonly maxBackups?: number;
  /** Days files put aside are kept. Default, and 0: forever. */
  readonly maxAgeDays?: number;
  /** Files put aside are packed. */
  readonly compress?: boolean;
  /** Default: json. */
  readonly format?: 'json' | 'legacy';
  readonly clock: Clock;
  readonly log: Log;
}

type Format = NonNullable<LogFileOptions['format']>;

const lineOf = (event: Event, format: Format = 'json') =>
  `${format === 'legacy' ? legacyLine(event) : JSON.stringify(event)}\n`;

/** The same to what is open already. */
export function appendTo(out: Writable, events: readonly Event[], format: Format): Promise<void> {
  return new Promise((resolve, reject) => {
    out.write(events.map(event => lineOf(event, format)).join(''), error => (error ? reject(error) : resolve()));
  });
}

const dayMs = 86_400_000;

export class AuditLogFile implements AuditSink {
  readonly #options: LogFileOptions;
  #stream: WriteStream;
  #bytes: number;
  /** Files put aside that are still being written. */
  readonly #ending = new Set<Promise<void>>();

  constructor(options: LogFileOptions) {
    this.#options = options;
    mkdirSync(dirname(options.path), { recursive: true });
    this.#bytes = existsSync(options.path) ? statSync(options.path).size : 0;
    this.#stream = this.#open();
  }

  /** Resolves when the event is handed to the system. */
  write(event: Event): Promise<boolean> {
    return this.append([event]).then(
      () => true,
      () => false,
    );
  }

  /** The same for several; rejects when they could not be written. */
  append(events: readonly Event[]): Promise<void> {
    return Promise.all(events.map(event => this.#line(lineOf(event, this.#options.format)))).then(() => {});
  }

  #line(line: string): Promise<void> {
    const bytes = Buffer.byteLength(line);
    const most = this.#options.maxSizeMb === 0 ? Infinity : (this.#options.maxSizeMb ?? 100) << 20;
    if (this.#bytes > 0 && this.#bytes + bytes > most) this.#rotate();
    this.#bytes += bytes;
    return new Promise((resolve, reject) => {
      // A stream that failed once is of no use any more; the disk may have room again.
      if (this.#stream.destroyed) this.#stream = this.#open();
      this.#stream.write(line, error => (error ? reject(error) : resolve()));
    });
  }

  /** Resolves when all is in the file. */
  close(): Promise<void> {
    this.#end();
    return Promise.all(this.#ending).then(() => {});
  }

  #end(): void {
    const ended = new Promise<void>(resolve => this.#stream.close(() => resolve())).then(() => {
      this.#ending.delete(ended);
    });
    this.#ending.add(ended);
  }

  #open(): WriteStream {
    // At once: what is put aside later must be the file this writes to.
    const fd = openSync(this.#options.path, 'a', 0o600);
    const stream = createWriteStream(this.#options.path, { fd });
    stream.on('error', error => this.#options.log.error('writing the audit log failed', { error: error.message }));
    return stream;
  }

  #rotate(): void {
    const { path, clock, log } = this.#options;
    const extension = extname(path);
    const stamp = new Date(clock.now()).toISOString().replace(/:/g, '-').replace('Z', '');
    const base = path.slice(0, path.length - extension.length);
    let aside = `${base}-${stamp}${extension}`;
    for (let n = 1; existsSync(aside); n++) aside = `${base}-${stamp}-${n}${extension}`;
    this.#bytes = 0;
    try {
      renameSync(path, aside);
      const next = this.#open();
      this.#end();
      this.#stream = next;
      if (this.#options.compress) this.#pack(aside);
      this.#prune();
    } catch (error) {
      // What is open is written to until the next turn.
      log.error('rotating the audit log failed', { error: messageOf(error) });
    }
  }

  /** Once all that was written is in it. */
  #pack(aside: string): void {
    const packed = Promise.all(this.#ending)
      .then(() => pipeline(createReadStream(aside), createGzip(), createWriteStream(`${aside}.gz`, { mode: 0o600 })))
      .then(
        () => rmSync(aside, { force: true }),
        error => this.#options.log.error('packing an audit log failed', { error: messageOf(error) }),
      )
      .then(() => void this.#ending.delete(packed));
    this.#ending.add(packed);
  }

  #prune(): void {
    const { path, clock, maxBackups, maxAgeDays } = this.#options;
    const extension = extname(path);
    const prefix = `${basename(path, extension)}-`;
    const directory = dirname(path);
    const aside = readdirSync(directory)
      .filter(name => name.startsWith(prefix) && (name.endsWith(extension) || name.endsWith(`${extension}.gz`)))
      .sort()
      .reverse()
      .map(name => join(directory, name));
    for (const [i, file] of aside.entries()) {
      const old = maxAgeDays ? clock.now() - statSync(file).mtimeMs > maxAgeDays * dayMs : false;
      if (old || (maxBackups && i >= maxBackups)) rmSync(file, { force: true });
    }
  }
}
