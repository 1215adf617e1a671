// What a watch may bring that no watch should.
import { systemClock } from '../../src/base/clock.ts';

export type WatchFault =
  /** Ends before anything came. */
  | 'ended'
  /** 410 as an answer. */
  | 'gone'
  /** 410 as the first frame. */
  | 'gone frame'
  | 'error frame'
  /** Breaks off within the second frame. */
  | 'half frame'
  /** What was sent before comes again. */
  | 'repeat'
  /** Lines that are no events. */
  | 'nonsense'
  /** Events of types nobody knows. */
  | 'unknown type'
  /** Ends in order after each third event. */
  | 'short';

export interface WatchOutput {
  write(text: string): void;
  end(): void;
  break(): void;
}

const status = (code: number, reason: string) =>
  `${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: `made up: ${reason}`, reason, code } })}\n`;

const remembered = 20;

export class BrokenWatch {
  readonly #fault: WatchFault | undefined;
  readonly #seen: string[];
  readonly #out: WatchOutput;
  #rest = '';
  #lines = 0;
  #over = false;

  constructor(fault: WatchFault | undefined, seen: string[], query: URLSearchParams, out: WatchOutput) {
    this.#fault = fault;
    this.#seen = seen;
    this.#out = out;
    const old = query.get('resourceVersion');
    if (fault === 'ended') this.#end(() => out.end());
    if (fault === 'gone frame') this.#say(status(410, 'Expired'));
    if (fault === 'error frame') this.#say(status(500, 'InternalError'));
    if (fault === 'nonsense') this.#say('<html>Bad gateway</html>\n{}\n');
    if (fault === 'repeat' && old) for (const line of seen) out.write(line);
    if (fault === 'unknown type' && seen.length) {
      const event = JSON.parse(seen.at(-1)!);
      event.object.metadata.labels = { never: 'was' };
      out.write(`${JSON.stringify({ ...event, type: 'REPLACED' })}\n`);
    }
  }

  #say(text: string): void {
    this.#end(() => {
      this.#out.write(text);
      this.#out.end();
    });
  }

  #end(how: () => void): void {
    this.#over = true;
    // The head goes first.
    void systemClock.sleep(1).then(how);
  }

  push(chunk: Buffer): void {
    if (this.#over) return;
    const lines = (this.#rest + chunk.toString('latin1')).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#line(`${line}\n`);
  }

  #line(latin: string): void {
    if (this.#over) return;
    const line = Buffer.from(latin, 'latin1').toString('utf8');
    this.#lines++;
    const isBookmark = line.startsWith('{"type":"BOOKMARK"');
    if (!isBookmark) {
      this.#seen.push(line);
      if (this.#seen.length > remembered) this.#seen.shift();
    }
    if (this.#fault === 'half frame' && this.#lines === 2) {
      this.#out.write(line.slice(0, line.length >> 1));
      this.#end(() => this.#out.break());
      return;
    }
    this.#out.write(line);
    if (this.#fault === 'short' && this.#lines === 3) this.#end(() => this.#out.end());
  }
}
