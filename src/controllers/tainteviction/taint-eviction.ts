// taint-eviction-controller: deletes pods from nodes with NoExecute taints, as soon as they no longer tolerate them.
// Keys: `node`, and `namespace/pod`.
import { keyOf, parseKey } from '../../api/meta.ts';
import { equalJson } from '../../api/patch/plain.ts';
import { coreV1 } from '../../api/refs.ts';
import type { Node, Pod } from '../../api/type/core-v1.ts';
import type { CounterMetric, HistogramMetric } from '../../base/metrics.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { evictPod } from '../evict-pod.ts';
import { executeTaints, tolerationMs } from './kernel/toleration-time.ts';

const podsByNode = 'taint-eviction/node';

export function taintEvictionController(): Controller {
  return {
    name: 'taint-eviction-controller',
    serviceAccount: 'node-controller',
    watches: [
      {
        resource: coreV1.nodes,
        keys: (node: Node, old, _context, deleted) =>
          deleted || !equalJson(executeTaints(old), executeTaints(node)) ? [node.metadata.name] : [],
      },
      {
        resource: coreV1.pods,
        keys: (pod: Pod, old, _context, deleted) => {
          const changed =
            pod.spec?.nodeName !== old?.spec?.nodeName || !equalJson(pod.spec?.tolerations, old?.spec?.tolerations);
          return deleted || changed ? [keyOf(pod)] : [];
        },
      },
    ],
    indexes: [
      { resource: coreV1.pods, name: podsByNode, values: (p: Pod) => (p.spec?.nodeName ? [p.spec.nodeName] : []) },
    ],
    writes: ['pods', 'pods/status', 'events'],
    workers: 8,
    create: context => new TaintEviction(context),
  };
}

interface Eviction {
  readonly uid: string;
  readonly dueMs: number;
  done: boolean;
}

class TaintEviction {
  readonly #context: ControllerContext;
  readonly #deletions: CounterMetric;
  readonly #lateness: HistogramMetric;
  /** By key of the pod. Stays when done, so that the pod is not deleted twice. */
  readonly #evictions = new Map<string, Eviction>();

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#deletions = context.metrics.counter(
      'taint_eviction_controller_pod_deletions_total',
      'Total number of Pods deleted by TaintEvictionController since its start.',
    );
    this.#lateness = context.metrics.histogram(
      'taint_eviction_controller_pod_deletion_duration_seconds',
      'Latency, in seconds, between the time when a taint effect has been activated for the Pod and its deletion via TaintEvictionController.',
      [],
      [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240],
    );
  }

  async reconcile(key: string): Promise<Result | undefined> {
    if (key.includes('/')) return this.#reconcilePod(key);
    for (const pod of this.#context.lister(coreV1.pods).byIndex(podsByNode, key)) this.#context.enqueue(keyOf(pod));
    return undefined;
  }

  async #reconcilePod(key: string): Promise<Result | undefined> {
    const pod = this.#context.lister(coreV1.pods).get(key);
    const nowMs = this.#context.clock.monotonic();
    const eviction = this.#schedule(key, pod, nowMs);
    if (!pod || !eviction || eviction.done) return undefined;
    if (nowMs < eviction.dueMs) return { requeueAfterMs: eviction.dueMs - nowMs };
    await this.#evict(key, pod);
    eviction.done = true;
    this.#deletions.inc({});
    this.#lateness.observe({}, (this.#context.clock.monotonic() - eviction.dueMs) / 1000);
    return undefined;
  }

  /** Plans or cancels, as the taints of the pod's node demand now. */
  #schedule(key: string, pod: Pod | undefined, nowMs: number): Eviction | undefined {
    const known = this.#evictions.get(key);
    const node = this.#context.lister(coreV1.nodes).get(pod?.spec?.nodeName ?? '');
    const taints = executeTaints(node);
    const uid = pod?.metadata.uid;
    const waitMs = taints.length > 0 ? tolerationMs(taints, pod?.spec?.tolerations) : Number.POSITIVE_INFINITY;
    if (known && (waitMs === Number.POSITIVE_INFINITY || known.uid !== uid)) this.#cancel(key);
    if (waitMs === Number.POSITIVE_INFINITY || uid === undefined) return undefined;
    // What has been planned stays: time counts from the first taint.
    if (known?.uid === uid && (known.done || waitMs > 0 || known.dueMs <= nowMs)) return known;
    if (known?.uid === uid) this.#cancel(key);
    const eviction = { uid, dueMs: nowMs + waitMs, done: false };
    this.#evictions.set(key, eviction);
    return eviction;
  }

  #cancel(key: string): void {
    const planned = this.#evictions.get(key)?.done === false;
    this.#evictions.delete(key);
    if (planned) this.#tell(key, `Cancelling deletion of Pod ${key}`);
  }

  async #evict(key: string, pod: Pod): Promise<void> {
    this.#tell(key, `Marking for deletion Pod ${key}`);
    const message = 'Taint manager: deleting due to NoExecute taint';
    await evictPod(this.#context, pod, 'DeletionByTaintManager', message);
  }

  #tell(key: string, message: string): void {
    const about = { kind: 'Pod', apiVersion: 'v1', ...parseKey(key) };
    this.#context.events.event(about, 'Normal', 'TaintManagerEviction', message);
  }
}
