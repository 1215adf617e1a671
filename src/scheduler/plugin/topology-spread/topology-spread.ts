import type { Node, Pod } from '../../../api/type/core-v1.ts';
import type { NodeInfo } from '../../cache/node-info.ts';
import { action } from '../../cluster-event.ts';
import type { CycleState, Handle, Plugin } from '../../framework.ts';
import { isSame } from '../../hint.ts';
import { labelOf } from '../../label.ts';
import { type PodInfo, podInfoOf } from '../../pod-info.ts';
import { type Status, skip, unresolvable, unschedulable } from '../../status.ts';
import {
  type Constraint,
  constraintOf,
  hasAllLabels,
  isIncluded,
  type PodTopologySpreadArgs,
  systemDefaults,
} from './constraint.ts';
import { type DefaultSelector, defaultSelector } from './default-selector.ts';
import { FilterState } from './filter-state.ts';
import { ScoreState } from './score-state.ts';

const name = 'PodTopologySpread';
const filterKey = 'PreFilterPodTopologySpread';
const scoreKey = 'PreScorePodTopologySpread';
const skewed = unschedulable(name, "node(s) didn't match pod topology spread constraints");
const unlabelled = unresolvable(name, "node(s) didn't match pod topology spread constraints (missing required label)");

type When = 'DoNotSchedule' | 'ScheduleAnyway';

/** Spreads pods over domains: strictly where the pod says so, as a preference otherwise. */
export function podTopologySpread(handle: Handle, given: unknown): Plugin {
  return new PodTopologySpread(handle, (given ?? {}) as PodTopologySpreadArgs);
}

class PodTopologySpread implements Plugin {
  readonly name = name;
  readonly #handle: Handle;
  readonly #defaults: NonNullable<PodTopologySpreadArgs['defaultConstraints']>;
  readonly #systemDefaulted: boolean;
  readonly #defaultSelector: DefaultSelector;

  constructor(handle: Handle, args: PodTopologySpreadArgs) {
    this.#handle = handle;
    this.#systemDefaulted = args.defaultingType !== 'List';
    this.#defaults = this.#systemDefaulted ? systemDefaults : (args.defaultConstraints ?? []);
    this.#defaultSelector = defaultSelector(handle.informers);
  }

  #constraints(pod: PodInfo, when: When): readonly Constraint[] {
    const own = pod.pod.spec.topologySpreadConstraints;
    if (own?.length) return own.filter(c => c.whenUnsatisfiable === when).map(c => constraintOf(c, pod));
    const defaults = this.#defaults.filter(c => c.whenUnsatisfiable === when);
    const selector = defaults.length ? this.#defaultSelector(pod) : undefined;
    return selector ? defaults.map(c => constraintOf(c, pod, selector)) : [];
  }

  preFilter(state: CycleState, pod: PodInfo) {
    const constraints = this.#constraints(pod, 'DoNotSchedule');
    if (constraints.length === 0) return { status: skip };
    state.write(filterKey, FilterState.of(pod, constraints, this.#handle.cluster));
    return undefined;
  }

  addPod(state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo): void {
    state.read<FilterState>(filterKey)?.change(pod, added, node, 1);
  }

  removePod(state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo): void {
    state.read<FilterState>(filterKey)?.change(pod, removed, node, -1);
  }

  filter(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined {
    switch (state.read<FilterState>(filterKey)?.check(pod, node)) {
      case 'unlabelled':
        return unlabelled;
      case 'skewed':
        return skewed;
      default:
        return undefined;
    }
  }

  preScore(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): Status | undefined {
    const constraints = this.#constraints(pod, 'ScheduleAnyway');
    if (constraints.length === 0) return skip;
    const needsAll = !!pod.pod.spec.topologySpreadConstraints?.length || !this.#systemDefaulted;
    state.write(scoreKey, new ScoreState(pod, constraints, nodes, this.#handle.cluster, needsAll));
    return undefined;
  }

  score(state: CycleState, _pod: PodInfo, node: NodeInfo): number {
    return state.read<ScoreState>(scoreKey)!.score(node);
  }

  normalize(state: CycleState, _pod: PodInfo, nodes: readonly NodeInfo[], scores: number[]): void {
    state.read<ScoreState>(scoreKey)!.normalize(nodes, scores);
  }

  eventsToRegister() {
    return [
      {
        resource: 'AssignedPod' as const,
        actions: action.add | action.delete | action.updatePodLabel,
        hint: (pod: Pod, old: unknown, now: unknown) => this.#podHint(pod, old as Pod, now as Pod),
      },
      {
        resource: 'UnscheduledPod' as const,
        actions: action.updatePodLabel,
        hint: (pod: Pod, _old: unknown, now: unknown) => (isSame(pod, now) ? 'Queue' : 'Skip') as 'Queue' | 'Skip',
      },
      {
        resource: 'Node' as const,
        actions: action.add | action.delete | action.updateNodeLabel | action.updateNodeTaint,
        hint: (pod: Pod, old: unknown, now: unknown) => this.#nodeHint(pod, old as Node, now as Node),
      },
    ];
  }

  /** A pod that counts came, went, or changed so that it counts or no longer does. */
  #podHint(pod: Pod, old: Pod | undefined, now: Pod | undefined): 'Queue' | 'Skip' {
    const info = podInfoOf(pod);
    if ((now ?? old)!.metadata.namespace !== info.namespace) return 'Skip';
    const constraints = this.#constraints(info, 'DoNotSchedule');
    if (constraints.length === 0) return 'Queue';
    const changed = constraints.some(c => {
      const matches = (p: Pod | undefined) => !!p && c.selector.matches(p.metadata.labels);
      return old && now ? matches(old) !== matches(now) : matches(old ?? now);
    });
    return changed ? 'Queue' : 'Skip';
  }

  #nodeHint(pod: Pod, old: Node | undefined, now: Node | undefined): 'Queue' | 'Skip' {
    const constraints = this.#constraints(podInfoOf(pod), 'DoNotSchedule');
    const inDomain = (n: Node | undefined) => !!n && hasAllLabels(constraints, n.metadata.labels ?? {});
    if (!inDomain(old) && !inDomain(now)) return 'Skip';
    if (!old || !now || inDomain(old) !== inDomain(now)) return 'Queue';
    const moved = constraints.some(
      c =>
        labelOf(old.metadata.labels, c.topologyKey) !== labelOf(now.metadata.labels, c.topologyKey) ||
        isIncluded(c, pod, old) !== isIncluded(c, pod, now),
    );
    return moved ? 'Queue' : 'Skip';
  }
}
