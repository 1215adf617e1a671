// One watch over HTTP: frames shared with other watchers, written in batches, cut off when the client does not read.
import type { Writable } from 'node:stream';
import type { BucketCounts } from '../../base/bucket-counts.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Stored } from '../registry/stored.ts';
import type { WatchSink } from '../registry/watcher.ts';
import type { Renderer } from '../render.ts';

// A burst may be large as long as it is being read; a small backlog may not stand still.
const burstBytes = 32 << 20;
const backlogBytes = 256 << 10;
const stalledMs = 5000;
const batchBytes = 64 << 10;

const dirty = new Set<WatchStream>();
function flushAll(): void {
  const streams = [...dirty];
  dirty.clear();
  for (const s of streams) s.flush();
}

export class WatchStream implements WatchSink {
  readonly #out: Writable;
  readonly #renderer: Renderer;
  readonly #clock: Clock;
  readonly #onCut: () => void;
  readonly #sizes: BucketCounts;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #blocked = false;
  #ended = false;
  #started = false;
  #stall: Timer | undefined;

  /** `sizes`: where the sizes of events are counted. */
  constructor(out: Writable, renderer: Renderer, clock: Clock, sizes: BucketCounts, onCut: () => void) {
    this.#out = out;
    this.#renderer = renderer;
    this.#clock = clock;
    this.#sizes = sizes;
    this.#onCut = onCut;
    out.on('drain', () => {
      this.#blocked = false;
      this.#stall?.cancel();
      this.#stall = undefined;
      this.flush();
    });
  }

  onEvent(type: 'ADDED' | 'MODIFIED' | 'DELETED', stored: Stored): void {
    this.#pushEvent(this.#renderer.frame(type, stored));
  }

  onInitial(stored: Stored): void {
    let size = 0;
    for (const piece of this.#renderer.initial(stored)) {
      size += piece.length;
      this.#push(piece);
    }
    this.#sizes.observe(size);
  }

  onBookmark(revision: number, initial: boolean): void {
    this.#pushEvent(this.#renderer.bookmark(revision, initial));
  }

  /** The initial events are queued: from here on the bounds hold. */
  started(): void {
    this.#started = true;
  }

  get ended(): boolean {
    return this.#ended;
  }

  error(status: unknown): void {
    this.#push(this.#renderer.error(status));
    this.end();
  }

  #pushEvent(frame: Uint8Array): void {
    if (!this.#ended) this.#sizes.observe(frame.length);
    this.#push(frame);
  }

  #push(frame: Uint8Array): void {
    if (this.#ended) return;
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    if (this.#blocked) {
      if (this.#started && this.#queuedBytes > burstBytes) this.#cut();
      return;
    }
    if (dirty.size === 0) setImmediate(flushAll);
    dirty.add(this);
  }

  flush(): void {
    while (!this.#blocked && this.#queue.length && !this.#out.destroyed) {
      let size = 0;
      let n = 0;
      while (size < batchBytes && n < this.#queue.length) size += this.#queue[n++]!.length;
      const batch = this.#queue.slice(0, n);
      this.#queue = n === this.#queue.length ? [] : this.#queue.slice(n);
      this.#queuedBytes -= size;
      this.#blocked = !this.#out.write(batch.length === 1 ? batch[0] : Buffer.concat(batch, size));
    }
    if (this.#blocked && !this.#stall) {
      this.#stall = this.#clock.after(stalledMs, () => {
        this.#stall = undefined;
        if (this.#blocked && this.#started && this.#queuedBytes > backlogBytes) this.#cut();
      });
    }
    if (this.#ended && !this.#queue.length) this.#out.end();
  }

  #cut(): void {
    this.#ended = true;
    this.#queue = [];
    this.#stall?.cancel();
    this.#out.destroy();
    this.#onCut();
  }

  /** Sends what is queued, then ends the answer. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stall?.cancel();
    this.flush();
    if (this.#blocked) this.#out.end();
  }
}
