import type { KubeObject } from '../api/meta.ts';
import { StatusError } from '../api/status.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { parseExactJson } from '../base/whole-number.ts';
import type { WatchEventType, WatchHandle, WatchHandler } from './client.ts';
import { type Asked, errorFromResponse, isStatus, retryAfter } from './http-status.ts';
import type { HttpTransport } from './http-transport.ts';
import { LineSplitter } from './line-splitter.ts';
import type { RequestHeaders, TransportCall } from './transport.ts';

const eventTypes: ReadonlySet<string> = new Set<WatchEventType>(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);
// Of a line that is no event, in an error.
const shownLength = 200;

/** One watch over HTTP: JSON frames, one a line. */
export class HttpWatch<T extends KubeObject> implements WatchHandle {
  readonly #transport: HttpTransport;
  readonly #handler: WatchHandler<T>;
  readonly #note: (status: number) => void;
  readonly #asked: Asked;
  #call: TransportCall | undefined;
  #over = false;
  #deadline: Timer | undefined;
  #unanswered: Timer | undefined;

  /** `note` is told how it is answered; 0: not at all. */
  constructor(transport: HttpTransport, handler: WatchHandler<T>, note: (status: number) => void, asked: Asked) {
    this.#transport = transport;
    this.#handler = handler;
    this.#note = note;
    this.#asked = asked;
  }

  stop(): void {
    this.#over = true;
    this.#deadline?.cancel();
    this.#unanswered?.cancel();
    this.#call?.cancel();
  }

  /** A server answers at once, long before it has anything to tell. */
  answerWithin(ms: number, clock: Clock): void {
    this.#unanswered = clock.after(ms, () => this.fail(new Error(`watch not answered by the server after ${ms} ms`)));
  }

  /** A server that does not end it would be waited for for ever. */
  endAfter(ms: number, clock: Clock): void {
    this.#deadline = clock.after(ms, () => this.fail(new Error(`watch not ended by the server after ${ms} ms`)));
  }

  fail(error: Error | undefined): void {
    if (this.#over) return;
    this.stop();
    this.#handler.onClose(error);
  }

  start(path: string, headers: RequestHeaders): void {
    if (this.#over) return;
    const note = this.#note;
    let status = 0;
    let retryAfterSeconds = 0;
    const refusal: Buffer[] = [];
    const lines = new LineSplitter(line => this.#line(line));
    this.#call = this.#transport.send(
      { method: 'GET', path, headers, longLived: true },
      {
        onHead: (code, h) => {
          this.#unanswered?.cancel();
          status = code;
          note(code);
          retryAfterSeconds = retryAfter(h['retry-after']);
        },
        onData: chunk => {
          if (status === 200) lines.push(chunk);
          else refusal.push(chunk);
        },
        onEnd: () => {
          if (status === 200) lines.end();
          const body = () => Buffer.concat(refusal).toString('utf8');
          this.fail(status === 200 ? undefined : errorFromResponse(status, body(), this.#asked, retryAfterSeconds));
        },
        onError: error => {
          if (status === 0) note(0);
          this.fail(error);
        },
      },
    );
  }

  #line(line: string): void {
    if (this.#over) return;
    try {
      const { type, object } = this.#event(line);
      if (type !== 'ERROR') this.#handler.onEvent(type, object);
      else this.fail(isStatus(object) ? StatusError.from(object) : new Error(`watch ended: ${line}`));
    } catch (error) {
      this.fail(error as Error);
    }
  }

  #event(line: string): { readonly type: WatchEventType | 'ERROR'; readonly object: T } {
    try {
      const event = parseExactJson(line) as { type: WatchEventType | 'ERROR'; object?: T };
      if (event.type === 'ERROR' || (eventTypes.has(event.type) && event.object?.metadata)) return event as never;
    } catch {
      // Told as what it is.
    }
    throw new Error(`watch ended: not an event: ${line.slice(0, shownLength)}`);
  }
}
