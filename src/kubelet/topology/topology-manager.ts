// Lets pods in when what they ask of the machine can be had together, and gives it to them.
import type { Container, Pod } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { KeyedLock } from '../device/keyed-lock.ts';
import type { Rejection } from '../kernel/admission.ts';
import { AdmissionError, type HintProvider } from './hint-provider.ts';
import { type Hint, nodesOf } from './kernel/hint.ts';
import { mergeHints, type TopologyManagerPolicy } from './kernel/hint-merge.ts';
import type { MachineTopology } from './kernel/machine-topology.ts';
import type { ManagerMetrics } from './manager-metrics.ts';

export interface TopologySettings {
  readonly policy: TopologyManagerPolicy;
  readonly scope: 'container' | 'pod';
  /** Of sets of nodes that are equally good, that of the closest. */
  readonly closest: boolean;
  readonly maxNodes: number;
}

export const defaultTopologySettings: TopologySettings = {
  ...{ policy: 'none', scope: 'container', closest: false, maxNodes: 8 },
};

export interface TopologyManagerOptions extends TopologySettings {
  readonly topology: MachineTopology;
  /** In the order in which they are asked. */
  readonly providers: readonly HintProvider[];
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: ManagerMetrics;
  /** Pods of which something may run; undefined while that is not known for all. */
  holders(): ReadonlySet<string> | undefined;
}

/** Masks of nodes are numbers of 31 bits, and their sets grow with two to the power of nodes. */
const mostNodes = 30;

export class TopologyManager {
  readonly #o: TopologyManagerOptions;
  readonly #lock = new KeyedLock();

  /** Throws where the machine is too large for it. */
  constructor(options: TopologyManagerOptions) {
    this.#o = options;
    const { policy, topology, maxNodes } = options;
    if (policy !== 'none' && topology.nodes.length > Math.min(maxNodes, mostNodes))
      throw new Error(`unsupported on machines with more than ${maxNodes} NUMA Nodes`);
  }

  /** Undefined: the pod may run here, and has what it needs. */
  admit(pod: Pod): Promise<Rejection | undefined> {
    const { clock, metrics, providers } = this.#o;
    return this.#lock.run(['admission'], async () => {
      const fromMs = clock.monotonic();
      metrics.count('admissionRequests');
      try {
        this.#keepOnly();
        await this.#allocate(pod);
        await Promise.all(providers.map(p => p.save()));
        return undefined;
      } catch (error) {
        for (const p of providers) p.release(pod.metadata.uid ?? '');
        await Promise.all(providers.map(p => p.save())).catch(() => {});
        return rejectionOf(error);
      } finally {
        metrics.admitted(clock.monotonic() - fromMs);
      }
    });
  }

  /** Takes back what pods held that are gone. */
  settle(): Promise<void> {
    return this.#lock.run(['admission'], async () => {
      this.#keepOnly();
      await Promise.all(this.#o.providers.map(p => p.save()));
    });
  }

  #keepOnly(): void {
    const holders = this.#o.holders();
    if (holders) for (const p of this.#o.providers) p.keepOnly(holders);
  }

  async #allocate(pod: Pod): Promise<void> {
    const { providers, scope } = this.#o;
    const whole = scope === 'pod' ? this.#affinity(pod, undefined) : undefined;
    for (const c of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
      const { nodes } = whole ?? this.#affinity(pod, c);
      for (const p of providers) await p.allocate(pod, c, nodes);
    }
  }

  /** Throws when there is none that the policy allows. */
  #affinity(pod: Pod, container: Container | undefined): Hint {
    const { providers, policy, scope, log, metrics } = this.#o;
    if (policy === 'none') return { nodes: undefined, preferred: true };
    const hints = providers.map(p => (container ? p.containerHints(pod, container) : p.podHints(pod)));
    const { hint, admit } = mergeHints(this.#o, hints);
    const { name, namespace } = pod.metadata;
    log.debug('topology affinity', {
      ...{ pod: `${namespace}/${name}`, container: container?.name, admit, preferred: hint.preferred },
      nodes: hint.nodes === undefined ? 'any' : nodesOf(hint.nodes),
    });
    if (policy === 'single-numa-node') metrics.aligned('numa_node', scope, admit);
    if (admit) return hint;
    metrics.count('admissionErrors');
    throw new AdmissionError('TopologyAffinityError', 'Resources cannot be allocated with Topology locality');
  }
}

function rejectionOf(error: unknown): Rejection {
  if (error instanceof AdmissionError) return { reason: error.reason, message: `Pod was rejected: ${error.message}` };
  const message = `Pod was rejected: Allocate failed due to ${messageOf(error)}, which is unexpected`;
  return { reason: 'UnexpectedAdmissionError', message };
}
