// Enough to fill a group commit, few enough that answers do not wait.
const together = 8;

/**
 * Spreads writes over turns of the event loop. What a client sends at once is read at once; worked through in one piece,
 * no answer would leave and no commit be noticed until the last was done, and client and disk would stand idle meanwhile.
 */
export class Turns {
  /** Let in this turn. */
  #begun = 0;
  #waiting: (() => void)[] = [];

  /** Undefined when the caller may go on at once; else resolves in a later turn, in the order of asking. */
  next(): Promise<void> | undefined {
    if (this.#begun === 0) setImmediate(this.#turn);
    if (this.#waiting.length === 0 && this.#begun < together) {
      this.#begun++;
      return undefined;
    }
    return new Promise(resolve => void this.#waiting.push(resolve));
  }

  readonly #turn = () => {
    const released = this.#waiting.splice(0, together);
    this.#begun = released.length;
    if (this.#begun > 0) setImmediate(this.#turn);
    for (const release of released) release();
  };
}
