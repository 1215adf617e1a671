/** A request of a level: how wide it is, and where it stands. The links belong to the list it is in. */
export interface Request {
  readonly initialSeats: number;
  /** Held for `extraMs` after the end, while watchers are told. */
  readonly finalSeats: number;
  readonly extraMs: number;
  /** The larger of both: what it occupies all the time. */
  readonly seats: number;
  arrivedMs: number;
  /** The level's meter then. */
  arrivedAt: number;
  startedMs: number;
  queue: Queue<never> | Queue<any> | undefined;
  next: Request | undefined;
  previous: Request | undefined;
  /** It was next, and there were too few seats. */
  passedOver?(): void;
}

/** One queue of a level: what waits, first in first out, and how much of what came out of it still runs. */
export class Queue<R extends Request> {
  readonly index: number;
  /** The meter's reading at which the next request begins in the imagined world. */
  nextStart = 0;
  head: R | undefined;
  #tail: R | undefined;
  length = 0;
  executing = 0;
  seatsInUse = 0;
  waitingSeats = 0;
  waitingInitialSeats = 0;
  /** Seats times time after the end of what waits. */
  waitingExtra = 0;

  constructor(index: number) {
    this.index = index;
  }

  get idle(): boolean {
    return this.length === 0 && this.executing === 0;
  }

  /** Seat-milliseconds ahead of a newcomer. */
  backlog(guessMs: number): number {
    return (this.waitingInitialSeats + this.seatsInUse) * guessMs + this.waitingExtra;
  }

  push(request: R): void {
    request.previous = this.#tail;
    if (this.#tail) this.#tail.next = request;
    else this.head = request;
    this.#tail = request;
    this.#count(request, 1);
  }

  remove(request: R): void {
    const { previous, next } = request;
    if (previous) previous.next = next;
    else this.head = next as R | undefined;
    if (next) next.previous = previous;
    else this.#tail = previous as R | undefined;
    request.previous = request.next = undefined;
    this.#count(request, -1);
  }

  *[Symbol.iterator](): Iterator<R> {
    for (let r = this.head; r; r = r.next as R | undefined) yield r;
  }

  #count({ seats, initialSeats, finalSeats, extraMs }: R, by: 1 | -1): void {
    this.length += by;
    this.waitingSeats += by * seats;
    this.waitingInitialSeats += by * initialSeats;
    this.waitingExtra += by * finalSeats * extraMs;
  }
}
