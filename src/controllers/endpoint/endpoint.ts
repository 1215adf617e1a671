// endpoint-controller: keeps the Endpoints object of each service that has a selector.
import { cloneDeep, type Draft, formatTime, keyOf, parseKey } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { isForbidden, isNotFound } from '../../api/status.ts';
import type { Endpoints, Service } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { Controller, ControllerContext, Reconciler } from '../../engine/controller.ts';
import { selectsPods } from '../kernel/service-pod.ts';
import { TriggerTimes } from '../kernel/trigger-time.ts';
import { isNamespaceTerminating } from '../pod-control.ts';
import { podsOf, serviceKeysOfPod } from '../service-of-pod.ts';
import { listeningOf, packSubsets } from './kernel/subset.ts';
import { wantedEndpoints } from './kernel/wanted-endpoints.ts';

// Endpoints objects that carry a leader's lock belong to no service.
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';

export function endpointController(): Controller {
  return {
    name: 'endpoints-controller',
    queue: 'endpoint',
    serviceAccount: 'endpoint-controller',
    component: 'endpoint-controller',
    watches: [
      { resource: coreV1.services, keys: (s: Service) => [keyOf(s)] },
      { resource: coreV1.pods, keys: serviceKeysOfPod },
      // Made again when deleted.
      {
        resource: coreV1.endpoints,
        keys: (e: Endpoints, _old, _context, deleted) => (deleted ? [keyOf(e)] : []),
      },
    ],
    writes: ['endpoints', 'events'],
    create: context => new EndpointReconciler(context),
  };
}

class EndpointReconciler implements Reconciler {
  readonly #context: ControllerContext;
  readonly #triggerTimes = new TriggerTimes();
  /** What was written last, until the informer shows it or something newer. */
  readonly #written = new Map<string, { version: number; sinceMs: number }>();
  readonly #waiting = new Set<string>();

  constructor(context: ControllerContext) {
    this.#context = context;
    const seen = (e: Endpoints) => {
      const key = keyOf(e);
      if (Number(e.metadata.resourceVersion) < (this.#written.get(key)?.version ?? 0)) return;
      this.#written.delete(key);
      if (this.#waiting.delete(key)) context.enqueue(key);
    };
    // What outlived its service while nobody looked; later ones may wait for theirs.
    for (const e of context.lister(coreV1.endpoints).list())
      if (!(leaderAnnotation in (e.metadata.annotations ?? {}))) context.enqueue(keyOf(e));
    context.observe(coreV1.endpoints, { onAdd: seen, onUpdate: seen, onDelete: seen });
  }

  async reconcile(key: string): Promise<void> {
    const context = this.#context;
    const service = context.lister(coreV1.services).get(key);
    if (!service) return this.#remove(key);
    if (!selectsPods(service)) return;
    const current = context.lister(coreV1.endpoints).get(key);
    if (this.#isStale(key)) return;
    const pods = podsOf(service, context.lister(coreV1.pods));
    const triggerMs = this.#triggerTimes.next(key, service, pods);
    const triggerTime = triggerMs === undefined ? undefined : formatTime(triggerMs);
    const wanted = wantedEndpoints(service, current, packSubsets(listeningOf(service, pods)), triggerTime);
    if (wanted) await this.#write(key, service, current, cloneDeep(wanted) as Draft<Endpoints>);
  }

  async #write(key: string, service: Service, current: Endpoints | undefined, wanted: Draft<Endpoints>): Promise<void> {
    const { client, events, log } = this.#context;
    try {
      const written = current
        ? await client.update(coreV1.endpoints, wanted)
        : await client.create(coreV1.endpoints, wanted);
      const version = Number(written.metadata.resourceVersion);
      const shown = this.#context.lister(coreV1.endpoints).get(key);
      if (shown?.metadata.uid !== written.metadata.uid || Number(shown.metadata.resourceVersion) < version)
        this.#written.set(key, { version, sinceMs: this.#context.clock.monotonic() });
    } catch (error) {
      if (!current && isForbidden(error)) {
        // Most often its namespace is being deleted.
        log.debug('forbidden from creating endpoints', { key, error: messageOf(error) });
        if (isNamespaceTerminating(error)) return;
      }
      const message = messageOf(error);
      if (current)
        events.event(
          referenceTo(current, coreV1.endpoints),
          'Warning',
          'FailedToUpdateEndpoint',
          `Failed to update endpoint ${key}: ${message}`,
        );
      else
        events.event(
          referenceTo(service, coreV1.services),
          'Warning',
          'FailedToCreateEndpoint',
          `Failed to create endpoint for service ${key}: ${message}`,
        );
      throw error;
    }
  }

  #isStale(key: string): boolean {
    const written = this.#written.get(key);
    if (!written) return false;
    if (this.#context.clock.monotonic() - written.sinceMs >= staleRetryMs) {
      // The informer has missed something: better to act on what it shows than never.
      this.#written.delete(key);
      return false;
    }
    this.#waiting.add(key);
    this.#context.enqueue(key, staleRetryMs);
    return true;
  }

  async #remove(key: string): Promise<void> {
    this.#triggerTimes.forget(key);
    this.#written.delete(key);
    this.#waiting.delete(key);
    if (!this.#context.lister(coreV1.endpoints).get(key)) return;
    try {
      await this.#context.client.delete(coreV1.endpoints, parseKey(key));
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

const staleRetryMs = 5000;
