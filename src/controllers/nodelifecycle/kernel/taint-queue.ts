/** At most `qps` a second, one at once, none at all for 0. */
class TryBucket {
  readonly #qps: number;
  #tokens = 1;
  #lastMs: number;

  constructor(qps: number, nowMs: number) {
    this.#qps = qps;
    this.#lastMs = nowMs;
  }

  tryTake(nowMs: number): boolean {
    if (this.#qps <= 0) return false;
    this.#tokens = Math.min(1, this.#tokens + ((nowMs - this.#lastMs) / 1000) * this.#qps);
    this.#lastMs = nowMs;
    // What is added up in steps may miss the whole by a rounding error.
    if (this.#tokens < 1 - 1e-9) return false;
    this.#tokens = 0;
    return true;
  }
}

/** Nodes of one zone that wait to be tainted, each once until it is removed, at a limited rate. */
export class TaintQueue {
  readonly #waiting: string[] = [];
  readonly #known = new Set<string>();
  #bucket: TryBucket;

  constructor(qps: number, nowMs: number) {
    this.#bucket = new TryBucket(qps, nowMs);
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** Whether the node waits, or has had its turn. */
  has(node: string): boolean {
    return this.#known.has(node);
  }

  /** False when the node waits already or has had its turn. */
  add(node: string): boolean {
    if (this.#known.has(node)) return false;
    this.#known.add(node);
    this.#waiting.push(node);
    return true;
  }

  /** The node may be added again. False when it was not there. */
  remove(node: string): boolean {
    if (!this.#known.delete(node)) return false;
    this.#drop(node);
    return true;
  }

  /** A new rate; a turn that was used up stays so. */
  setQps(qps: number, nowMs: number): void {
    const used = !this.#bucket.tryTake(nowMs);
    this.#bucket = new TryBucket(qps, nowMs);
    if (used) this.#bucket.tryTake(nowMs);
  }

  /** The next node whose turn has come; `done` or `later` must be called for it. */
  take(nowMs: number): string | undefined {
    return this.#waiting.length > 0 && this.#bucket.tryTake(nowMs) ? this.#waiting[0] : undefined;
  }

  /** It had its turn and is not added again until it is removed. */
  done(node: string): void {
    this.#drop(node);
  }

  /** It goes to the end of the queue. */
  later(node: string): void {
    if (this.#drop(node)) this.#waiting.push(node);
  }

  #drop(node: string): boolean {
    const at = this.#waiting.indexOf(node);
    if (at >= 0) this.#waiting.splice(at, 1);
    return at >= 0;
  }
}
