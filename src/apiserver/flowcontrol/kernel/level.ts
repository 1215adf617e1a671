// Fair queueing of the requests of one priority level.
//
// A meter R says how far a queue would have come that always had work: it grows by min(limit, seats asked for) divided
// by the queues that have work. Each queue notes at which reading its next request begins in that world; the request
// that would end first goes next. How long a request runs is guessed (3 ms) until it is known.
import { BucketCounts } from '../../../base/bucket-counts.ts';
import { DemandMeter } from './demand.ts';
import { Queue, type Request } from './queue.ts';

export interface LevelShape {
  /** No limit at all. */
  readonly exempt: boolean;
  /** 0: what has no seat at once is refused. */
  readonly queues: number;
  readonly handSize: number;
  readonly queueLengthLimit: number;
}

export type Refusal = 'queue-full' | 'concurrency-limit';
export type Arrival = 'started' | 'waiting' | Refusal;

export class Level<R extends Request = Request> {
  readonly name: string;
  shape: LevelShape;
  limit: number;
  nominal: number;
  /** The meter, in seat-milliseconds, as of the last change. */
  meter = 0;
  seatsInUse = 0;
  /** Requests that run; what only holds seats for its watchers counts no more. */
  executing = 0;
  waiting = 0;
  waitingSeats = 0;
  dispatched = 0;
  rejected = 0;
  timedOut = 0;
  cancelled = 0;
  /** Meter readings at the last dispatch, and at which that request began. */
  dispatchMeter = 0;
  latestStart = 0;
  readonly queues: Queue<R>[] = [];
  readonly demand = new DemandMeter();
  // Ratios, observed as it were at the end of each nanosecond.
  readonly seatUse = new BucketCounts([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1]);
  readonly demandUse = new BucketCounts([0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.7, 2, 2.8, 4, 6]);
  readonly requestUse = {
    waiting: new BucketCounts([0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1]),
    executing: new BucketCounts([0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1]),
  };
  #lastMs: number;
  #turn = 0;
  #offset = 0;
  #active = 0;
  #first: R | undefined;
  /** Ended but holding their seats for a while: in order of release. */
  #lingering: { readonly atMs: number; readonly request: R }[] = [];

  constructor(name: string, shape: LevelShape, limit: number, nowMs: number) {
    this.name = name;
    this.shape = shape;
    this.limit = limit;
    this.nominal = limit;
    this.#lastMs = nowMs;
    this.#resize();
  }

  /** The queues change their number or length; what waits stays where it is. */
  reshape(shape: LevelShape, nowMs: number): void {
    this.advance(nowMs);
    this.shape = shape;
    this.#resize();
  }

  #resize(): void {
    const { queues, shape } = this;
    while (queues.length < shape.queues) queues.push(new Queue(queues.length));
    while (queues.length > shape.queues && queues.at(-1)!.idle) queues.pop();
  }

  get idle(): boolean {
    return this.waiting === 0 && this.executing === 0 && this.#lingering.length === 0;
  }

  get activeQueues(): number {
    return this.#active;
  }

  /** The requests that run. */
  *running(): Iterable<R> {
    for (let r = this.#first; r; r = r.next as R | undefined) yield r;
  }

  /** Takes one request; `hand`: the queues it may wait in. When it waits, `dispatch` may start it or others. */
  arrive(request: R, hand: readonly number[], nowMs: number): Arrival {
    this.advance(nowMs);
    const { shape } = this;
    request.arrivedMs = nowMs;
    request.arrivedAt = this.meter;
    if (shape.exempt || shape.queues === 0) {
      if (!shape.exempt && !this.#fits(request)) {
        this.rejected++;
        return 'concurrency-limit';
      }
      this.#start(request, nowMs);
      return 'started';
    }
    const queue = this.#choose(hand);
    if (queue.length >= shape.queueLengthLimit && !(this.waiting === 0 && this.#fits(request))) {
      this.rejected++;
      return 'queue-full';
    }
    if (queue.idle) {
      queue.nextStart = this.meter;
      this.#active++;
    }
    request.queue = queue;
    if (this.waiting === 0 && this.#fits(request)) {
      this.#turn = queue.index;
      this.#start(request, nowMs);
      return 'started';
    }
    queue.push(request);
    this.waiting++;
    this.waitingSeats += request.seats;
    this.demand.touch(this.seatsInUse + this.waitingSeats);
    return 'waiting';
  }

  /** The next request to start, if there is a seat for it: to be called until there is none. */
  dispatch(nowMs: number): R | undefined {
    if (this.waiting === 0) return undefined;
    this.advance(nowMs);
    const queue = this.#next();
    const request = queue.head!;
    if (!this.#fits(request)) {
      // With no seat at all left nothing is tried.
      if (this.seatsInUse < this.limit) request.passedOver?.();
      return undefined;
    }
    queue.remove(request);
    this.waiting--;
    this.waitingSeats -= request.seats;
    this.#turn = queue.index;
    this.#start(request, nowMs);
    return request;
  }

  /** A waiting request gives up. */
  leave(request: R, why: 'time-out' | 'cancelled', nowMs: number): void {
    this.advance(nowMs);
    const queue = request.queue as Queue<R>;
    queue.remove(request);
    this.waiting--;
    this.waitingSeats -= request.seats;
    if (why === 'cancelled') this.cancelled++;
    else this.timedOut++;
    if (queue.idle) this.#active--;
  }

  /** A request has ended; its seats are free at once, or when its watchers have been served. */
  finish(request: R, nowMs: number): void {
    this.advance(nowMs);
    this.executing--;
    if (request.previous) request.previous.next = request.next;
    else this.#first = request.next as R | undefined;
    if (request.next) request.next.previous = request.previous;
    request.next = request.previous = undefined;
    const queue = request.queue as Queue<R> | undefined;
    if (queue) queue.nextStart += request.initialSeats * (nowMs - request.startedMs - guessMs);
    if (request.extraMs <= 0 || request.finalSeats === 0) this.#release(request);
    else {
      const entry = { atMs: nowMs + request.extraMs, request };
      let i = this.#lingering.length;
      while (i > 0 && this.#lingering[i - 1]!.atMs > entry.atMs) i--;
      this.#lingering.splice(i, 0, entry);
    }
  }

  /** When the next seats come free of themselves. */
  get nextReleaseMs(): number | undefined {
    return this.#lingering[0]?.atMs;
  }

  /** Brings meter and statistics up to now, and frees what is due. */
  advance(nowMs: number): void {
    while (this.#lingering.length > 0 && this.#lingering[0]!.atMs <= nowMs) {
      const { atMs, request } = this.#lingering.shift()!;
      this.#pass(atMs);
      this.#release(request);
    }
    this.#pass(nowMs);
  }

  #pass(nowMs: number): void {
    const ms = nowMs - this.#lastMs;
    if (ms <= 0) return;
    this.#lastMs = nowMs;
    const { seatsInUse, limit, nominal, shape } = this;
    const demand = seatsInUse + this.waitingSeats;
    if (this.#active > 0) this.meter += (ms * Math.min(limit, demand)) / this.#active;
    this.demand.hold(demand, ms);
    const ns = ms * 1e6;
    this.demandUse.observe(demand / Math.max(1, nominal), ns);
    this.seatUse.observe(seatsInUse / Math.max(1, limit), ns);
    this.requestUse.executing.observe(this.executing / Math.max(1, limit), ns);
    if (shape.queues > 0) this.requestUse.waiting.observe(this.waiting / (shape.queues * shape.queueLengthLimit), ns);
  }

  /** One request may be wider than the whole level. */
  #fits(request: R): boolean {
    return this.seatsInUse === 0 || this.seatsInUse + request.seats <= this.limit;
  }

  #start(request: R, nowMs: number): void {
    request.startedMs = nowMs;
    const queue = request.queue as Queue<R> | undefined;
    if (queue) {
      // Nothing begins before it came: who left seats unused has no claim on them later.
      queue.nextStart = Math.max(queue.nextStart, request.arrivedAt);
      this.latestStart = queue.nextStart;
      queue.nextStart += workOf(request);
      queue.seatsInUse += request.seats;
      queue.executing++;
    }
    this.dispatchMeter = this.meter;
    this.seatsInUse += request.seats;
    this.executing++;
    this.dispatched++;
    request.next = this.#first;
    if (this.#first) this.#first.previous = request;
    this.#first = request;
    this.demand.touch(this.seatsInUse + this.waitingSeats);
  }

  #release(request: R): void {
    this.seatsInUse -= request.seats;
    const queue = request.queue as Queue<R> | undefined;
    if (!queue) return;
    queue.seatsInUse -= request.seats;
    queue.executing--;
    if (!queue.idle) return;
    this.#active--;
    if (queue.index >= this.shape.queues) this.#resize();
  }

  /** Of the hand, the queue with the least to do; a different one first each time, so that ties spread. */
  #choose(hand: readonly number[]): Queue<R> {
    const { queues } = this;
    const from = this.#offset++ % hand.length;
    let best = queues[hand[from]!]!;
    let least = best.backlog(guessMs);
    for (let n = 1; n < hand.length && least > 0; n++) {
      const queue = queues[hand[(from + n) % hand.length]!]!;
      const backlog = queue.backlog(guessMs);
      if (backlog >= least) continue;
      best = queue;
      least = backlog;
    }
    return best;
  }

  /** The queue whose head would end first; of equals the one that follows the last. */
  #next(): Queue<R> {
    const { queues } = this;
    let best: Queue<R> | undefined;
    let earliest = Number.POSITIVE_INFINITY;
    for (let n = 1; n <= queues.length; n++) {
      const queue = queues[(this.#turn + n) % queues.length]!;
      if (!queue.head) continue;
      const end = Math.max(queue.nextStart, queue.head.arrivedAt) + workOf(queue.head);
      if (end >= earliest) continue;
      best = queue;
      earliest = end;
    }
    return best!;
  }
}

/** What a request is thought to take while nobody knows. */
export const guessMs = 3;

/** Seat-milliseconds, guessed. */
export const workOf = ({ initialSeats, finalSeats, extraMs }: Request): number =>
  initialSeats * guessMs + finalSeats * extraMs;
