import type { Timer } from '../../base/clock.ts';
import type { UserInfo } from '../authn/user.ts';
import type { RequestInfo } from '../request-info.ts';
import type { Flow } from './flow-schema.ts';
import type { Passage } from './inflight.ts';
import type { Queue, Request } from './kernel/queue.ts';
import type { Width } from './kernel/width.ts';

/** One request on its way through its level. */
export class Pass implements Request, Passage {
  readonly flow: Flow;
  readonly info: RequestInfo;
  readonly user: UserInfo;
  readonly initialSeats: number;
  readonly finalSeats: number;
  readonly extraMs: number;
  readonly seats: number;
  arrivedMs = 0;
  arrivedAt = 0;
  startedMs = 0;
  queue: Queue<Pass> | undefined = undefined;
  next: Pass | undefined = undefined;
  previous: Pass | undefined = undefined;
  /** While it waits: goes on with it. */
  begin: (() => void) | undefined = undefined;
  timer: Timer | undefined = undefined;
  readonly #owner: { finish(pass: Pass): void };

  constructor(owner: { finish(pass: Pass): void }, flow: Flow, info: RequestInfo, user: UserInfo, width: Width) {
    this.#owner = owner;
    this.flow = flow;
    this.info = info;
    this.user = user;
    this.initialSeats = width.initialSeats;
    this.finalSeats = width.finalSeats;
    this.extraMs = width.extraMs;
    this.seats = Math.max(width.initialSeats, width.finalSeats);
  }

  passedOver(): void {
    this.flow.schema.counts.noAccommodation++;
  }

  done(): void {
    this.#owner.finish(this);
  }
}
