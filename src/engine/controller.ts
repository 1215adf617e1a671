// What a controller is: data. The engine (engine.ts) owns queues, back-off, workers, events, metrics and leader election.

import type { KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Metrics } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { InformerFactory, InformerHandler, Lister } from '../client/informer.ts';
import type { RateLimiterOptions } from './rate-limiter.ts';

export type { EventRecorder };

/** What a controller is given. */
export interface ControllerContext {
  /** Acts as the controller's own service account. */
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Of all controllers: names must be those of Kubernetes. */
  readonly metrics: Metrics;
  readonly events: EventRecorder;
  /** Local copies of what `watches` and `reads` name; a bug for anything else. */
  lister<T extends KubeObject>(resource: ResourceRef<T>): Lister<T>;
  /**
   * Calls the handler for each change of what `watches` and `reads` name, before the keys of that change are queued:
   * for expectations and other memory of a reconciler. Ends with the term of leadership.
   */
  observe<T extends KubeObject>(resource: ResourceRef<T>, handler: InformerHandler<T>): void;
  /** Shared local copies of any resource, for controllers that learn only while running which ones they need. */
  readonly informers: InformerFactory;
  /** Puts a key into this controller's queue, at once or later. */
  enqueue(key: string, afterMs?: number): void;
}

export interface Watch<T extends KubeObject = any> {
  readonly resource: ResourceRef<T>;
  /**
   * Keys to reconcile when `object` changed from `old` (absent on add; both the same on delete, with `deleted` true).
   * Pure but for reading listers.
   */
  keys(object: T, old: T | undefined, context: ControllerContext, deleted: boolean): readonly string[];
}

export interface Result {
  /** Reconcile this key again after so long, without counting as a failure. */
  readonly requeueAfterMs?: number;
}

export interface Controller {
  /** Kubernetes' name for `--controllers`, e.g. `replicaset-controller`. */
  readonly name: string;
  /** Its service account in kube-system, e.g. `replicaset-controller`. */
  readonly serviceAccount: string;
  /** Event source component, e.g. `replicaset-controller`. */
  readonly component?: string;
  readonly watches: readonly Watch[];
  /** Read through listers without triggering anything. */
  readonly reads?: readonly ResourceRef<any>[];
  /** What it writes, for the graph: `deployments/status`, `pods`. */
  readonly writes: readonly string[];
  /** Named indexes over watched or read resources. */
  readonly indexes?: readonly {
    readonly resource: ResourceRef<any>;
    readonly name: string;
    values(object: any): readonly string[];
  }[];
  /** What the metrics of its queue call it, e.g. `replicaset`. Default: its name. */
  readonly queue?: string;
  /** Keys reconciled at once. Default 5. */
  readonly workers?: number;
  /** How long keys that fail wait, where it is not as with most. */
  readonly retry?: RateLimiterOptions;
  /** Makes the reconcile function, when all listers are complete; state it closes over lives as long as one term of leadership. */
  create(context: ControllerContext): Reconciler;
}

export interface Reconciler {
  /** Level-based: may be called at any time, any number of times. Throwing requeues with back-off. */
  reconcile(key: string): Promise<Result | undefined> | Promise<void>;
  /** Background work besides the queue (periodic resync, monitors). */
  run?(signal: AbortSignal): Promise<void>;
}
