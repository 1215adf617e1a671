// Looks at all nodes every few seconds: who is alive, who has come and gone, and how the zones are.
import { cloneDeep } from '../../api/meta.ts';
import { apiVersionOf } from '../../api/ref.ts';
import { coordinationV1, coreV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Node, NodeCondition } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { exponentialBuckets, type HistogramMetric } from '../../base/metrics.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import { type HealthOptions, judgeNode, type NodeHealth, type Verdict } from './kernel/health.ts';
import { type EvictionOptions, judgeDisruption, type ZoneState, zoneOf } from './kernel/zone.ts';
import { markPodsNotReady } from './mark-pods.ts';
import type { ZoneTainter } from './zone-tainter.ts';

export interface NodeMonitorOptions extends HealthOptions, EvictionOptions {
  readonly periodMs: number;
}

/** Name of the index of pods. */
export const podsByNode = 'node-lifecycle/node';

const leaseNamespace = 'kube-node-lease';
const excludeLabel = 'node.kubernetes.io/exclude-disruption';
const updateTries = 5;
const retryMs = 20;
const nodesAtOnce = 8;

type Ready = NodeCondition | undefined;

interface Judged {
  readonly node: Node;
  readonly verdict: Verdict;
}

export class NodeMonitor {
  readonly #context: ControllerContext;
  readonly #tainter: ZoneTainter;
  readonly #o: NodeMonitorOptions;
  readonly #known = new Map<string, Node>();
  readonly #health = new Map<string, NodeHealth>();
  /** Nodes whose pods could not all be marked. */
  readonly #retry = new Set<string>();
  readonly #oneHealth: HistogramMetric;
  #signal: AbortSignal | undefined;
  #zones: ReadonlyMap<string, ZoneState> = new Map();

  constructor(context: ControllerContext, tainter: ZoneTainter, options: NodeMonitorOptions) {
    this.#context = context;
    this.#tainter = tainter;
    this.#o = options;
    this.#oneHealth = context.metrics.histogram(
      'node_collector_update_node_health_duration_seconds',
      'Duration in seconds for NodeController to update the health of a single node.',
      [],
      exponentialBuckets(0.001, 4, 8),
    );
  }

  /** The Ready condition that the node had at the last look. */
  readyOf(node: string): Ready {
    return this.#health.get(node)?.ready;
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    while (!signal.aborted) {
      await this.#look();
      await this.#context.clock.sleep(this.#o.periodMs, signal).catch(() => {});
    }
  }

  async #look(): Promise<void> {
    const startMs = this.#context.clock.monotonic();
    const nodes = this.#context.lister(coreV1.nodes).list();
    await this.#meet(nodes);
    const zones = new Map<string, Ready[]>();
    const rest = nodes.values();
    const work = async () => {
      for (const node of rest) {
        const writing = this.#watchOver(node, zones);
        if (writing) await writing;
      }
    };
    await Promise.all(Array.from({ length: nodesAtOnce }, work));
    await this.#judgeZones(nodes, zones);
    this.#measure(zones, startMs);
  }

  /** Greets new nodes and forgets those that are gone. */
  async #meet(nodes: readonly Node[]): Promise<void> {
    for (const node of nodes) {
      const { name } = node.metadata;
      const old = this.#known.get(name);
      if (old === node) continue;
      this.#known.set(name, node);
      if (old && zoneOf(old) !== zoneOf(node)) this.#tainter.forget(old);
      if (old) continue;
      this.#tell(node, 'RegisteredNode', `Node ${name} event: Registered Node ${name} in Controller`);
      await this.#attempt('removing taints of a new node', node, () => this.#tainter.clear(node));
    }
    if (this.#known.size === nodes.length) return;
    const names = new Set(nodes.map(node => node.metadata.name));
    for (const [name, node] of this.#known) {
      if (names.has(name)) continue;
      this.#tell(node, 'RemovingNode', `Node ${name} event: Removing Node ${name} from Controller`);
      this.#known.delete(name);
      this.#health.delete(name);
      this.#retry.delete(name);
      this.#tainter.forget(node);
    }
  }

  /** A promise only where something has to be written: nodes that are well are looked at in one go. */
  #watchOver(listed: Node, zones: Map<string, Ready[]>): Promise<void> | undefined {
    const startMs = this.#context.clock.monotonic();
    const verdict = this.#verdictOn(listed);
    if (verdict.conditions) return this.#judge(listed).then(judged => this.#conclude(judged, zones, startMs));
    this.#health.set(listed.metadata.name, verdict.health);
    return this.#conclude({ node: listed, verdict }, zones, startMs);
  }

  #conclude(judged: Judged | undefined, zones: Map<string, Ready[]>, startMs: number): Promise<void> | undefined {
    this.#oneHealth.observe({}, (this.#context.clock.monotonic() - startMs) / 1000);
    if (!judged) return undefined;
    const { node, verdict } = judged;
    const { current } = verdict;
    if (!(excludeLabel in (node.metadata.labels ?? {}))) {
      const zone = zoneOf(node);
      if (!zones.has(zone)) zones.set(zone, []);
      zones.get(zone)!.push(current);
    }
    if (!current) return undefined;
    // Nothing was written, so that is how it was before.
    if (current.status === 'True' && !this.#tainter.concerns(node)) {
      this.#retry.delete(node.metadata.name);
      return undefined;
    }
    return this.#actOn(judged, current);
  }

  async #actOn({ node, verdict }: Judged, current: NodeCondition): Promise<void> {
    const { observed } = verdict;
    const { name } = node.metadata;
    await this.#attempt('tainting the node', node, () => this.#settleTaints(node, observed.status));
    const newlySilent = current.status !== 'True' && observed.status === 'True';
    if (newlySilent) this.#tell(node, 'NodeNotReady', `Node ${name} status is now: NodeNotReady`);
    if (newlySilent || (this.#retry.has(name) && observed.status !== 'True')) {
      const pods = this.#context.lister(coreV1.pods).byIndex(podsByNode, name);
      const done = await this.#attempt('marking pods not ready', node, () => markPodsNotReady(this.#context, pods));
      if (!done) {
        this.#retry.add(name);
        return;
      }
    }
    this.#retry.delete(name);
  }

  #settleTaints(node: Node, observed: string): Promise<void> {
    return observed === 'True' ? this.#tainter.clear(node) : this.#tainter.mark(node, observed);
  }

  /** Undefined when the node is gone or its status cannot be written. */
  async #judge(listed: Node): Promise<Judged | undefined> {
    const { client, clock } = this.#context;
    const { name } = listed.metadata;
    let node = listed;
    for (let tries = 1; ; tries++) {
      const verdict = this.#verdictOn(node);
      try {
        if (verdict.conditions) node = await this.#writeConditions(node, verdict.conditions);
        this.#health.set(name, verdict.health);
        return { node, verdict };
      } catch (error) {
        if (isNotFound(error)) return undefined;
        if (tries >= updateTries) {
          this.#context.log.error('updating the health of the node failed', { node: name, error: messageOf(error) });
          return undefined;
        }
      }
      try {
        await clock.sleep(retryMs, this.#signal);
        node = await client.get(coreV1.nodes, { name });
      } catch {
        return undefined;
      }
    }
  }

  #verdictOn(node: Node): Verdict {
    const { name } = node.metadata;
    const lease = this.#context.lister(coordinationV1.leases).get(`${leaseNamespace}/${name}`);
    return judgeNode(node, lease, this.#health.get(name), this.#context.clock.now(), this.#o);
  }

  #writeConditions(node: Node, conditions: readonly NodeCondition[]): Promise<Node> {
    const draft = cloneDeep(node);
    draft.status = { ...draft.status, conditions: cloneDeep(conditions) };
    return this.#context.client.updateStatus<Node>(coreV1.nodes, draft);
  }

  #measure(zones: ReadonlyMap<string, readonly Ready[]>, startMs: number): void {
    const { metrics, clock } = this.#context;
    const gauge = (name: string, help: string) => metrics.gauge(`node_collector_${name}`, help, ['zone']);
    const size = gauge('zone_size', 'Gauge measuring number of registered Nodes per zones.');
    const health = gauge('zone_health', 'Gauge measuring percentage of healthy nodes per zone.');
    const unhealthy = gauge('unhealthy_nodes_in_zone', 'Gauge measuring number of not Ready Nodes per zones.');
    for (const [zone, ready] of zones) {
      const up = ready.filter(c => c?.status === 'True').length;
      size.set({ zone }, ready.length);
      unhealthy.set({ zone }, ready.length - up);
      health.set({ zone }, ready.length === 0 ? 100 : (100 * up) / ready.length);
    }
    metrics
      .histogram(
        'node_collector_update_all_nodes_health_duration_seconds',
        'Duration in seconds for NodeController to update the health of all nodes.',
        [],
        exponentialBuckets(0.01, 4, 8),
      )
      .observe({}, (clock.monotonic() - startMs) / 1000);
  }

  async #judgeZones(nodes: readonly Node[], zones: ReadonlyMap<string, readonly Ready[]>): Promise<void> {
    const { log, clock } = this.#context;
    const { states, qps, entered, left } = judgeDisruption(this.#zones, zones, this.#o);
    if (entered) {
      log.info('no node is ready any more: entering master disruption mode, nothing is evicted');
      for (const node of nodes) await this.#attempt('removing taints', node, () => this.#tainter.clear(node));
    }
    if (left) {
      log.info('some nodes are ready again: leaving master disruption mode');
      for (const [name, health] of this.#health) this.#health.set(name, { ...health, probeMs: clock.now() });
    }
    for (const [zone, rate] of qps) this.#tainter.setQps(zone, rate);
    this.#zones = states;
  }

  async #attempt(what: string, node: Node, act: () => Promise<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      if (!isNotFound(error))
        this.#context.log.warn(`${what} failed`, { node: node.metadata.name, error: messageOf(error) });
      return isNotFound(error);
    }
  }

  #tell(node: Node, reason: string, message: string): void {
    const { name, uid } = node.metadata;
    this.#context.events.event(
      { kind: 'Node', apiVersion: apiVersionOf(coreV1.nodes), name, uid },
      'Normal',
      reason,
      message,
    );
  }
}
