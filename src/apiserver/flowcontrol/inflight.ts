// How many requests are at work and how many wait: the gauges of both, and the plain limits that hold when priority
// and fairness are off.
import { tooManyRequests } from '../../api/status.ts';
import type { Metrics } from '../../base/metrics.ts';
import { systemPrivilegedGroup, type UserInfo } from '../authn/user.ts';
import type { Exchange } from '../http/exchange.ts';
import { isLongRunning } from '../long-running.ts';
import { PlainRefusal } from '../plain-refusal.ts';
import type { RequestInfo } from '../request-info.ts';

/** A request that was let in. */
export interface Passage {
  /** Once: it is answered. */
  done(): void;
}

/** What decides when a request may begin. */
export interface Gate {
  /** undefined: not subject to it. A promise when it has to wait. Throws (or rejects with) 429. */
  admit(info: RequestInfo, user: UserInfo, exchange: Exchange, nowMs: number): Passage | Promise<Passage> | undefined;
}

const windowMs = 1000;

/** A count, and the highest it was in the second before this one. */
export class HighWater {
  count = 0;
  #window = 0;
  #high = 0;
  #last = 0;

  add(by: 1 | -1, nowMs: number): void {
    this.#turn(nowMs);
    this.count += by;
    if (this.count > this.#high) this.#high = this.count;
  }

  last(nowMs: number): number {
    this.#turn(nowMs);
    return this.#last;
  }

  #turn(nowMs: number): void {
    const window = Math.floor(nowMs / windowMs);
    // Readings of the clock may come a little late.
    if (window <= this.#window) return;
    this.#last = window === this.#window + 1 ? this.#high : this.count;
    this.#high = this.count;
    this.#window = window;
  }
}

export class Inflight {
  readonly executing = { mutating: new HighWater(), readOnly: new HighWater() };
  readonly waiting = { mutating: new HighWater(), readOnly: new HighWater() };

  constructor(metrics: Metrics, monotonic: () => number) {
    const told = (counts: Inflight['executing']) => () =>
      (['mutating', 'readOnly'] as const).map(kind => ({
        labels: { request_kind: kind },
        value: counts[kind].last(monotonic()),
      }));
    metrics.source(
      'apiserver_current_inflight_requests',
      '[STABLE] Maximal number of currently used inflight request limit of this apiserver per request kind in last second.',
      'gauge',
      told(this.executing),
    );
    metrics.source(
      'apiserver_current_inqueue_requests',
      '[ALPHA] Maximal number of queued requests in this apiserver per request kind in last second.',
      'gauge',
      told(this.waiting),
    );
  }
}

export const kindOf = ({ verb }: RequestInfo): 'mutating' | 'readOnly' =>
  verb === 'get' || verb === 'list' || verb === 'watch' ? 'readOnly' : 'mutating';

const tooManyText = 'Too many requests, please try again later.';

export const tooMany = (retryAfterSeconds = 1) =>
  new PlainRefusal(tooManyRequests(tooManyText, retryAfterSeconds), `${tooManyText}\n`);

/** Without priority and fairness: so many that read and so many that write. 0: no limit. */
export function plainGate(
  inflight: Inflight,
  limits: { readonly mutating: number; readonly readOnly: number },
  monotonic: () => number,
): Gate {
  const { executing } = inflight;
  const passages = {
    mutating: { done: () => executing.mutating.add(-1, monotonic()) },
    readOnly: { done: () => executing.readOnly.add(-1, monotonic()) },
  };
  return {
    admit(info, user, _exchange, nowMs) {
      const kind = kindOf(info);
      if (limits[kind] === 0 || isLongRunning(info)) return undefined;
      if (executing[kind].count >= limits[kind]) {
        // Whoever repairs a cluster must get through.
        if (user.groups.includes(systemPrivilegedGroup)) return undefined;
        throw tooMany();
      }
      executing[kind].add(1, nowMs);
      return passages[kind];
    },
  };
}
