import type { KubeObject } from '../api/meta.ts';
import { formatTime } from '../api/meta.ts';
import { apiVersionOf, type ResourceRef } from '../api/ref.ts';
import { coreV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import type { Event, ObjectReference } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Client } from './client.ts';
import { EventCorrelator } from './event-correlator.ts';
import { eventNames } from './event-name.ts';
import { EventQueue, type EventQueueOptions, type EventWrite } from './event-queue.ts';

/** Writes Kubernetes Events about an object, aggregated as Kubernetes does. Never throws, never blocks. */
export interface EventRecorder {
  /** About an object that carries its kind and apiVersion, or about a reference (see `referenceTo`). */
  event(about: KubeObject | ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export interface EventRecorderOptions extends EventQueueOptions {
  /** Who reports: `replicaset-controller`, `kubelet`. */
  component: string;
  /** The node it runs on, for node components. */
  host?: string;
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
  readonly #queue: EventQueue<Event, Event>;
  readonly #name: (object: string) => string;

  constructor(client: Client, options: EventRecorderOptions) {
    this.#client = client;
    this.#o = options;
    this.#queue = new EventQueue(options, event => this.#write(event));
    this.#correlator = new EventCorrelator(options.clock);
    this.#name = eventNames(options.clock, `${options.component} ${options.host ?? ''}`);
  }

  event(about: KubeObject | ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void {
    try {
      const reference = 'metadata' in about ? referenceTo(about) : about;
      if (!reference.kind || !reference.name) {
        this.#o.log.warn('could not construct reference for event', { name: reference.name, type, reason, message });
        return;
      }
      if (this.#queue.isFull) {
        this.#o.log.warn('too many events waiting, dropping one', { name: reference.name, type, reason, message });
        return;
      }
      const { namespace, kind, name, uid } = reference;
      this.#queue.push(`${namespace}/${kind}/${name}/${uid}`, this.#make(reference, type, reason, message));
    } catch (error) {
      this.#o.log.error('recording an event failed', { reason, error: messageOf(error) });
    }
  }

  idle(): Promise<void> {
    return this.#queue.idle();
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

  #write(event: Event): EventWrite<Event> | undefined {
    const correlated = this.#correlator.correlate(event);
    return (
      correlated && {
        send: () => this.#send(correlated.event, correlated.patch),
        sent: stored => this.#correlator.written(correlated.key, stored),
      }
    );
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
}
