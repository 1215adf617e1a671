import { coreV1 } from '../../../api/refs.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import type { Lister } from '../../../client/informer.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import type { TermKind } from '../../cache/term-index.ts';
import { action, type RegisteredEvent } from '../../cluster-event.ts';
import type { CycleState, Handle, Plugin } from '../../framework.ts';
import { isSame } from '../../hint.ts';
import { type AffinityTerm, type PodInfo, podInfoOf, type WeightedTerm } from '../../pod-info.ts';
import { type Status, skip, unresolvable, unschedulable } from '../../status.ts';
import { matchesAll, PodAffinityState } from './pod-affinity-state.ts';
import { TopologyCounts } from './topology-counts.ts';

const name = 'InterPodAffinity';
const filterKey = 'PreFilterInterPodAffinity';
const scoreKey = 'PreScoreInterPodAffinity';
const statuses = {
  affinity: unresolvable(name, "node(s) didn't match pod affinity rules"),
  antiAffinity: unschedulable(name, "node(s) didn't match pod anti-affinity rules"),
  existing: unschedulable(name, "node(s) didn't satisfy existing pods anti-affinity rules"),
};

/** InterPodAffinityArgs of kubescheduler.config.k8s.io/v1. */
export interface InterPodAffinityArgs {
  /** What a required affinity of a placed pod to this one is worth. Default 1. */
  readonly hardPodAffinityWeight?: number;
  readonly ignorePreferredTermsOfExistingPods?: boolean;
}

/** Places pods beside those they like and apart from those they, or the others, do not. */
export function interPodAffinity(handle: Handle, args: unknown): Plugin {
  return new InterPodAffinity(handle, (args ?? {}) as InterPodAffinityArgs);
}

class InterPodAffinity implements Plugin {
  readonly name = name;
  readonly #handle: Handle;
  readonly #hardWeight: number;
  readonly #ignoreExisting: boolean;
  readonly #namespaces: Lister<{ metadata: { name?: string; labels?: Readonly<Record<string, string>> } }>;

  constructor(handle: Handle, args: InterPodAffinityArgs) {
    this.#handle = handle;
    this.#hardWeight = args.hardPodAffinityWeight ?? 1;
    this.#ignoreExisting = args.ignorePreferredTermsOfExistingPods ?? false;
    this.#namespaces = handle.informers.informer(coreV1.namespaces).lister;
  }

  /** Sorted. */
  #namespacesOf(term: AffinityTerm): readonly string[] {
    const { namespaceSelector } = term;
    if (!namespaceSelector) return [...term.namespaces].sort();
    const selected = this.#namespaces.list().filter(n => namespaceSelector.matches(n.metadata.labels));
    return [...new Set([...term.namespaces, ...selected.map(n => n.metadata.name!)])].sort();
  }

  /** How many pods match all the terms, in each domain of the topology. */
  #matching(terms: readonly AffinityTerm[], topologyKey: string): ReadonlyMap<string, number> {
    const sets = terms.map(t => this.#namespacesOf(t));
    const all = [...new Set(sets.flat())];
    // Which namespaces a selector chooses is settled here and part of the key: labels of namespaces may change.
    const matches = (pod: PodInfo) =>
      terms.every((t, i) => sets[i]!.includes(pod.namespace) && t.selector.matches(pod.labels));
    const key = `affinity|${terms.map((t, i) => `${sets[i]}|${t.key}`).join('&')}`;
    return this.#handle.cluster.countByDomain(key, all, matches, topologyKey);
  }

  preFilter(state: CycleState, pod: PodInfo) {
    const { cluster, namespaceLabels } = this.#handle;
    const data = new PodAffinityState(namespaceLabels);
    for (const { term, sums } of cluster.placedTerms('requiredAnti'))
      if (term.matches(pod, namespaceLabels)) data.existing.share(term.topologyKey, sums);
    const { requiredAffinity, requiredAntiAffinity } = pod;
    if (requiredAffinity.length + requiredAntiAffinity.length === 0 && data.existing.untouched) return { status: skip };
    for (const t of requiredAffinity)
      data.affinity.share(t.topologyKey, this.#matching(requiredAffinity, t.topologyKey));
    for (const t of requiredAntiAffinity) data.antiAffinity.share(t.topologyKey, this.#matching([t], t.topologyKey));
    state.write(filterKey, data);
    return undefined;
  }

  addPod(state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo): void {
    state.read<PodAffinityState>(filterKey)?.change(pod, added, node, 1);
  }

  removePod(state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo): void {
    state.read<PodAffinityState>(filterKey)?.change(pod, removed, node, -1);
  }

  filter(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined {
    const why = state.read<PodAffinityState>(filterKey)?.check(pod, node);
    return why && statuses[why];
  }

  preScore(state: CycleState, pod: PodInfo): Status | undefined {
    const { cluster, namespaceLabels } = this.#handle;
    const { preferredAffinity, preferredAntiAffinity } = pod;
    const scores = new TopologyCounts();
    const prefers = (terms: readonly WeightedTerm[], sign: number) => {
      for (const { term, weight } of terms)
        scores.share(term.topologyKey, this.#matching([term], term.topologyKey), sign * weight);
    };
    prefers(preferredAffinity, 1);
    prefers(preferredAntiAffinity, -1);
    // What placed pods think of this one.
    const liked = (kind: TermKind, factor: number) => {
      for (const { term, sums } of cluster.placedTerms(kind))
        if (term.matches(pod, namespaceLabels)) scores.share(term.topologyKey, sums, factor);
    };
    if (!scores.untouched || !this.#ignoreExisting) {
      if (this.#hardWeight > 0) liked('required', this.#hardWeight);
      liked('preferred', 1);
      liked('preferredAnti', -1);
    }
    if (scores.untouched) return skip;
    state.write(scoreKey, scores);
    return undefined;
  }

  score(state: CycleState, _pod: PodInfo, node: NodeInfo): number {
    return state.read<TopologyCounts>(scoreKey)!.sumAt(node.labels);
  }

  /** The lowest becomes 0, the highest 100. */
  normalize(_state: CycleState, _pod: PodInfo, _nodes: readonly NodeInfo[], scores: number[]): void {
    let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const s of scores) {
      if (s < least) least = s;
      if (s > most) most = s;
    }
    const range = most - least;
    for (let i = 0; i < scores.length; i++)
      scores[i] = range > 0 ? Math.trunc((100 * (scores[i]! - least)) / range) : 0;
  }

  eventsToRegister(): readonly RegisteredEvent[] {
    return [
      {
        resource: 'AssignedPod',
        actions: action.add | action.delete | action.updatePodLabel,
        hint: (pod, old, now) => this.#hint(podInfoOf(pod), old as Pod | undefined, now as Pod | undefined),
      },
      {
        resource: 'UnscheduledPod',
        actions: action.updatePodLabel,
        hint: (pod, _old, now) => (isSame(pod, now) ? 'Queue' : 'Skip'),
      },
      { resource: 'Node', actions: action.add | action.updateNodeLabel },
    ];
  }

  #hint(pod: PodInfo, old: Pod | undefined, now: Pod | undefined): 'Queue' | 'Skip' {
    const labels = this.#handle.namespaceLabels;
    const [before, after] = [old && podInfoOf(old), now && podInfoOf(now)];
    const wanted = (p: PodInfo | undefined) => !!p && matchesAll(pod.requiredAffinity, p, labels);
    if (wanted(after) && !wanted(before)) return 'Queue';
    const unwanted = (p: PodInfo | undefined) => !!p && pod.requiredAntiAffinity.some(t => t.matches(p, labels));
    if (unwanted(before) && !unwanted(after)) return 'Queue';
    const gone = before && !after;
    return gone && before.requiredAntiAffinity.some(t => t.matches(pod, labels)) ? 'Queue' : 'Skip';
  }
}
