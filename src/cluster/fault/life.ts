// From the start of a component to its end: what a crash ends at once, without a word of farewell.
import { BugError } from '../../base/assert.ts';

/** One run of a component. After `kill` none of its calls are answered and none of its watches speak. */
export class Life {
  readonly #controller = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  // Not listeners of the signal: it compares a new one with all it has, and a thousand nodes may share one life.
  readonly #onKill = new Set<() => void>();
  #dead = false;

  get dead(): boolean {
    return this.#dead;
  }

  /** Aborted by `kill`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves on `kill`. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Calls `fn` on `kill`, unless what this returns has been called before. */
  onKill(fn: () => void): () => void {
    this.#onKill.add(fn);
    return () => void this.#onKill.delete(fn);
  }

  kill(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#controller.abort(new BugError('the component has crashed'));
    for (const fn of this.#onKill) fn();
    this.#onKill.clear();
    this.#ended.resolve();
  }
}

/** A node that can be switched off and on; see simulated-nodes.ts. */
export interface NodeSwitch {
  lose(): void;
  restore(): void;
}
