const newline = 0x0a;

/**
 * Cuts a byte stream into lines. Each byte is looked at once and copied at most twice, however the chunks fall;
 * characters may be split between chunks.
 */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  #pending: Buffer[] = [];

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      this.#emit(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end));
      start = end + 1;
    }
    if (start < chunk.length) this.#pending.push(start === 0 ? chunk : chunk.subarray(start));
  }

  /** The stream is over: what is left without a newline is a line too. */
  end(): void {
    if (this.#pending.length > 0) this.#emit(Buffer.alloc(0));
  }

  #emit(last: Buffer): void {
    let line = last;
    if (this.#pending.length > 0) {
      this.#pending.push(last);
      line = Buffer.concat(this.#pending);
      this.#pending = [];
    }
    if (line.length > 0) this.#onLine(line.toString('utf8'));
  }
}
