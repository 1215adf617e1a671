import { selectorFromLabelSelector } from '../../../api/label-selector.ts';
import { coreV1, policyV1 } from '../../../api/refs.ts';
import { isNotFound } from '../../../api/status.ts';
import { messageOf } from '../../../base/assert.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import { action, type RegisteredEvent } from '../../cluster-event.ts';
import { fitMessage } from '../../fit-error.ts';
import type { CycleState, Handle, NodeStatuses, Plugin, PostFilterOutcome, Preemptor } from '../../framework.ts';
import type { PodInfo } from '../../pod-info.ts';
import { errorStatus, Status, unresolvable, unschedulable } from '../../status.ts';
import { VictimCache } from './victim-cache.ts';
import { type Budget, byImportance, type Candidate, pickCandidate, splitByBudgets } from './victims.ts';

const name = 'DefaultPreemption';
const noVictims = unresolvable(name, 'No preemption victims found for incoming pod');
const notHelpful = unresolvable(name, 'Preemption is not helpful for scheduling');

/** DefaultPreemptionArgs of kubescheduler.config.k8s.io/v1. */
export interface DefaultPreemptionArgs {
  readonly minCandidateNodesPercentage?: number;
  readonly minCandidateNodesAbsolute?: number;
}

/** Makes room for a pod by deleting pods of lower priority, as few and as unimportant as will do. */
export function defaultPreemption(handle: Handle, args: unknown): Plugin {
  return new DefaultPreemption(handle, (args ?? {}) as DefaultPreemptionArgs);
}

class DefaultPreemption implements Plugin {
  readonly name = name;
  readonly #handle: Handle;
  readonly #percentage: number;
  readonly #absolute: number;
  readonly #budgets;
  readonly #known = new VictimCache();
  /** Pods whose victims are being deleted at this moment. */
  readonly #underWay = new Set<string>();

  constructor(handle: Handle, args: DefaultPreemptionArgs) {
    this.#handle = handle;
    this.#percentage = args.minCandidateNodesPercentage ?? 10;
    this.#absolute = args.minCandidateNodesAbsolute ?? 100;
    this.#budgets = handle.informers.informer(policyV1.poddisruptionbudgets).lister;
  }

  postFilter(state: CycleState, pod: PodInfo, statuses: NodeStatuses): PostFilterOutcome | Promise<PostFilterOutcome> {
    this.#handle.metrics.preemptionAttempt();
    const why = this.#notEligible(pod, statuses);
    if (why) return { status: unschedulable(name, `preemption: ${why}`) };
    const explicit = new Map<string, Status>();
    const candidates = this.#candidates(state, pod, statuses, explicit);
    const preemptors = this.#handle.preemptors.filter(e => e.isInterested(pod));
    if (candidates.length === 0 || preemptors.length === 0) return this.#choose(pod, candidates, explicit);
    return askPreemptors(this.#handle, preemptors, pod, candidates).then(
      left => this.#choose(pod, left, explicit),
      error => ({ status: errorStatus(name, error) }),
    );
  }

  #choose(pod: PodInfo, candidates: readonly Candidate[], explicit: Map<string, Status>): PostFilterOutcome {
    const { nodes } = this.#handle.cluster;
    const chosen = pickCandidate(candidates, this.#handle.clock.now());
    if (!chosen) {
      const diagnosis = { nodeCount: nodes.length, statuses: { explicit, absent: notHelpful }, preFilterMessage: '' };
      return { status: unschedulable(name, `preemption: ${fitMessage(diagnosis)}`), nominatedNode: '' };
    }
    this.#evict(chosen, pod);
    return { status: new Status('Success', [], name), nominatedNode: chosen.node };
  }

  #notEligible(pod: PodInfo, statuses: NodeStatuses): string | undefined {
    if (pod.pod.spec.preemptionPolicy === 'Never') return 'not eligible due to preemptionPolicy=Never.';
    if (this.#underWay.has(pod.uid)) return 'waiting for the preemption for this pod to be finished';
    const nominated = pod.pod.status?.nominatedNodeName;
    if (!nominated) return undefined;
    const status = statuses.explicit.get(nominated) ?? statuses.absent;
    if (status?.code === 'UnschedulableAndUnresolvable') return undefined;
    const leaving = this.#handle.cluster.node(nominated)?.pods.values() ?? [];
    for (const p of leaving)
      if (p.priority < pod.priority && isBeingPreempted(p))
        return 'not eligible due to a terminating pod on the nominated node.';
    return undefined;
  }

  /** Tries nodes from a random one on until there are enough candidates. Tells of the others why not. */
  #candidates(state: CycleState, pod: PodInfo, statuses: NodeStatuses, why: Map<string, Status>): Candidate[] {
    const { cluster, random } = this.#handle;
    const nodes = resolvableNodes(cluster.nodes, statuses);
    const share = Math.trunc((nodes.length * this.#percentage) / 100);
    const enough = Math.min(nodes.length, Math.max(share, this.#absolute));
    const budgets = this.#budgetsNow();
    const found: Candidate[] = [];
    let harmless = false;
    // A pod that is nominated itself is left out of what others see of its node.
    const alike = state.onlyLocal && budgets.length === 0 && this.#handle.nominated.nodeOf(pod.uid) === undefined;
    const known = alike ? this.#known.of(pod) : undefined;
    const start = Math.floor(random.next() * nodes.length);
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[(start + i) % nodes.length]!;
      const compute = () => this.#victimsOn(state.clone(), pod, node.clone(), budgets);
      const result = known ? known.get(node, this.#handle.nominated.on(node.name), compute) : compute();
      if (result instanceof Status) why.set(node.name, result);
      else {
        found.push(result);
        harmless ||= result.violations === 0;
        if (found.length >= enough && harmless) break;
      }
    }
    return found;
  }

  #budgetsNow(): Budget[] {
    return this.#budgets.list().map(b => ({
      namespace: b.metadata.namespace ?? '',
      selector: selectorFromLabelSelector(b.spec?.selector),
      allowed: b.status?.disruptionsAllowed ?? 0,
      disrupted: b.status?.disruptedPods ?? {},
    }));
  }

  /** Takes away all that is less important, then gives back what need not go, the most important first. */
  #victimsOn(state: CycleState, pod: PodInfo, node: NodeInfo, budgets: readonly Budget[]): Candidate | Status {
    const handle = this.#handle;
    const lesser = [...node.pods.values()].filter(p => p.priority < pod.priority);
    if (lesser.length === 0) return noVictims;
    const remove = (p: PodInfo) => {
      node.removePod(p.uid);
      handle.removePod(state, pod, p, node);
    };
    lesser.forEach(remove);
    const status = handle.filterWithNominated(state, pod, node);
    if (status) return status;
    const order = byImportance(handle.clock.now());
    const { violating, others } = splitByBudgets(lesser.sort(order), budgets);
    const victims: PodInfo[] = [];
    const spared = (p: PodInfo): boolean => {
      node.addPod(p);
      handle.addPod(state, pod, p, node);
      if (!handle.filterWithNominated(state, pod, node)) return true;
      remove(p);
      victims.push(p);
      return false;
    };
    const violations = violating.filter(p => !spared(p)).length;
    for (const p of others) spared(p);
    return { node: node.name, victims: victims.sort(order), violations };
  }

  #evict(candidate: Candidate, preemptor: PodInfo): void {
    const { nominated, metrics, statuses, cluster, log } = this.#handle;
    metrics.preemptionVictims(candidate.victims.length);
    // Less important pods that were promised a place here have to look again.
    for (const p of nominated.on(candidate.node)) {
      if (p.priority >= preemptor.priority || p.uid === preemptor.uid) continue;
      nominated.forget(p.uid);
      statuses.write(p.pod, { nominatedNode: '' });
    }
    this.#underWay.add(preemptor.uid);
    const startMs = this.#handle.clock.monotonic();
    const deletions = candidate.victims.map(v =>
      this.#evictOne(cluster.node(candidate.node)?.pods.get(v.uid) ?? v, candidate.node, preemptor),
    );
    Promise.allSettled(deletions).then(results => {
      this.#underWay.delete(preemptor.uid);
      const failed = results.filter(r => r.status === 'rejected');
      metrics.preempted(failed.length ? 'error' : 'success', (this.#handle.clock.monotonic() - startMs) / 1000);
      if (failed.length === 0) return;
      for (const f of failed) log.warn('preempting a pod failed', { for: preemptor.key, error: messageOf(f.reason) });
      // The place is not free after all.
      nominated.forget(preemptor.uid);
      statuses.write(preemptor.pod, { nominatedNode: '' });
      this.#handle.activate(preemptor);
    });
  }

  async #evictOne(victim: PodInfo, node: string, preemptor: PodInfo): Promise<void> {
    const { client, events, statuses, schedulerName } = this.#handle;
    const waiting = this.#handle.waitingPod(victim.uid);
    if (waiting) waiting.reject(name, 'preempted');
    else if (!victim.terminating) {
      await statuses.write(victim.pod, {
        condition: {
          type: 'DisruptionTarget',
          status: 'True',
          reason: 'PreemptionByScheduler',
          message: `${schedulerName}: preempting to accommodate a higher priority pod`,
        },
      });
      try {
        const { namespace, name: podName } = victim.pod.metadata;
        await client.delete(coreV1.pods, { namespace: namespace!, name: podName! });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    }
    events.event(victim.reference, 'Normal', 'Preempted', `Preempted by pod ${preemptor.uid} on node ${node}`, {
      action: 'Preempting',
      related: preemptor.reference,
    });
  }

  eventsToRegister(): readonly RegisteredEvent[] {
    return [{ resource: 'AssignedPod', actions: action.delete }];
  }
}

/** Those where evicting pods may help. */
function resolvableNodes(all: readonly NodeInfo[], statuses: NodeStatuses): readonly NodeInfo[] {
  const { rejections, absent } = statuses;
  const resolvable = (s: Status | undefined) => s?.code === 'Unschedulable';
  if (rejections && !resolvable(absent)) return rejections.nodes.filter((_, i) => resolvable(rejections.statuses[i]));
  return all.filter(n => resolvable(statuses.explicit.get(n.name) ?? absent));
}

/** One after another; the rest of the choices, none when an extender leaves none. */
async function askPreemptors(
  { cluster, clock, log }: Handle,
  preemptors: readonly Preemptor[],
  pod: PodInfo,
  candidates: readonly Candidate[],
): Promise<readonly Candidate[]> {
  let left = candidates;
  for (const preemptor of preemptors) {
    try {
      const choices = await preemptor.preempt(pod.pod, left, (node, uid) => cluster.node(node)?.pods.get(uid));
      left = choices
        .filter(c => c.victims.length > 0)
        .map(c => ({ ...c, victims: c.victims.toSorted(byImportance(clock.now())) }));
    } catch (error) {
      if (!preemptor.ignorable) throw error;
      log.warn('an extender failed to say what may be preempted', {
        extender: preemptor.name,
        error: messageOf(error),
      });
    }
    if (left.length === 0) break;
  }
  return left;
}

const isBeingPreempted = (p: PodInfo): boolean =>
  p.terminating &&
  !!p.pod.status?.conditions?.some(
    c => c.type === 'DisruptionTarget' && c.status === 'True' && c.reason === 'PreemptionByScheduler',
  );
