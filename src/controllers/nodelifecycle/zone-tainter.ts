// Taints silent nodes NoExecute, zone by zone, at the rate that the state of the zone allows.
import { coreV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Node } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { CounterMetric } from '../../base/metrics.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import { nodeCondition } from './kernel/health.ts';
import { hasTaint, notReadyTaint, unreachableTaint } from './kernel/taint.ts';
import { TaintQueue } from './kernel/taint-queue.ts';
import { zoneOf } from './kernel/zone.ts';
import { writeTaints } from './write-taints.ts';

const passMs = 100;

export class ZoneTainter {
  readonly #context: ControllerContext;
  readonly #qps: number;
  readonly #evictions: CounterMetric;
  readonly #queues = new Map<string, TaintQueue>();
  #wake = Promise.withResolvers<void>();

  constructor(context: ControllerContext, qps: number) {
    this.#context = context;
    this.#evictions = context.metrics.counter(
      'node_collector_evictions_total',
      'Number of Node evictions that happened since current instance of NodeController started.',
      ['zone'],
    );
    this.#qps = qps;
  }

  /** Queues a node whose Ready is now False or Unknown; one that has the other taint gets the right one at once. */
  async mark(node: Node, status: string): Promise<void> {
    const [wanted, other] = status === 'False' ? [notReadyTaint, unreachableTaint] : [unreachableTaint, notReadyTaint];
    if (hasTaint(node, other)) {
      await writeTaints(this.#context, node, [wanted], [other]);
      return;
    }
    const queue = this.#queue(zoneOf(node));
    // Somebody took the taint away: the node gets another turn.
    if (!hasTaint(node, wanted)) queue.remove(node.metadata.name);
    if (queue.add(node.metadata.name)) this.#wake.resolve();
  }

  /** Whether the node has one of the taints, or waits for one. */
  concerns(node: Node): boolean {
    if (node.spec?.taints?.length && (hasTaint(node, unreachableTaint) || hasTaint(node, notReadyTaint))) return true;
    return this.#queues.get(zoneOf(node))?.has(node.metadata.name) ?? false;
  }

  /** The node is ready, or not to be judged: it loses both taints and its place in the queue. */
  async clear(node: Node): Promise<void> {
    if (hasTaint(node, unreachableTaint) || hasTaint(node, notReadyTaint))
      await writeTaints(this.#context, node, [], [unreachableTaint, notReadyTaint]);
    this.#queue(zoneOf(node)).remove(node.metadata.name);
  }

  /** A node that is gone or has moved to another zone. */
  forget(node: Node): void {
    this.#queues.get(zoneOf(node))?.remove(node.metadata.name);
  }

  setQps(zone: string, qps: number): void {
    this.#queue(zone).setQps(qps, this.#context.clock.monotonic());
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    signal.addEventListener('abort', () => this.#wake.resolve(), { once: true });
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers<void>();
      await this.#pass();
      if (signal.aborted) return;
      if ([...this.#queues.values()].every(q => q.size === 0)) await this.#wake.promise;
      else await clock.sleep(passMs, signal).catch(() => {});
    }
  }

  #queue(zone: string): TaintQueue {
    let queue = this.#queues.get(zone);
    if (!queue) {
      queue = new TaintQueue(this.#qps, this.#context.clock.monotonic());
      this.#queues.set(zone, queue);
    }
    return queue;
  }

  async #pass(): Promise<void> {
    const { clock } = this.#context;
    for (const queue of this.#queues.values())
      for (let name = queue.take(clock.monotonic()); name !== undefined; name = queue.take(clock.monotonic())) {
        if (await this.#taint(name)) queue.done(name);
        else queue.later(name);
      }
  }

  /** False when it has to be tried again. */
  async #taint(name: string): Promise<boolean> {
    const node = this.#context.lister(coreV1.nodes).get(name);
    const status = node && nodeCondition(node, 'Ready')?.status;
    if (!node || (status !== 'False' && status !== 'Unknown')) return true;
    const [add, remove] = status === 'False' ? [notReadyTaint, unreachableTaint] : [unreachableTaint, notReadyTaint];
    try {
      await writeTaints(this.#context, node, [add], [remove]);
      this.#evictions.inc({ zone: zoneOf(node) });
      return true;
    } catch (error) {
      if (isNotFound(error)) return true;
      this.#context.log.warn('tainting the node failed, will retry', { node: name, error: messageOf(error) });
      return false;
    }
  }
}
