import type { KubeObject } from '../api/meta.ts';
import { formatTime } from '../api/meta.ts';
import { apiVersionOf, type ResourceRef } from '../api/ref.ts';
import { coreV1 } from '../api/refs.ts';
import { isNotFound, StatusError } from '../api/status.ts';
import type { Event, ObjectReference } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { type Rate, TokenBucket } from '../base/token-bucket.ts';
import type { Client } from './client.ts';
import { EventCorrelator } from './event-correlator.ts';

/** Writes Kubernetes Events about an object, aggregated as Kubernetes does. Never throws, never blocks. */
export interface EventRecorder {
  /** About an object that carries its kind and apiVersion, or about a reference (see `referenceTo`). */
  event(about: KubeObject | ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export interface EventRecorderOptions {
  /** Who reports: `replicaset-controller`, `kubelet`. */
  component: string;
  /** The node it runs on, for node components. */
  host?: string;
  clock: Clock;
  random: Random;
  log: Log;
  /** Events that may wait; what comes then is dropped. Default 20,000. */
  queueLimit?: number;
  /** So many are written; what comes faster waits. Default: as fast as the server takes them. */
  rate?: Rate;
}

/** Bursts are long: a deployment of thousands of pods is as many events at once. */
const defaultQueueLimit = 20_000;
/** Writes at once; those about one object go one after another, for each builds on the one before. */
const maxInFlight = 8;
const maxTries = 12;
const retryMs = 10_000;

/** Of all recorders on a clock: the last name's. */
const lastNanos = new WeakMap<Clock, bigint>();

/** Nanoseconds below a millisecond, from who reports. */
function offsetOf(source: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < source.length; i++) hash = Math.imul(hash ^ source.charCodeAt(i), 0x01000193) >>> 0;
  return hash % 1_000_000;
}

/** A reference to an object whose kind is known only by its resource. */
export function referenceTo(object: KubeObject, resource?: ResourceRef): ObjectReference {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  return {
    kind: object.kind ?? resource?.kind,
    ...(namespace ? { namespace } : {}),
    name,
    uid,
    apiVersion: object.apiVersion ?? (resource && apiVersionOf(resource)),
    ...(resourceVersion ? { resourceVersion } : {}),
  };
}

/** `idle` resolves when all events so far have been written or given up. */
export function createEventRecorder(
  client: Client,
  options: EventRecorderOptions,
): EventRecorder & { idle(): Promise<void> } {
  return new QueueingRecorder(client, options);
}

class QueueingRecorder implements EventRecorder {
  readonly #client: Client;
  readonly #o: EventRecorderOptions;
  readonly #correlator: EventCorrelator;
  /** What waits, by the object it is about; an object whose event is being written is here, too. */
  readonly #lanes = new Map<string, Event[]>();
  /** Lanes whose next event may be written, from `#head` on. */
  #ready: string[] = [];
  #head = 0;
  #waiting = 0;
  #writers = 0;
  #idle: PromiseWithResolvers<void> | undefined;
  readonly #offset: bigint;
  readonly #bucket: TokenBucket | undefined;

  constructor(client: Client, options: EventRecorderOptions) {
    this.#client = client;
    this.#o = options;
    this.#bucket = options.rate && new TokenBucket(options.clock, options.rate.qps, options.rate.burst);
    this.#correlator = new EventCorrelator(options.clock);
    this.#offset = BigInt(offsetOf(`${options.component} ${options.host ?? ''}`));
  }

  event(about: KubeObject | ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void {
    try {
      const reference = 'metadata' in about ? referenceTo(about) : about;
      if (!reference.kind || !reference.name) {
        this.#o.log.warn('could not construct reference for event', { name: reference.name, type, reason, message });
        return;
      }
      if (this.#waiting >= (this.#o.queueLimit ?? defaultQueueLimit)) {
        this.#o.log.warn('too many events waiting, dropping one', { name: reference.name, type, reason, message });
        return;
      }
      this.#push(this.#make(reference, type, reason, message));
    } catch (error) {
      this.#o.log.error('recording an event failed', { reason, error: messageOf(error) });
    }
  }

  async idle(): Promise<void> {
    if (this.#waiting === 0) return;
    this.#idle ??= Promise.withResolvers();
    await this.#idle.promise;
  }

  #push(event: Event): void {
    const { namespace, kind, name, uid } = event.involvedObject;
    const id = `${namespace}/${kind}/${name}/${uid}`;
    const lane = this.#lanes.get(id);
    if (lane) lane.push(event);
    else {
      this.#lanes.set(id, [event]);
      this.#ready.push(id);
    }
    this.#waiting++;
    if (this.#writers < maxInFlight && this.#head < this.#ready.length) void this.#writeAll();
  }

  #make(reference: ObjectReference, type: string, reason: string, message: string): Event {
    const now = formatTime(this.#o.clock.now());
    const { component, host } = this.#o;
    return {
      kind: 'Event',
      apiVersion: 'v1',
      metadata: { name: this.#name(reference.name!), namespace: reference.namespace || 'default' } as Event['metadata'],
      involvedObject: reference,
      reason,
      message,
      source: { component, ...(host ? { host } : {}) },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
      type,
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
  }

  /**
   * `<object>.<nanoseconds in hex>`, never the same twice: recorders on one clock count on from each other, those of other
   * processes begin elsewhere in the millisecond.
   */
  #name(object: string): string {
    const { clock } = this.#o;
    const nanos = BigInt(Math.round(clock.now() * 1000)) * 1000n + this.#offset;
    const last = lastNanos.get(clock) ?? 0n;
    const next = nanos > last ? nanos : last + 1n;
    lastNanos.set(clock, next);
    const suffix = next.toString(16);
    const name = `${object}.${suffix}`;
    // An event's name is a DNS subdomain; what it is about may be called otherwise (RBAC: `system:node`).
    const valid = name.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(name);
    return valid ? name : `event.${suffix}`;
  }

  async #writeAll(): Promise<void> {
    this.#writers++;
    // Not within the call that recorded the event: recording never blocks.
    await undefined;
    for (let id = this.#next(); id !== undefined; id = this.#next()) {
      const lane = this.#lanes.get(id)!;
      const event = lane.shift()!;
      const waitMs = this.#bucket?.reserveMs() ?? 0;
      if (waitMs > 0) await this.#o.clock.sleep(waitMs);
      try {
        await this.#write(event);
      } catch (error) {
        this.#o.log.error('writing an event failed', { reason: event.reason, error: messageOf(error) });
      }
      this.#waiting--;
      if (lane.length > 0) this.#ready.push(id);
      else this.#lanes.delete(id);
    }
    this.#writers--;
    if (this.#waiting > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  #next(): string | undefined {
    const id = this.#ready[this.#head];
    if (id === undefined) {
      this.#ready = [];
      this.#head = 0;
      return undefined;
    }
    this.#head++;
    return id;
  }

  async #write(event: Event): Promise<void> {
    const correlated = this.#correlator.correlate(event);
    if (!correlated) return;
    for (let tries = 1; ; tries++) {
      try {
        this.#correlator.written(correlated.key, await this.#send(correlated.event, correlated.patch));
        return;
      } catch (error) {
        if (error instanceof StatusError && error.code !== 429 && error.code < 500) {
          this.#rejected(event, error);
          return;
        }
        if (tries >= maxTries) {
          this.#o.log.error('unable to write event, retry limit exceeded', { reason: event.reason, error });
          return;
        }
        this.#o.log.debug('unable to write event, may retry', { reason: event.reason, error: messageOf(error) });
      }
      // The first wait is random, so that not all come back at once to a master that has just started.
      const wait = tries === 1 ? retryMs * this.#o.random.next() : retryMs;
      await this.#o.clock.sleep(wait);
    }
  }

  async #send(event: Event, patch: object | undefined): Promise<Event> {
    const { name, namespace } = event.metadata;
    if (patch) {
      try {
        const key = { namespace: namespace!, name };
        return await this.#client.patch(coreV1.events, key, { type: 'strategic', body: patch });
      } catch (error) {
        // It has expired meanwhile.
        if (!isNotFound(error)) throw error;
      }
    }
    return this.#client.create<Event>(coreV1.events, event as object);
  }

  #rejected(event: Event, error: StatusError): void {
    const terminating = error.status.details?.causes?.some(c => c.reason === 'NamespaceTerminating');
    const level = terminating || error.reason === 'AlreadyExists' ? 'debug' : 'warn';
    this.#o.log[level]('server rejected event, will not retry', {
      event: event.metadata.name,
      reason: event.reason,
      error: error.message,
    });
  }
}
