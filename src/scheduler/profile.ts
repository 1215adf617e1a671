// One scheduler name's set of plugins, sorted by extension point, and how each point is run.
import type { Clock } from '../base/clock.ts';
import type { NodeInfo } from './cache/node-info.ts';
import type { RegisteredEvent } from './cluster-event.ts';
import type { CycleState, NodeStatuses, Plugin, PostFilterOutcome, QueuedPod } from './framework.ts';
import type { PodInfo } from './pod-info.ts';
import { ResultCache, type SignedResults } from './result-cache.ts';
import { errorStatus, isSkip, type Status, type StatusCode, unresolvable, unschedulable } from './status.ts';
import { type TellExecution, timedPlugin } from './timed-plugin.ts';

/** A plugin that has this extension point. */
export type With<K extends keyof Plugin> = Plugin & Required<Pick<Plugin, K>>;

export const points = [
  'preEnqueue',
  'queueSort',
  'preFilter',
  'filter',
  'postFilter',
  'preScore',
  'score',
  'reserve',
  'permit',
  'preBind',
  'bind',
  'postBind',
] as const;
export type Point = (typeof points)[number];

/** The method that makes a plugin one of the point's. */
const methodOf = (point: Point): keyof Plugin => (point === 'queueSort' ? 'less' : point);

export interface WeightedPlugin {
  readonly plugin: Plugin;
  readonly weight: number;
}

export interface PreFilterResult {
  /** A rejection or an error of the pod as a whole. */
  readonly status?: Status;
  /** The only nodes to look at, and the plugins that say so. */
  readonly nodeNames?: ReadonlySet<string>;
  readonly narrowedBy: readonly string[];
}

export interface ProfileOptions {
  readonly schedulerName: string;
  readonly plugins: readonly WeightedPlugin[];
  /** Names of a point's plugins, in order; a point that is not named has all that can take part. */
  readonly points?: Partial<Record<Point, readonly string[]>>;
  /** Percentage of nodes to score; 0: by size of the cluster. */
  readonly percentageOfNodesToScore?: number;
  /** Called after each extension point with its name, status code and the time it took. */
  readonly observe?: (point: string, code: StatusCode, seconds: number) => void;
  /** Called after each call of a plugin in a cycle that is sampled. */
  readonly observePlugin?: TellExecution;
  readonly clock?: Clock;
}

/** Attempts to schedule a pod that a plugin took part in, by extension point. */
export type Evaluations = Readonly<Record<'PreFilter' | 'Filter' | 'PreScore' | 'Score', Map<string, number>>>;

const count = (map: Map<string, number>, name: string) => map.set(name, (map.get(name) ?? 0) + 1);

const successOnly: undefined = undefined;

/** A cycle's plugins by extension point. */
export interface Lineup {
  readonly preFilter: readonly With<'preFilter'>[];
  /** Filters whose result the signature decides, then the others; together the configured order. */
  readonly localFilter: readonly With<'filter'>[];
  readonly filter: readonly With<'filter'>[];
  readonly postFilter: readonly With<'postFilter'>[];
  readonly preScore: readonly With<'preScore'>[];
  readonly score: readonly { readonly plugin: With<'score'>; readonly weight: number }[];
  readonly reserve: readonly With<'reserve'>[];
  readonly permit: readonly With<'permit'>[];
  readonly preBind: readonly With<'preBind'>[];
  readonly bind: readonly With<'bind'>[];
  readonly postBind: readonly With<'postBind'>[];
}

function timedLineup(plain: Lineup, clock: Clock, tell: TellExecution): Lineup {
  const timed = <P extends Plugin>(plugins: readonly P[]): P[] => plugins.map(p => timedPlugin(p, clock, tell));
  return {
    preFilter: timed(plain.preFilter),
    localFilter: timed(plain.localFilter),
    filter: timed(plain.filter),
    postFilter: timed(plain.postFilter),
    preScore: timed(plain.preScore),
    score: plain.score.map(({ plugin, weight }) => ({ plugin: timedPlugin(plugin, clock, tell), weight })),
    reserve: timed(plain.reserve),
    permit: timed(plain.permit),
    preBind: timed(plain.preBind),
    bind: timed(plain.bind),
    postBind: timed(plain.postBind),
  };
}

/** As Kubernetes: of a tenth of the cycles it is told how long each plugin took. */
const cyclesASample = 10;

export class Profile {
  readonly schedulerName: string;
  readonly percentageOfNodesToScore: number | undefined;
  readonly plugins: readonly Plugin[];
  readonly preEnqueue: readonly With<'preEnqueue'>[];
  readonly sort: With<'less'>;
  readonly #plain: Lineup;
  /** The same plugins, for cycles that are sampled. */
  readonly #timed: Lineup | undefined;
  #cycles = 0;
  readonly #signing: readonly With<'sign'>[];
  readonly registered: ReadonlyMap<string, readonly RegisteredEvent[]>;
  /** Since the start. */
  readonly evaluations: Evaluations = {
    PreFilter: new Map(),
    Filter: new Map(),
    PreScore: new Map(),
    Score: new Map(),
  };
  readonly #results = new ResultCache();
  readonly #o: Pick<ProfileOptions, 'observe' | 'clock'>;

  constructor(options: ProfileOptions) {
    const { plugins, points: named = {} } = options;
    this.#o = options;
    this.schedulerName = options.schedulerName;
    this.percentageOfNodesToScore = options.percentageOfNodesToScore;
    this.plugins = plugins.map(p => p.plugin);
    const byName = new Map(this.plugins.map(p => [p.name, p]));
    const at = <K extends keyof Plugin>(point: Point): With<K>[] => {
      const some = named[point]?.map(name => byName.get(name)).filter(p => p !== undefined);
      return (some ?? this.plugins).filter(p => p[methodOf(point)]) as With<K>[];
    };
    this.preEnqueue = at('preEnqueue');
    const sort = at<'less'>('queueSort');
    if (sort.length !== 1)
      throw new Error(`profile ${this.schedulerName}: one queue sort plugin is needed, there are ${sort.length}`);
    this.sort = sort[0]!;
    const filters = at<'filter'>('filter');
    const firstGlobal = filters.findIndex(p => !p.sign);
    const locals = firstGlobal < 0 ? filters.length : firstGlobal;
    const weights = new Map(plugins.map(p => [p.plugin.name, p.weight]));
    this.#plain = {
      preFilter: at('preFilter'),
      localFilter: filters.slice(0, locals),
      filter: filters.slice(locals),
      postFilter: at('postFilter'),
      preScore: at('preScore'),
      score: at<'score'>('score').map(plugin => ({ plugin, weight: weights.get(plugin.name) ?? 1 })),
      reserve: at('reserve'),
      permit: at('permit'),
      preBind: at('preBind'),
      bind: at('bind'),
      postBind: at('postBind'),
    };
    if (this.#plain.bind.length === 0)
      throw new Error(`profile ${this.schedulerName}: at least one bind plugin is needed`);
    const { clock, observePlugin } = options;
    this.#timed = clock && observePlugin && timedLineup(this.#plain, clock, observePlugin);
    this.#signing = this.plugins.filter(p => p.sign) as With<'sign'>[];
    this.registered = new Map(
      this.plugins.filter(p => p.eventsToRegister).map(p => [p.name, p.eventsToRegister!()] as const),
    );
  }

  /** What runs in the cycle of this state. */
  lineup(state: CycleState): Lineup {
    return state.sampled && this.#timed ? this.#timed : this.#plain;
  }

  /** Runs an extension point and tells how long it took. */
  timed<T>(point: string, fn: () => T, codeOf: (result: T) => StatusCode | undefined): T {
    const { observe, clock } = this.#o;
    if (!observe || !clock) return fn();
    const startMs = clock.monotonic();
    const result = fn();
    observe(point, codeOf(result) ?? 'Success', (clock.monotonic() - startMs) / 1000);
    return result;
  }

  /** The same for what may wait. */
  async timedAsync(point: string, fn: () => Promise<Status | undefined>): Promise<Status | undefined> {
    const { observe, clock } = this.#o;
    if (!observe || !clock) return fn();
    const startMs = clock.monotonic();
    const result = await fn();
    observe(point, result?.code ?? 'Success', (clock.monotonic() - startMs) / 1000);
    return result;
  }

  /** Who has something to do before the pod can be bound. */
  preBinders(state: CycleState, pod: PodInfo, node: string): readonly With<'preBind'>[] {
    const { preBind } = this.#plain;
    const hasNothingToDo = preBind.map(p => isSkip(p.preBindPreFlight?.(state, pod, node)));
    return this.lineup(state).preBind.filter((_, i) => !hasNothingToDo[i]);
  }

  get scores(): boolean {
    return this.#plain.score.length > 0;
  }

  less(a: QueuedPod, b: QueuedPod): boolean {
    return this.sort.less(a, b);
  }

  #resultsOf(pod: PodInfo): SignedResults {
    let { signature } = pod;
    if (signature === undefined) {
      signature = this.#signing.map(p => p.sign(pod)).join('\n');
      pod.signature = signature;
    }
    return this.#results.get(signature);
  }

  preFilter(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): PreFilterResult {
    state.sampled = this.#timed !== undefined && this.#cycles++ % cyclesASample === 0;
    const result = this.#runPreFilter(state, pod, nodes);
    const { localFilter, filter } = this.#plain;
    state.onlyLocal = filter.every(p => state.skipFilter.has(p.name));
    if (!result.status)
      for (const filters of [localFilter, filter])
        for (const { name } of filters) if (!state.skipFilter.has(name)) count(this.evaluations.Filter, name);
    return result;
  }

  #runPreFilter(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): PreFilterResult {
    let nodeNames: ReadonlySet<string> | undefined;
    const narrowedBy: string[] = [];
    for (const plugin of this.lineup(state).preFilter) {
      const outcome = plugin.preFilter(state, pod, nodes);
      const status = outcome?.status;
      if (isSkip(status)) {
        state.skipFilter.add(plugin.name);
        continue;
      }
      count(this.evaluations.PreFilter, plugin.name);
      if (!outcome) continue;
      if (status) return { status: told('PreFilter', plugin.name, status), narrowedBy };
      if (!outcome.nodeNames) continue;
      narrowedBy.push(plugin.name);
      nodeNames = nodeNames ? intersection(nodeNames, outcome.nodeNames) : outcome.nodeNames;
      if (nodeNames.size > 0) continue;
      const which = `[${narrowedBy.join(' ')}]`;
      const reason =
        narrowedBy.length === 1
          ? `node(s) didn't satisfy plugin ${which}`
          : `node(s) didn't satisfy plugin(s) ${which} simultaneously`;
      return { status: unresolvable(plugin.name, reason), narrowedBy };
    }
    return nodeNames ? { nodeNames, narrowedBy } : { narrowedBy };
  }

  /** Runs the filters on a node of the cache, reusing results. */
  filterCached(state: CycleState, pod: PodInfo, results: SignedResults, node: NodeInfo): Status | undefined {
    const lineup = this.lineup(state);
    const status =
      results.filtered[node.slot] === node.generation
        ? results.statuses[node.slot]
        : results.status(node, () => run(lineup.localFilter, state, pod, node));
    return status ?? (state.onlyLocal ? undefined : run(lineup.filter, state, pod, node));
  }

  /** Where filterCached and score keep results for this pod. */
  results(pod: PodInfo, slots: number): SignedResults {
    const results = this.#resultsOf(pod);
    results.reserve(slots, this.#plain.score.filter(s => s.plugin.sign && s.plugin.normalize).length);
    return results;
  }

  /** On any node, a copy that things are tried on too. */
  filter(state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined {
    const { localFilter, filter } = this.lineup(state);
    return run(localFilter, state, pod, node) ?? run(filter, state, pod, node);
  }

  addPod(state: CycleState, pod: PodInfo, added: PodInfo, node: NodeInfo): void {
    for (const p of this.#plain.preFilter)
      if (p.addPod && !state.skipFilter.has(p.name)) p.addPod(state, pod, added, node);
  }

  removePod(state: CycleState, pod: PodInfo, removed: PodInfo, node: NodeInfo): void {
    for (const p of this.#plain.preFilter)
      if (p.removePod && !state.skipFilter.has(p.name)) p.removePod(state, pod, removed, node);
  }

  /** Until one has made room or failed; else what all of them say. A promise when one of them has to wait. */
  postFilter(
    state: CycleState,
    pod: PodInfo,
    statuses: NodeStatuses,
  ): PostFilterOutcome | undefined | Promise<PostFilterOutcome | undefined> {
    const reasons: string[] = [];
    let outcome: PostFilterOutcome | undefined;
    const { postFilter } = this.lineup(state);
    const from = (start: number): ReturnType<Profile['postFilter']> => {
      for (let i = start; i < postFilter.length; i++) {
        const next = postFilter[i]!.postFilter(state, pod, statuses);
        if (next instanceof Promise) return next.then(late => (ends(late) ? late : from(i + 1)));
        if (ends(next)) return next;
      }
      return outcome && { ...outcome, status: unschedulable(outcome.status.plugin, ...reasons) };
    };
    const ends = (next: PostFilterOutcome): boolean => {
      if (next.status.code === 'Success' || next.status.code === 'Error') return true;
      reasons.push(...next.status.reasons);
      if (!outcome || next.nominatedNode !== undefined) outcome = next;
      return false;
    };
    return from(0);
  }

  /** Weighted sums of the normalized scores, in the order of `nodes`. */
  score(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[], results: SignedResults): number[] | Status {
    const refused = this.timed(
      'PreScore',
      () => this.#runPreScore(state, pod, nodes),
      s => s?.code,
    );
    if (refused) return refused;
    return this.timed(
      'Score',
      () => this.#sum(state, pod, nodes, results),
      () => undefined,
    );
  }

  #runPreScore(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): Status | undefined {
    for (const plugin of this.lineup(state).preScore) {
      const status = plugin.preScore(state, pod, nodes);
      if (isSkip(status)) {
        state.skipScore.add(plugin.name);
        continue;
      }
      count(this.evaluations.PreScore, plugin.name);
      if (status) return told('PreScore', plugin.name, status);
    }
    for (const { plugin } of this.#plain.score)
      if (!state.skipScore.has(plugin.name)) count(this.evaluations.Score, plugin.name);
    return undefined;
  }

  #sum(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[], results: SignedResults): number[] {
    const active = this.lineup(state).score.filter(s => !state.skipScore.has(s.plugin.name));
    const normalizing = active.filter(s => s.plugin.sign && s.plugin.normalize);
    const plain = active.filter(s => s.plugin.sign && !s.plugin.normalize);
    const totals: number[] = new Array(nodes.length);
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i]!;
      const { slot } = node;
      if (results.scored[slot] !== node.generation) {
        let sum = 0;
        for (const { plugin, weight } of plain) sum += weight * plugin.score(state, pod, node);
        results.plain[slot] = sum;
        for (let k = 0; k < normalizing.length; k++)
          results.raw[k]![slot] = normalizing[k]!.plugin.score(state, pod, node);
        results.scored[slot] = node.generation;
      }
      totals[i] = results.plain[slot]!;
    }
    const buffer: number[] = new Array(nodes.length);
    const add = ({ plugin, weight }: { plugin: With<'score'>; weight: number }) => {
      plugin.normalize?.(state, pod, nodes, buffer);
      for (let i = 0; i < nodes.length; i++) totals[i]! += weight * buffer[i]!;
    };
    for (let k = 0; k < normalizing.length; k++) {
      const raw = results.raw[k]!;
      for (let i = 0; i < nodes.length; i++) buffer[i] = raw[nodes[i]!.slot]!;
      add(normalizing[k]!);
    }
    for (const entry of active) {
      if (entry.plugin.sign) continue;
      for (let i = 0; i < nodes.length; i++) buffer[i] = entry.plugin.score(state, pod, nodes[i]!);
      add(entry);
    }
    return totals;
  }

  reserve(state: CycleState, pod: PodInfo, node: string): Status | undefined {
    for (const plugin of this.lineup(state).reserve) {
      const status = plugin.reserve(state, pod, node);
      if (status) return told('Reserve', plugin.name, status);
    }
    return successOnly;
  }

  unreserve(state: CycleState, pod: PodInfo, node: string): void {
    for (const plugin of this.#plain.reserve.toReversed()) plugin.unreserve?.(state, pod, node);
  }
}

function intersection(a: ReadonlySet<string>, b: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...a].filter(n => b.has(n)));
}

function run(plugins: readonly With<'filter'>[], state: CycleState, pod: PodInfo, node: NodeInfo): Status | undefined {
  for (let i = 0; i < plugins.length; i++) {
    const plugin = plugins[i]!;
    if (state.skipFilter.size && state.skipFilter.has(plugin.name)) continue;
    const status = plugin.filter(state, pod, node);
    if (status?.code === 'Error') return failedFilter(plugin.name, status);
    if (status) return status.plugin ? status : status.from(plugin.name);
  }
  return undefined;
}

const failedFilter = (plugin: string, { message, cause }: Status): Status =>
  errorStatus(plugin, new Error(`running "${plugin}" filter plugin: ${message}`, { cause }));

/** A plugin's answer under its name; a failure also says at which extension point. */
export function told(point: string, plugin: string, status: Status): Status {
  if (status.code !== 'Error') return status.from(plugin);
  const { message, cause } = status;
  return errorStatus(plugin, new Error(`running ${point} plugin "${plugin}": ${message}`, { cause }));
}

/** Runs async code of a plugin; what it throws becomes an error status. */
export async function guarded(
  point: string,
  plugin: string,
  fn: () => Promise<Status | undefined> | Status | undefined,
): Promise<Status | undefined> {
  try {
    const status = await fn();
    return status && told(point, plugin, status);
  } catch (error) {
    return told(point, plugin, errorStatus(plugin, error));
  }
}
