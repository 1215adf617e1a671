// The scheduling framework: the extension points of Kubernetes' scheduler, and what plugins are given. All points of a
// scheduling cycle are synchronous; those of a binding cycle may wait.
import type { Pod } from '../api/type/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import type { InformerFactory } from '../client/informer.ts';
import type { SeriesRecorder } from '../client/series-recorder.ts';
import type { NodeInfo } from './cache/node-info.ts';
import type { NodeCounts } from './cache/pod-counter.ts';
import type { PlacedTerm, TermKind } from './cache/term-index.ts';
import type { ClusterEvent, RegisteredEvent } from './cluster-event.ts';
import type { NamespaceLabels, PodInfo } from './pod-info.ts';
import type { Status } from './status.ts';

/** What one plugin keeps for one cycle. A `clone` method makes copies that addPod and removePod may change. */
export type StateData = object;

const cloneOf = (data: StateData): StateData => (data as { clone?(): StateData }).clone?.() ?? data;

/** What plugins keep for the length of one pod's cycle, under names of their own. */
export class CycleState {
  readonly #data = new Map<string, StateData>();
  /** Plugins whose PreFilter or PreScore said Skip. */
  readonly skipFilter = new Set<string>();
  /** Set after PreFilter: no filter looks at more than the node and the pod's signature. */
  onlyLocal = false;
  /** One cycle in ten: its plugins are timed one by one. */
  sampled = false;
  readonly skipScore = new Set<string>();

  read<T extends StateData>(key: string): T | undefined {
    return this.#data.get(key) as T | undefined;
  }

  write(key: string, data: StateData): void {
    this.#data.set(key, data);
  }

  clone(): CycleState {
    const copy = new CycleState();
    for (const [key, data] of this.#data) copy.#data.set(key, cloneOf(data));
    for (const name of this.skipFilter) copy.skipFilter.add(name);
    copy.onlyLocal = this.onlyLocal;
    for (const name of this.skipScore) copy.skipScore.add(name);
    return copy;
  }
}

/** A pod in the queue. */
export interface QueuedPod {
  info: PodInfo;
  /** When it came into the queue or was last tried, in milliseconds. */
  timestampMs: number;
  attempts: number;
  /** When it was first tried. */
  firstAttemptMs: number | undefined;
}

/** May the pod enter the active queue? A status keeps it out (gated). */
export interface PreEnqueuePlugin {
  preEnqueue(pod: PodInfo): Status | undefined;
}

export interface QueueSortPlugin {
  less(a: QueuedPod, b: QueuedPod): boolean;
}

export interface PreFilterOutcome {
  /** Skip: its filter need not run; a rejection ends the cycle. */
  readonly status?: Status;
  /** The only nodes that can do. */
  readonly nodeNames?: ReadonlySet<string>;
}

export interface PreFilterPlugin {
  preFilter(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): PreFilterOutcome | undefined;
  /** Brings the state up to date when a pod is tried on a node or taken away from it. */
  addPod?(state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo): void;
  removePod?(state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo): void;
}

export interface FilterPlugin {
  filter(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined;
}

export interface PostFilterOutcome {
  readonly status: Status;
  /** A node's name nominates it, '' clears the nomination, undefined leaves it. */
  readonly nominatedNode?: string;
}

/** Called when no node passed. May wait: nothing else is tried until it has answered. */
export interface PostFilterPlugin {
  postFilter(
    state: CycleState,
    pod: PodInfo,
    nodeStatuses: NodeStatuses,
  ): PostFilterOutcome | Promise<PostFilterOutcome>;
}

export interface PreScorePlugin {
  preScore(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): Status | undefined;
}

export interface ScorePlugin {
  /** 0 to 100, unless `normalize` makes it so. */
  score(state: CycleState, pod: PodInfo, node: NodeInfo): number;
}

export interface NormalizeScorePlugin {
  /** Changes `scores` in place; they belong to `nodes`, one each. */
  normalize(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[], scores: number[]): void;
}

export interface ReservePlugin {
  reserve(state: CycleState, pod: PodInfo, nodeName: string): Status | undefined;
  /** Also called when its own reserve failed; may be called twice. */
  unreserve(state: CycleState, pod: PodInfo, nodeName: string): void;
}

export interface PermitPlugin {
  /** Wait holds the pod back until allowed or rejected, at most so long. */
  permit(state: CycleState, pod: PodInfo, nodeName: string): { status?: Status; timeoutMs?: number } | undefined;
}

export interface PreBindPlugin {
  /** Skip: preBind has nothing to do for this pod. Without it, it always has. */
  preBindPreFlight?(state: CycleState, pod: PodInfo, nodeName: string): Status | undefined;
  preBind(state: CycleState, pod: PodInfo, nodeName: string): Promise<Status | undefined> | Status | undefined;
}

export interface BindPlugin {
  /** Skip leaves the pod to the next one. */
  bind(state: CycleState, pod: PodInfo, nodeName: string): Promise<Status | undefined>;
}

export interface PostBindPlugin {
  postBind(state: CycleState, pod: PodInfo, nodeName: string): void;
}

/** What may make pods schedulable that this plugin rejected. */
export interface EnqueueExtensions {
  eventsToRegister(): readonly RegisteredEvent[];
}

/**
 * A plugin whose filter and score depend on nothing but the node (its pods included) and what `sign` tells of the pod:
 * results are kept for pods with the same signature until the node changes.
 */
export interface SignPlugin {
  sign(pod: PodInfo): string;
}

/** A plugin takes part in any of the extension points. */
export interface Plugin
  extends Partial<
    PreEnqueuePlugin &
      QueueSortPlugin &
      PreFilterPlugin &
      FilterPlugin &
      PostFilterPlugin &
      PreScorePlugin &
      ScorePlugin &
      NormalizeScorePlugin &
      ReservePlugin &
      PermitPlugin &
      PreBindPlugin &
      BindPlugin &
      PostBindPlugin &
      EnqueueExtensions &
      SignPlugin
  > {
  readonly name: string;
}

/** Why nodes did not pass. */
export interface NodeStatuses {
  /** By node name. */
  readonly explicit: ReadonlyMap<string, Status>;
  /** Of all other nodes. */
  readonly absent: Status | undefined;
  /** What `explicit` says, one entry a node, where that comes cheaper. */
  readonly rejections?: { readonly nodes: readonly NodeInfo[]; readonly statuses: readonly Status[] };
}

/** A pod held back by Permit. */
export interface WaitingPod {
  readonly info: PodInfo;
  readonly pendingPlugins: readonly string[];
  allow(plugin: string): void;
  reject(plugin: string, message: string): void;
}

/** The cluster as the scheduler believes it to be. */
export interface ClusterView {
  readonly nodes: readonly NodeInfo[];
  node(name: string): NodeInfo | undefined;
  /** The affinity terms of placed pods. Lives: good for one cycle. */
  placedTerms(kind: TermKind): Iterable<PlacedTerm>;
  /** How many pods in `namespaces` match, on each node; the same key, the same question. Kept up to date. */
  count(key: string, namespaces: readonly string[], matches: (pod: PodInfo) => boolean): NodeCounts;
  /** The same by the value of a label of the nodes. Lives: good for one cycle. */
  countByDomain(
    key: string,
    namespaces: readonly string[],
    matches: (pod: PodInfo) => boolean,
    label: string,
  ): ReadonlyMap<string, number>;
}

/** Pods that preemption has made room for. */
export interface NominatedPods {
  /** On this node. */
  on(node: string): readonly PodInfo[];
  /** Where the pod is nominated to. */
  nodeOf(uid: string): string | undefined;
  nominate(pod: PodInfo, node: string): void;
  /** Forgets the nomination. */
  forget(uid: string): void;
}

/** A node with what would have to go from it. */
export interface PreemptionChoice {
  readonly node: string;
  readonly victims: readonly PodInfo[];
  readonly violations: number;
}

/** An extender that is asked about preemption. */
export interface Preemptor {
  readonly name: string;
  /** When it fails, go on without. */
  readonly ignorable: boolean;
  isInterested(pod: PodInfo): boolean;
  /** What is left of the choices, perhaps with other victims. Rejects when it fails or names what there is not. */
  preempt(
    pod: Pod,
    choices: readonly PreemptionChoice[],
    podOn: (node: string, uid: string) => PodInfo | undefined,
  ): Promise<PreemptionChoice[]>;
}

/** What plugins work with. */
export interface Handle {
  readonly client: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly events: SeriesRecorder;
  readonly informers: InformerFactory;
  readonly cluster: ClusterView;
  readonly nominated: NominatedPods;
  readonly namespaceLabels: NamespaceLabels;
  readonly schedulerName: string;
  /** Absent: as Kubernetes has them. */
  readonly featureEnabled?: (gate: string) => boolean;
  /** Aborts when the scheduler stops: what waits must end. */
  readonly stopping: AbortSignal;
  /** Runs the profile's filters, with pods nominated to the node counted in. */
  filterWithNominated(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined;
  addPod(state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo): void;
  removePod(state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo): void;
  waitingPod(uid: string): WaitingPod | undefined;
  /** Who else has a say in which pods have to go. */
  readonly preemptors: readonly Preemptor[];
  /** Puts a pod of the unschedulable ones back at once. */
  activate(pod: PodInfo): void;
  /** Tells the queue of something no informer tells. */
  happened(event: ClusterEvent): void;
  readonly metrics: PluginMetrics;
  readonly statuses: PodStatusWrites;
}

/** Writes of pods' statuses. */
export interface PodStatusWrites {
  /** Resolves when written or given up. An empty nominatedNode clears it. */
  write(
    pod: Pod,
    write: {
      readonly condition?: {
        readonly type: string;
        readonly status: string;
        readonly reason: string;
        readonly message: string;
      };
      readonly nominatedNode?: string;
    },
  ): Promise<void>;
}

export interface PluginMetrics {
  preemptionAttempt(): void;
  preemptionVictims(count: number): void;
  /** The victims of one preemption have been deleted, or could not be. */
  preempted(result: 'success' | 'error', tookSeconds: number): void;
  resourceClaimCreated(status: 'success' | 'failure'): void;
  /** A step of finding or binding volumes could not be done, for other reasons than that no node fits. */
  volumeStageFailed(operation: 'predicate' | 'assume' | 'bind'): void;
}

export type PluginFactory = (handle: Handle, args: unknown) => Plugin;
