// Events of events.k8s.io, as Kubernetes' scheduler writes them: repeats are a series of the first one.
import { formatMicroTime, type KubeObject } from '../api/meta.ts';
import { eventsV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import type { ObjectReference } from '../api/type/core-v1.ts';
import type { Event } from '../api/type/events-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Timer } from '../base/clock.ts';
import type { Client } from './client.ts';
import { eventNames } from './event-name.ts';
import { EventQueue, type EventQueueOptions } from './event-queue.ts';
import { type EventRecorder, referenceTo } from './event-recorder.ts';

export interface EventDetails {
  /** What was done or tried, in a word: `Binding`. Default: the reason. */
  readonly action?: string;
  /** The other object it was about. */
  readonly related?: ObjectReference;
  /** It happens to an object once: no repeat is looked for. */
  readonly once?: boolean;
}

export interface SeriesRecorder extends EventRecorder {
  event(
    about: KubeObject | ObjectReference,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    details?: EventDetails,
  ): void;
  /** Resolves when all events so far have been written or given up. */
  idle(): Promise<void>;
  /** Series that go on are not told of any more. */
  close(): void;
}

export interface SeriesRecorderOptions extends EventQueueOptions {
  /** Who reports: `default-scheduler`. */
  component: string;
  /** The machine it runs on. */
  host: string;
}

export function createSeriesRecorder(client: Client, options: SeriesRecorderOptions): SeriesRecorder {
  return new QueueingSeriesRecorder(client, options);
}

/** After so long without a repeat a series has ended, and how long it was is told; as in Kubernetes' client. */
const finishMs = 360_000;
/** A series that goes on is told of as often. */
const refreshMs = 1_800_000;

interface Seen {
  readonly event: Event;
  count: number;
  lastMs: number;
  toldMs: number;
  toldCount: number;
}

class QueueingSeriesRecorder implements SeriesRecorder {
  readonly #client: Client;
  readonly #o: SeriesRecorderOptions;
  readonly #queue: EventQueue<Event, Event>;
  readonly #name: (object: string) => string;
  readonly #seen = new Map<string, Seen>();
  #sweep: Timer | undefined;
  #closed = false;

  constructor(client: Client, options: SeriesRecorderOptions) {
    this.#client = client;
    this.#o = options;
    this.#queue = new EventQueue(options, event => ({ send: () => this.#send(event) }));
    this.#name = eventNames(options.clock, options.component);
  }

  event(
    about: KubeObject | ObjectReference,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    details: EventDetails = {},
  ): void {
    try {
      const regarding = 'metadata' in about ? referenceTo(about) : about;
      if (!regarding.kind || !regarding.name) {
        this.#o.log.warn('could not construct reference for event', { name: regarding.name, type, reason, message });
        return;
      }
      const { action = reason, related } = details;
      const parts = [type, action, reason, partsOf(regarding), related && partsOf(related)];
      const key = details.once ? '' : JSON.stringify(parts);
      const seen = this.#seen.get(key);
      if (seen) {
        this.#repeat(seen);
        return;
      }
      if (this.#queue.isFull) {
        this.#o.log.warn('too many events waiting, dropping one', { name: regarding.name, type, reason, message });
        return;
      }
      const event = this.#make(regarding, type, reason, message, action, related);
      if (key) this.#remember(key, event);
      this.#push(event);
    } catch (error) {
      this.#o.log.error('recording an event failed', { reason, error: messageOf(error) });
    }
  }

  idle(): Promise<void> {
    return this.#queue.idle();
  }

  close(): void {
    this.#closed = true;
    this.#sweep?.cancel();
    this.#seen.clear();
  }

  #make(
    regarding: ObjectReference,
    type: string,
    reason: string,
    note: string,
    action: string,
    related: ObjectReference | undefined,
  ): Event {
    const { component, host, clock } = this.#o;
    return {
      kind: 'Event',
      apiVersion: 'events.k8s.io/v1',
      metadata: { name: this.#name(regarding.name!), namespace: regarding.namespace || 'default' } as Event['metadata'],
      eventTime: formatMicroTime(clock.now()),
      reportingController: component,
      reportingInstance: `${component}-${host}`,
      action,
      reason,
      regarding,
      ...(related ? { related } : {}),
      note,
      type,
    };
  }

  #remember(key: string, event: Event): void {
    if (this.#closed) return;
    const now = this.#o.clock.now();
    this.#seen.set(key, { event, count: 1, lastMs: now, toldMs: now, toldCount: 1 });
    this.#arm();
  }

  /** The second one makes it a series and is told at once, what follows when the series ends, or with the next look. */
  #repeat(seen: Seen): void {
    seen.count++;
    seen.lastMs = this.#o.clock.now();
    if (seen.count === 2) this.#tell(seen);
  }

  #tell(seen: Seen): void {
    if (seen.toldCount === seen.count || this.#queue.isFull) return;
    seen.toldCount = seen.count;
    seen.toldMs = this.#o.clock.now();
    this.#push({ ...seen.event, series: { count: seen.count, lastObservedTime: formatMicroTime(seen.lastMs) } });
  }

  #arm(): void {
    if (this.#sweep || this.#closed || this.#seen.size === 0) return;
    this.#sweep = this.#o.clock.after(finishMs, () => {
      this.#sweep = undefined;
      const now = this.#o.clock.now();
      for (const [key, seen] of this.#seen) {
        const ended = now - seen.lastMs >= finishMs;
        if (ended || now - seen.toldMs >= refreshMs) this.#tell(seen);
        if (ended) this.#seen.delete(key);
      }
      this.#arm();
    });
  }

  #push(event: Event): void {
    const { namespace, kind, name, uid } = event.regarding!;
    this.#queue.push(`${namespace}/${kind}/${name}/${uid}`, event);
  }

  async #send(event: Event): Promise<Event> {
    const { metadata, series } = event;
    if (series) {
      try {
        const key = { namespace: metadata.namespace!, name: metadata.name };
        return await this.#client.patch(eventsV1.events, key, { type: 'strategic', body: { series } });
      } catch (error) {
        // It has expired meanwhile.
        if (!isNotFound(error)) throw error;
      }
    }
    return this.#client.create<Event>(eventsV1.events, event as object);
  }
}

const partsOf = (o: ObjectReference) => [o.apiVersion, o.kind, o.namespace, o.name, o.uid, o.resourceVersion];
