// Constraints of topology spreading, of the pod or by default, in the form the plugin computes with.
import { type Selector, selectorFromLabelSelector } from '../../../api/label-selector.ts';
import { requiredNodeAffinityMatches } from '../../../api/node-affinity.ts';
import { untoleratedTaint } from '../../../api/toleration.ts';
import type { Node, Pod, TopologySpreadConstraint } from '../../../api/type/core-v1.ts';
import { labelOf } from '../../label.ts';
import type { PodInfo } from '../../pod-info.ts';

export const hostnameLabel = 'kubernetes.io/hostname';

export interface Constraint {
  readonly maxSkew: number;
  readonly topologyKey: string;
  readonly perNode: boolean;
  readonly selector: Selector;
  /** Names what is counted; see ClusterView.count. */
  readonly countKey: string;
  readonly minDomains: number;
  readonly honorsAffinity: boolean;
  readonly honorsTaints: boolean;
}

/** PodTopologySpreadArgs of kubescheduler.config.k8s.io/v1. */
export interface PodTopologySpreadArgs {
  readonly defaultConstraints?: readonly TopologySpreadConstraint[];
  readonly defaultingType?: 'System' | 'List';
}

export const systemDefaults: readonly TopologySpreadConstraint[] = [
  { topologyKey: hostnameLabel, whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 3 },
  { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway', maxSkew: 5 },
];

export function constraintOf(c: TopologySpreadConstraint, pod: PodInfo, given?: Selector): Constraint {
  const selector = given ?? selectorFromLabelSelector(c.labelSelector);
  const none = !given && !c.labelSelector;
  return {
    maxSkew: c.maxSkew,
    topologyKey: c.topologyKey,
    perNode: c.topologyKey === hostnameLabel,
    selector,
    countKey: `spread|${pod.namespace}|${none ? '<none>' : selector}`,
    minDomains: c.minDomains ?? 1,
    honorsAffinity: c.nodeAffinityPolicy !== 'Ignore',
    honorsTaints: c.nodeTaintsPolicy === 'Honor',
  };
}

/** Pods that are being deleted no longer count. */
export const counts = (constraint: Constraint) => (pod: PodInfo) =>
  !pod.terminating && constraint.selector.matches(pod.labels);

/** Do the node's pods count for this pod? */
export function isIncluded(c: Constraint, pod: Pod, node: Node): boolean {
  if (
    c.honorsAffinity &&
    (pod.spec.nodeSelector || pod.spec.affinity?.nodeAffinity) &&
    !requiredNodeAffinityMatches(pod, node)
  )
    return false;
  return !c.honorsTaints || !untoleratedTaint(node.spec?.taints, pod.spec.tolerations);
}

/** True when it has nothing to exclude nodes by. */
export const includesAll = (c: Constraint, pod: Pod): boolean =>
  !c.honorsTaints && !(c.honorsAffinity && (pod.spec.nodeSelector || pod.spec.affinity?.nodeAffinity));

export function hasAllLabels(constraints: readonly Constraint[], labels: Readonly<Record<string, string>>): boolean {
  for (const c of constraints) if (labelOf(labels, c.topologyKey) === undefined) return false;
  return true;
}
