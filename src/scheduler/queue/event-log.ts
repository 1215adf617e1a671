import type { ClusterEvent } from '../cluster-event.ts';

export interface LoggedEvent {
  readonly event: ClusterEvent;
  readonly old: unknown;
  readonly now: unknown;
}

/** Events kept while pods are in flight, so that none is missed by a pod that fails meanwhile. */
export class EventLog {
  #events: LoggedEvent[] = [];
  #first = 0;
  readonly #readers = new Map<string, number>();

  get size(): number {
    return this.#events.length;
  }

  /** How many of each kind are kept. */
  byLabel(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { event } of this.#events) counts.set(event.label, (counts.get(event.label) ?? 0) + 1);
    return counts;
  }

  /** From now on this reader misses nothing. */
  open(reader: string): void {
    this.#readers.set(reader, this.#first + this.#events.length);
  }

  add(event: LoggedEvent): void {
    if (this.#readers.size) this.#events.push(event);
  }

  since(reader: string): readonly LoggedEvent[] {
    const from = this.#readers.get(reader);
    return from === undefined ? [] : this.#events.slice(from - this.#first);
  }

  close(reader: string): void {
    const from = this.#readers.get(reader);
    if (from === undefined) return;
    this.#readers.delete(reader);
    if (this.#readers.size === 0) {
      this.#first += this.#events.length;
      this.#events = [];
      // Readers come in order, so the oldest is the first in the map.
    } else if (from === this.#first) {
      const oldest = this.#readers.values().next().value!;
      // Cut in large pieces only: each cut copies.
      if (oldest - this.#first > 256) {
        this.#events = this.#events.slice(oldest - this.#first);
        this.#first = oldest;
      }
    }
  }
}
