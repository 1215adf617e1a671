// The watches a store has in etcd, and how far they have come: who wrote waits until those who watch have been told.
import type { Clock } from '../base/clock.ts';
import type { EtcdWatch } from './etcd-watch.ts';
import { StoreClosedError } from './store-error.ts';

export interface EtcdWatchesOptions {
  readonly clock: Clock;
  /** Whether etcd's notices of progress are true. */
  readonly tellsProgress: boolean;
  /** The newest revision that is known. */
  revision(): number;
  /** Writes something, so that all watches come further. */
  mark(): void;
}

// Most revisions are events of our own, on their way already.
const progressAfterMs = 20;
const markAfterMs = 500;

export class EtcdWatches {
  readonly #o: EtcdWatchesOptions;
  readonly #watches = new Map<EtcdWatch, string>();
  #hastening = false;
  #closed = false;

  constructor(options: EtcdWatchesOptions) {
    this.#o = options;
  }

  add(watch: EtcdWatch, prefix: string): void {
    this.#watches.set(watch, prefix);
  }

  delete(watch: EtcdWatch): void {
    this.#watches.delete(watch);
  }

  /** There is a revision that no watch may ever be told of: those behind ask for notices. */
  hasten(): void {
    if (!this.#behind()) return;
    this.#hasten();
  }

  #behind(): boolean {
    return [...this.#watches.keys()].some(watch => watch.position < this.#o.revision());
  }

  // Revisions that are not ours to see (other prefixes) reach a watch by a notice of progress alone.
  #hasten(): void {
    if (this.#hastening) return;
    this.#hastening = true;
    const { clock, tellsProgress } = this.#o;
    clock.after(tellsProgress ? progressAfterMs : markAfterMs, () => {
      this.#hastening = false;
      if (this.#closed || !this.#behind()) return;
      // Where etcd's notices cannot be trusted, a write of ours is the notice.
      if (tellsProgress) for (const watch of this.#watches.keys()) watch.requestProgress();
      else this.#o.mark();
      this.#hasten();
    });
  }

  /** Resolves when those who watch the key have been told of its change. */
  async told(key: string, revision: number): Promise<void> {
    for (const [watch, prefix] of this.#watches) {
      if (!key.startsWith(prefix)) continue;
      const waiting = watch.reached(revision);
      if (waiting) await waiting;
    }
  }

  /** Resolves when those who watch all below `root` have come so far. */
  async toldAll(root: string, revision: number): Promise<void> {
    const all = [...this.#watches].filter(([, prefix]) => prefix.length <= root.length);
    const waiting = all.map(([watch]) => watch.reached(revision)).filter(w => w !== undefined);
    if (!waiting.length) return;
    this.#hasten();
    await Promise.all(waiting);
  }

  stop(): void {
    this.#closed = true;
  }

  close(): void {
    this.fail(new StoreClosedError());
  }

  /** Ends all with an error. */
  fail(error: Error): void {
    for (const watch of [...this.#watches.keys()]) watch.fail(error);
  }
}
