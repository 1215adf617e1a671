// What stands in files that may change while the server runs: what can be read takes effect, what cannot leaves what there was.
import type { Clock, Timer } from '../../base/clock.ts';

export interface FollowedOptions {
  /** Of all the files together. Throws when one cannot be read. */
  readonly read: () => string;
  /** Text that has taken effect already. */
  readonly text: string;
  /** Makes what is new take effect; throws (or rejects) to keep what there was. */
  readonly apply: (text: string) => void | Promise<void>;
  /** Told of every attempt; without an error it has taken effect. */
  readonly attempted: (error?: unknown) => void;
  readonly clock: Clock;
  readonly everyMs?: number | undefined;
}

// Kubernetes promises a minute.
const defaultEveryMs = 10_000;

/** Looks at once a while; `check` looks now. Ends with `stop`. */
export class Followed {
  readonly #options: FollowedOptions;
  #seen: string;
  #timer: Timer | undefined;
  #checking: Promise<void> | undefined;
  #stopped = false;

  constructor(options: FollowedOptions) {
    this.#options = options;
    this.#seen = options.text;
    this.#arm();
  }

  /** Looks for a change and waits until it has taken effect, or failed to. */
  check(): Promise<void> {
    this.#checking ??= this.#look().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(this.#options.everyMs ?? defaultEveryMs, () => {
      void this.check().then(() => this.#arm());
    });
  }

  async #look(): Promise<void> {
    const { read, apply, attempted } = this.#options;
    try {
      const text = read();
      if (text === this.#seen) return;
      this.#seen = text;
      await apply(text);
    } catch (error) {
      attempted(error);
      return;
    }
    attempted();
  }
}
