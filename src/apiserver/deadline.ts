// The time a client gives its request. When it is over before the answer has begun, there is another answer: 504. What
// the request was doing goes on, but writes nothing any more and answers nobody.
import { timeout } from '../api/status.ts';
import type { Clock } from '../base/clock.ts';
import type { Exchange } from './http/exchange.ts';

/** No request may take longer, unless the server is told otherwise. */
export const requestTimeoutMs = 60_000;

// Written by no handler of the API: without kind and version, and of no declared type.
const answer = JSON.stringify({
  metadata: {},
  status: 'Failure',
  message: 'Timeout: request did not complete within the allotted timeout',
  reason: 'Timeout',
  details: {},
  code: 504,
});
const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache, private' };

export class Deadline {
  readonly #exchange: Exchange;
  readonly #timer: { cancel(): void } | undefined;
  #isPast = false;

  /** `startMs`: by the monotonic clock. */
  constructor(exchange: Exchange, clock: Clock, startMs: number, givenMs: number) {
    this.#exchange = exchange;
    const leftMs = startMs + givenMs - clock.monotonic();
    if (leftMs <= 0) this.#pass();
    else this.#timer = clock.after(leftMs, () => this.#pass());
  }

  get isPast(): boolean {
    return this.#isPast;
  }

  /** Throws when it is past: before a write. */
  check(): void {
    if (this.#isPast) throw timeout('request did not complete within requested timeout - context deadline exceeded');
  }

  end(): void {
    this.#timer?.cancel();
  }

  #pass(): void {
    this.#isPast = true;
    // An answer that has begun is cut off.
    this.#exchange.respond(504, headers, `${answer}\n`);
  }
}
