// From the start of a component to its end: what a crash ends at once, without a word of farewell.
import { BugError } from '../../base/assert.ts';

/** One run of a component. After `kill` none of its calls are answered and none of its watches speak. */
export class Life {
  readonly #controller = new AbortController();
  readonly #ended = Promise.withResolvers<void>();

  get dead(): boolean {
    return this.#controller.signal.aborted;
  }

  /** Aborted by `kill`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Resolves on `kill`. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  kill(): void {
    if (this.dead) return;
    this.#controller.abort(new BugError('the component has crashed'));
    this.#ended.resolve();
  }
}

/** A node that can be switched off and on; see simulated-nodes.ts. */
export interface NodeSwitch {
  lose(): void;
  restore(): void;
}
