// Finds the best node for a pod: filters until enough nodes pass, scores those, takes one of the best.
import type { Random } from '../base/random.ts';
import type { Cache } from './cache/cache.ts';
import type { NodeInfo } from './cache/node-info.ts';
import { type Diagnosis, noNodesMessage, runsOf } from './fit-error.ts';
import type { CycleState, NodeStatuses } from './framework.ts';
import type { PodInfo } from './pod-info.ts';
import type { PreFilterResult, Profile } from './profile.ts';
import type { Nominator } from './queue/nominator.ts';
import type { SignedResults } from './result-cache.ts';
import { Status, unresolvable } from './status.ts';

export type Failure =
  /** No node passed. */
  | { readonly diagnosis: Diagnosis }
  /** There are no nodes, or a plugin failed. */
  | { readonly status: Status };

export interface Placed {
  readonly node: NodeInfo;
  readonly evaluated: number;
  readonly feasible: number;
  /** The best scores, best first; absent where nothing was scored. */
  readonly top?: readonly { readonly node: string; readonly score: number }[];
}

export type Placement = Placed | Failure;

export interface Candidates {
  readonly feasible: readonly NodeInfo[];
  readonly statuses: NodeStatuses;
  readonly evaluated: number;
  readonly narrowedBy: readonly string[];
  readonly results: SignedResults;
}

export interface AlgorithmOptions {
  readonly cache: Cache;
  readonly nominated: Nominator;
  readonly random: Random;
  /** For profiles that do not say; 0: by size of the cluster. */
  readonly percentageOfNodesToScore?: number;
}

const minFeasible = 100;
const minPercentage = 5;

/** How many nodes that pass are enough. */
export function enoughNodes(nodes: number, percentage: number): number {
  if (nodes < minFeasible) return nodes;
  const share = percentage || Math.max(minPercentage, 50 - Math.trunc(nodes / 125));
  if (share >= 100) return nodes;
  return Math.max(minFeasible, Math.trunc((nodes * share) / 100));
}

export class Algorithm {
  readonly #o: AlgorithmOptions;
  #start = 0;
  #promised = new Uint8Array(0);
  #anyPromised = false;

  constructor(options: AlgorithmOptions) {
    this.#o = options;
  }

  schedule(profile: Profile, state: CycleState, pod: PodInfo): Placement {
    const candidates = this.candidates(profile, state, pod);
    return 'feasible' in candidates ? this.choose(profile, state, pod, candidates) : candidates;
  }

  /** The nodes that pass. */
  candidates(profile: Profile, state: CycleState, pod: PodInfo): Candidates | Failure {
    const { cache } = this.#o;
    const { nodes } = cache;
    if (nodes.length === 0) return { status: new Status('UnschedulableAndUnresolvable', [noNodesMessage]) };
    const pre = profile.timed(
      'PreFilter',
      () => profile.preFilter(state, pod, nodes),
      p => p.status?.code,
    );
    if (pre.status) {
      if (!pre.status.isRejected) return { status: pre.status };
      return { diagnosis: diagnose(nodes.length, { explicit: new Map(), absent: pre.status }, pre.status) };
    }
    const results = profile.results(pod, cache.slots);
    results.at(cache.nodesGeneration);
    this.#markPromised();
    const found = profile.timed(
      'Filter',
      () => this.#nominatedFirst(profile, state, pod, results, pre) ?? this.#find(profile, state, pod, results, pre),
      f => ('error' in f ? 'Error' : f.feasible.length ? 'Success' : 'Unschedulable'),
    );
    if ('error' in found) return { status: found.error };
    const { statuses, narrowedBy } = found;
    if (found.feasible.length === 0) return { diagnosis: diagnose(nodes.length, statuses, undefined, narrowedBy) };
    return { ...found, results };
  }

  /** One of the best. `extra` are scores from elsewhere, by node. */
  choose(
    profile: Profile,
    state: CycleState,
    pod: PodInfo,
    candidates: Candidates,
    extra: readonly ReadonlyMap<string, number>[] = [],
  ): Placement {
    const { feasible, evaluated, results } = candidates;
    const answer = (node: NodeInfo) => ({ node, evaluated, feasible: feasible.length });
    if (feasible.length === 1) return answer(feasible[0]!);
    if (!profile.scores && extra.length === 0) return answer(this.#pick(feasible));
    const scores = profile.score(state, pod, feasible, results);
    if (scores instanceof Status) return { status: scores };
    for (const more of extra) for (const [i, node] of feasible.entries()) scores[i]! += more.get(node.name) ?? 0;
    return { ...answer(this.#best(feasible, scores)), top: topScores(feasible, scores) };
  }

  /** After an extender has left none. */
  none(candidates: Candidates, failed: ReadonlyMap<string, Status>): Failure {
    const { statuses, narrowedBy } = candidates;
    const all = { explicit: new Map([...statuses.explicit, ...failed]), absent: statuses.absent };
    return { diagnosis: diagnose(this.#o.cache.nodes.length, all, undefined, narrowedBy) };
  }

  /** Whether the pod passes on the node, counting pods in that preemption has promised a place there. */
  filterWithNominated(profile: Profile, state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined {
    const others = this.#nominatedTo(pod, node);
    return others.length ? this.#filterBeside(profile, state, pod, node, others) : profile.filter(state, pod, node);
  }

  #nominatedTo(pod: PodInfo, node: NodeInfo): readonly PodInfo[] {
    const nominated = this.#o.nominated.on(node.name);
    return nominated.length ? nominated.filter(p => p.priority >= pod.priority && p.uid !== pod.uid) : nominated;
  }

  /** It must pass with them there, and without them: affinity to a pod that never comes would strand it. */
  #filterBeside(
    profile: Profile,
    state: CycleState,
    pod: PodInfo,
    node: NodeInfo,
    others: readonly PodInfo[],
  ): Status | undefined {
    const [trial, trialNode] = [state.clone(), node.clone()];
    for (const other of others) {
      trialNode.addPod(other);
      profile.addPod(trial, pod, other, trialNode);
    }
    return profile.filter(trial, pod, trialNode) ?? profile.filter(state, pod, node);
  }

  #check(profile: Profile, state: CycleState, pod: PodInfo, results: SignedResults, node: NodeInfo) {
    return this.#promised[node.slot]
      ? this.#checkBeside(profile, state, pod, results, node)
      : profile.filterCached(state, pod, results, node);
  }

  /** Which nodes have nominated pods, by slot: a look-up by name for each node would be dear. */
  #markPromised(): void {
    const { cache, nominated } = this.#o;
    if (this.#promised.length < cache.slots) this.#promised = new Uint8Array(2 * cache.slots);
    else if (this.#anyPromised) this.#promised.fill(0);
    this.#anyPromised = nominated.size > 0;
    for (const name of nominated.nodes) {
      const slot = cache.node(name)?.slot;
      if (slot !== undefined) this.#promised[slot] = 1;
    }
  }

  #checkBeside(profile: Profile, state: CycleState, pod: PodInfo, results: SignedResults, node: NodeInfo) {
    const nominated = this.#o.nominated.on(node.name);
    const { generation } = node;
    // With the pod itself among them, this is about no other pod.
    const alike = state.onlyLocal && this.#o.nominated.nodeOf(pod.uid) !== node.name;
    const known = alike ? results.beside.get(node.slot) : undefined;
    if (known?.generation === generation && known.nominated === nominated && known.priority === pod.priority)
      return known.status;
    const others = this.#nominatedTo(pod, node);
    if (others.length === 0) return profile.filterCached(state, pod, results, node);
    const status = this.#filterBeside(profile, state, pod, node, others);
    if (!alike) return status;
    results.beside.set(node.slot, { generation, nominated, priority: pod.priority, status });
    return status;
  }

  #nominatedFirst(profile: Profile, state: CycleState, pod: PodInfo, results: SignedResults, pre: PreFilterResult) {
    const name = this.#o.nominated.nodeOf(pod.uid);
    if (name === undefined) return undefined;
    const node = this.#o.cache.node(name);
    if (!node || (pre.nodeNames && !pre.nodeNames.has(name))) return undefined;
    if (this.#check(profile, state, pod, results, node)) return undefined;
    return { feasible: [node], statuses: noStatuses, evaluated: 1, narrowedBy: [] };
  }

  #find(profile: Profile, state: CycleState, pod: PodInfo, results: SignedResults, pre: PreFilterResult): Found {
    const { cache } = this.#o;
    let nodes = cache.nodes;
    let absent: Status | undefined;
    if (pre.nodeNames) {
      nodes = [...pre.nodeNames].map(n => cache.node(n)).filter(n => n !== undefined);
      absent = unresolvable('', `node(s) didn't satisfy plugin(s) [${[...pre.narrowedBy].sort().join(' ')}]`);
    }
    const percentage = profile.percentageOfNodesToScore ?? this.#o.percentageOfNodesToScore ?? 0;
    const enough = profile.scores ? enoughNodes(nodes.length, percentage) : 1;
    const feasible: NodeInfo[] = [];
    const rejected: NodeInfo[] = [];
    const statuses: Status[] = [];
    const start = nodes.length ? this.#start % nodes.length : 0;
    let evaluated = 0;
    for (let at = start; evaluated < nodes.length && feasible.length < enough; evaluated++) {
      const node = nodes[at]!;
      if (++at === nodes.length) at = 0;
      const status = this.#check(profile, state, pod, results, node);
      if (!status) feasible.push(node);
      else if (status.code === 'Error') return { error: status };
      else {
        rejected.push(node);
        statuses.push(status);
      }
    }
    this.#start = nodes.length ? (start + evaluated) % nodes.length : 0;
    return { feasible, statuses: new Rejections(rejected, statuses, absent), evaluated, narrowedBy: pre.narrowedBy };
  }

  #pick(nodes: readonly NodeInfo[]): NodeInfo {
    return nodes[Math.floor(this.#o.random.next() * nodes.length)]!;
  }

  /** Any of those with the highest score, with equal chances. */
  #best(nodes: readonly NodeInfo[], scores: readonly number[]): NodeInfo {
    let best = Number.NEGATIVE_INFINITY;
    for (const s of scores) if (s > best) best = s;
    return this.#pick(nodes.filter((_, i) => scores[i] === best));
  }
}

type Found =
  | {
      readonly feasible: readonly NodeInfo[];
      readonly statuses: NodeStatuses;
      readonly evaluated: number;
      readonly narrowedBy: readonly string[];
    }
  | { readonly error: Status };

/** Of the three best nodes. */
function topScores(nodes: readonly NodeInfo[], scores: readonly number[]): { node: string; score: number }[] {
  const top: { node: string; score: number }[] = [];
  for (const [i, node] of nodes.entries()) {
    const score = scores[i]!;
    if (top.length === 3 && score <= top[2]!.score) continue;
    const at = top.findIndex(t => score > t.score);
    top.splice(at < 0 ? top.length : at, 0, { node: node.name, score });
    if (top.length > 3) top.pop();
  }
  return top;
}

/** With thousands of nodes, a map of them all is dear and seldom asked for. */
class Rejections implements NodeStatuses {
  readonly rejections: { readonly nodes: readonly NodeInfo[]; readonly statuses: readonly Status[] };
  readonly absent: Status | undefined;
  #explicit: ReadonlyMap<string, Status> | undefined;

  constructor(nodes: readonly NodeInfo[], statuses: readonly Status[], absent: Status | undefined) {
    this.rejections = { nodes, statuses };
    this.absent = absent;
  }

  get explicit(): ReadonlyMap<string, Status> {
    const { nodes, statuses } = this.rejections;
    this.#explicit ??= new Map(nodes.map((n, i) => [n.name, statuses[i]!]));
    return this.#explicit;
  }
}

const noStatuses: NodeStatuses = { explicit: new Map(), absent: undefined };

function diagnose(
  nodeCount: number,
  statuses: NodeStatuses,
  preFilter?: Status,
  narrowedBy: readonly string[] = [],
): Diagnosis {
  const unschedulablePlugins = new Set<string>(narrowedBy);
  const pendingPlugins = new Set<string>();
  const add = (s: Status | undefined) => {
    if (s?.plugin) (s.code === 'Pending' ? pendingPlugins : unschedulablePlugins).add(s.plugin);
  };
  for (const [s] of runsOf(statuses.rejections?.statuses ?? [...statuses.explicit.values()])) add(s);
  add(statuses.absent);
  const preFilterMessage = preFilter?.message ?? '';
  return { nodeCount, statuses, unschedulablePlugins, pendingPlugins, preFilterMessage };
}
