// How long the clients of one priority level are asked to wait before they try again: twice as long while many are
// turned away, a second less when few are. Updated when somebody is turned away, at most once in the time it names.

const mostSeconds = 32;
/** The seconds named, and the one that runs. */
const ring = mostSeconds + 1;
/** So many turned away in a second are too many. */
const manyPerSecond = 3;

export class RetryAfter {
  seconds = 1;
  /** Turned away in each of the last seconds; a ring. */
  readonly #dropped = new Float64Array(ring);
  #second = 0;
  #updated = 0;

  /** Somebody is turned away; gives the seconds to wait. */
  drop(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    this.#turn(second);
    if (second - this.#updated >= this.seconds) {
      this.#update(second);
      this.#updated = second;
    }
    this.#dropped[this.#second % ring]! += 1;
    return this.seconds;
  }

  #turn(second: number): void {
    if (second <= this.#second) return;
    const from = Math.max(this.#second, second - ring);
    for (let s = from + 1; s <= second; s++) this.#dropped[s % ring] = 0;
    this.#second = second;
  }

  /** By the seconds before this one, as many as are named now. */
  #update(second: number): void {
    let dropped = 0;
    for (let s = Math.max(0, second - this.seconds); s < second; s++) dropped += this.#dropped[s % ring]!;
    if (dropped < this.seconds) this.seconds = Math.max(1, this.seconds - 1);
    else if (dropped >= manyPerSecond * this.seconds) this.seconds = Math.min(mostSeconds, 2 * this.seconds);
  }
}
