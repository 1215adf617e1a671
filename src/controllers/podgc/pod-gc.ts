// pod-garbage-collector-controller: deletes pods that have no kubelet to end them, and finished ones beyond a number.
import { formatTime } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { CounterMetric } from '../../base/metrics.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { disruptionTarget } from '../kernel/disruption-target.ts';
import { isPodFinished } from '../kernel/pod.ts';
import { isOrphan, stuckOnDeadNodes, surplusFinished, unscheduledTerminating } from './kernel/collectable.ts';

export interface PodGcOptions {
  /** Finished pods that may exist; 0: any number. Default 12500. */
  readonly terminatedThreshold?: number;
}

const periodMs = 20_000;
/** How long a node has to be missing before its pods are: it may be about to register anew. */
const quarantineMs = 40_000;
const deletionsAtOnce = 16;

export function podGcController(options: PodGcOptions = {}): Controller {
  return {
    name: 'pod-garbage-collector-controller',
    serviceAccount: 'pod-garbage-collector',
    watches: [],
    reads: [coreV1.pods, coreV1.nodes],
    writes: ['pods', 'pods/status'],
    workers: 0,
    create: context => new PodGc(context, options.terminatedThreshold ?? 12_500),
  };
}

class PodGc {
  readonly #context: ControllerContext;
  readonly #threshold: number;
  readonly #deleted: CounterMetric;
  readonly #failed: CounterMetric;
  /** When the quarantine of a missing node ends. */
  readonly #quarantine = new Map<string, number>();

  constructor(context: ControllerContext, threshold: number) {
    this.#context = context;
    this.#threshold = threshold;
    const counter = (name: string, help: string) => context.metrics.counter(name, help, ['namespace', 'reason']);
    this.#deleted = counter(
      'pod_gc_collector_force_delete_pods_total',
      'Number of pods that are being forcefully deleted since the Pod GC Controller started.',
    );
    this.#failed = counter(
      'pod_gc_collector_force_delete_pod_errors_total',
      'Number of errors encountered when forcefully deleting the pods since the Pod GC Controller started.',
    );
  }

  async reconcile(): Promise<void> {}

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#collect();
      await this.#context.clock.sleep(periodMs, signal).catch(() => {});
    }
  }

  async #collect(): Promise<void> {
    const pods = this.#context.lister(coreV1.pods).list();
    const nodes = this.#context.lister(coreV1.nodes);
    const node = (name: string) => nodes.get(name);
    await this.#deleteAll(surplusFinished(pods, this.#threshold), 'terminated');
    await this.#deleteAll(stuckOnDeadNodes(pods, node), 'out-of-service');
    const orphans = pods.filter(p => isOrphan(p, node));
    const gone = await this.#nodesGone(new Set(orphans.map(p => p.spec!.nodeName!)));
    await this.#deleteAll(
      orphans.filter(p => gone.has(p.spec!.nodeName!)),
      'orphaned',
      'PodGC: node no longer exists',
    );
    await this.#deleteAll(unscheduledTerminating(pods), 'unscheduled');
  }

  /** Those of the missing nodes that have been missing long enough and that the API server does not know either. */
  async #nodesGone(missing: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const nowMs = this.#context.clock.monotonic();
    const nodes = this.#context.lister(coreV1.nodes);
    for (const name of missing) if (!this.#quarantine.has(name)) this.#quarantine.set(name, nowMs + quarantineMs);
    const gone = new Set<string>();
    for (const [name, endMs] of this.#quarantine) {
      if (nowMs < endMs) continue;
      this.#quarantine.delete(name);
      if (!nodes.get(name) && (await this.#isUnknown(name))) gone.add(name);
    }
    return gone;
  }

  async #isUnknown(node: string): Promise<boolean> {
    try {
      await this.#context.client.get(coreV1.nodes, { name: node });
      return false;
    } catch (error) {
      if (!isNotFound(error))
        this.#context.log.error('asking for a missing node failed', { node, error: messageOf(error) });
      return isNotFound(error);
    }
  }

  async #deleteAll(pods: readonly Pod[], reason: string, disruption?: string): Promise<void> {
    const rest = pods.values();
    const work = async () => {
      for (const pod of rest) await this.#delete(pod, reason, disruption);
    };
    await Promise.all(Array.from({ length: Math.min(deletionsAtOnce, pods.length) }, work));
  }

  /** Never rejects: what fails is tried again in the next round. */
  async #delete(pod: Pod, reason: string, disruption: string | undefined): Promise<void> {
    const { client, clock, log } = this.#context;
    const { name, namespace, uid } = pod.metadata;
    const at = { name, namespace: namespace! };
    this.#deleted.inc({ namespace: namespace!, reason });
    try {
      if (!isPodFinished(pod)) {
        const condition = disruption && disruptionTarget(pod, 'DeletionByPodGC', disruption, formatTime(clock.now()));
        const status = { phase: 'Failed', ...(condition ? { conditions: [condition] } : {}) };
        const body = { metadata: { uid }, status };
        await client.patch(coreV1.pods, at, { type: 'strategic', body }, { subresource: 'status' });
      }
      await client.delete(coreV1.pods, at, { gracePeriodSeconds: 0, preconditions: { uid: uid! } });
    } catch (error) {
      if (isNotFound(error)) return;
      this.#failed.inc({ namespace: namespace!, reason });
      log.error('collecting the pod failed', { pod: `${namespace}/${name}`, error: messageOf(error) });
    }
  }
}
