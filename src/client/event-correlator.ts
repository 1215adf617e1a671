// What keeps floods of events from the API server: counting repeats, folding similar ones, a rate limit an object.
import { formatTime } from '../api/meta.ts';
import type { Event } from '../api/type/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import { Lru } from './lru.ts';

const cacheEntries = 4096;
const maxSimilar = 10;
const similarIntervalMs = 600_000;
const spamBurst = 25;
const spamQps = 1 / 300;

interface Observed {
  readonly count: number;
  readonly firstTimestamp: string;
  readonly name: string;
  readonly resourceVersion: string;
}

export interface Correlated {
  /** To create, or to fall back to when the patch finds nothing. */
  readonly event: Event;
  /** Strategic merge patch of the event seen before. */
  readonly patch?: object;
  readonly key: string;
}

export class EventCorrelator {
  readonly #clock: Clock;
  readonly #similar = new Lru<{ messages: Set<string>; lastMs: number }>(cacheEntries);
  readonly #observed = new Lru<Observed>(cacheEntries);
  readonly #spam = new Lru<{ tokens: number; lastMs: number }>(cacheEntries);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** undefined: too many events about this object, drop it. */
  correlate(event: Event): Correlated | undefined {
    const spamKey = spamKeyOf(event);
    const [folded, key] = this.#fold(event, spamKey);
    const correlated = this.#count(folded, key);
    return this.#allowed(spamKey) ? correlated : undefined;
  }

  /** What the server stored for a correlated event. */
  written(key: string, event: Event): void {
    this.#observed.set(key, {
      count: event.count ?? 1,
      firstTimestamp: event.firstTimestamp ?? '',
      name: event.metadata.name,
      resourceVersion: event.metadata.resourceVersion,
    });
  }

  /** The tenth message of one kind within ten minutes, and what follows it, becomes one event. */
  #fold(event: Event, spamKey: string): [Event, string] {
    const groupKey = groupKeyOf(event, spamKey);
    const now = this.#clock.now();
    let record = this.#similar.get(groupKey);
    if (!record || now - record.lastMs > similarIntervalMs) {
      record = { messages: new Set(), lastMs: now };
      this.#similar.set(groupKey, record);
    }
    record.messages.add(event.message ?? '');
    record.lastMs = now;
    if (record.messages.size < maxSimilar) return [event, keyOf(event, spamKey)];
    // Bounded: one goes for each that comes.
    record.messages.delete(record.messages.values().next().value!);
    const time = formatTime(now);
    return [
      {
        ...event,
        message: `(combined from similar events): ${event.message}`,
        firstTimestamp: time,
        lastTimestamp: time,
        count: 1,
      },
      groupKey,
    ];
  }

  #count(event: Event, key: string): Correlated {
    const before = this.#observed.get(key);
    if (!before) {
      this.written(key, event);
      return { event, key };
    }
    const count = before.count + 1;
    const repeated: Event = {
      ...event,
      metadata: { ...event.metadata, name: before.name },
      firstTimestamp: before.firstTimestamp,
      count,
    };
    this.#observed.set(key, { ...before, count });
    const patch = { count, lastTimestamp: event.lastTimestamp, message: event.message };
    return { event: repeated, patch, key };
  }

  #allowed(key: string): boolean {
    const now = this.#clock.monotonic();
    let bucket = this.#spam.get(key);
    if (!bucket) {
      bucket = { tokens: spamBurst, lastMs: now };
      this.#spam.set(key, bucket);
    }
    bucket.tokens = Math.min(spamBurst, bucket.tokens + ((now - bucket.lastMs) / 1000) * spamQps);
    bucket.lastMs = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}

function spamKeyOf({ source, involvedObject: o }: Event): string {
  const { kind = '', namespace = '', name = '', uid = '', apiVersion = '' } = o;
  return `${source?.component ?? ''}\0${source?.host ?? ''}\0${kind}\0${namespace}\0${name}\0${uid}\0${apiVersion}`;
}

function groupKeyOf(event: Event, spamKey: string): string {
  const { type = '', reason = '', reportingComponent = '', reportingInstance = '' } = event;
  return `${spamKey}\0${type}\0${reason}\0${reportingComponent}\0${reportingInstance}`;
}

function keyOf(event: Event, spamKey: string): string {
  const { type = '', reason = '', message = '' } = event;
  return `${spamKey}\0${event.involvedObject.fieldPath ?? ''}\0${type}\0${reason}\0${message}\0`;
}
