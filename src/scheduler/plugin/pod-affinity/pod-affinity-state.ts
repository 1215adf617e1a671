import type { NodeInfo } from '../../cache/node-info.ts';
import type { StateData } from '../../framework.ts';
import { labelOf } from '../../label.ts';
import type { AffinityTerm, NamespaceLabels, PodInfo } from '../../pod-info.ts';
import { TopologyCounts } from './topology-counts.ts';

/** A pod satisfies affinity only when it matches every one of the terms. */
export const matchesAll = (terms: readonly AffinityTerm[], pod: PodInfo, labels: NamespaceLabels): boolean =>
  terms.length > 0 && terms.every(t => t.matches(pod, labels));

/** What required terms, of the pod and of those already placed, make of each domain. */
export class PodAffinityState implements StateData {
  readonly labels: NamespaceLabels;
  /** Pods that will not have this one beside them. */
  readonly existing: TopologyCounts;
  readonly affinity: TopologyCounts;
  readonly antiAffinity: TopologyCounts;

  constructor(
    labels: NamespaceLabels,
    existing = new TopologyCounts(),
    affinity = new TopologyCounts(),
    antiAffinity = new TopologyCounts(),
  ) {
    this.labels = labels;
    this.existing = existing;
    this.affinity = affinity;
    this.antiAffinity = antiAffinity;
  }

  clone(): PodAffinityState {
    const { labels, existing, affinity, antiAffinity } = this;
    return new PodAffinityState(labels, existing.clone(), affinity.clone(), antiAffinity.clone());
  }

  /** `other` comes to the node (1) or leaves it (-1). */
  change(pod: PodInfo, other: PodInfo, node: NodeInfo, by: 1 | -1): void {
    for (const t of other.requiredAntiAffinity)
      if (t.matches(pod, this.labels)) this.existing.add(t.topologyKey, node.labels, by);
    if (matchesAll(pod.requiredAffinity, other, this.labels))
      for (const t of pod.requiredAffinity) this.affinity.add(t.topologyKey, node.labels, by);
    for (const t of pod.requiredAntiAffinity)
      if (t.matches(other, this.labels)) this.antiAffinity.add(t.topologyKey, node.labels, by);
  }

  check(pod: PodInfo, node: NodeInfo): 'affinity' | 'antiAffinity' | 'existing' | undefined {
    const { labels } = node;
    if (!this.#affinityHolds(pod, labels)) return 'affinity';
    for (const t of pod.requiredAntiAffinity)
      if (this.antiAffinity.get(t.topologyKey, labels) > 0) return 'antiAffinity';
    return this.existing.anyAt(labels) ? 'existing' : undefined;
  }

  #affinityHolds(pod: PodInfo, labels: NodeInfo['labels']): boolean {
    let there = true;
    for (const t of pod.requiredAffinity) {
      if (labelOf(labels, t.topologyKey) === undefined) return false;
      if (this.affinity.get(t.topologyKey, labels) <= 0) there = false;
    }
    // The first of a group that wants to be together may go anywhere.
    return there || (this.affinity.empty && matchesAll(pod.requiredAffinity, pod, this.labels));
  }
}
