// The scheduler: takes pods from the queue one after another, finds each a node, and binds it while the next is tried.
import { coreV1 } from '../api/refs.ts';
import type { Pod } from '../api/type/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { Service } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { Metrics } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';
import type { InformerFactory } from '../client/informer.ts';
import { createSeriesRecorder, type SeriesRecorder } from '../client/series-recorder.ts';
import { Algorithm } from './algorithm.ts';
import { Cache } from './cache/cache.ts';
import { type Decision, DecisionLog, type QueueState, queueState } from './decision-log.ts';
import { dump } from './dump.ts';
import { wireInformers } from './event-handlers.ts';
import { Extender } from './extender.ts';
import type { ExtenderConfig, PostJson } from './extender-config.ts';
import { FailureHandler } from './failure.ts';
import { livePods } from './live-pods.ts';
import { makeProfile } from './make-profile.ts';
import { type SchedulerMetrics, schedulerMetrics } from './metrics.ts';
import type { PodInfo } from './pod-info.ts';
import { PodStatusWriter } from './pod-status.ts';
import type { Profile } from './profile.ts';
import type { ProfileConfig } from './profile-config.ts';
import { defaultProfile, defaultSchedulerName } from './profile-config.ts';
import { SchedulingQueue } from './queue/scheduling-queue.ts';
import { SchedulingCycle } from './scheduling-cycle.ts';
import { WaitingPods } from './waiting-pods.ts';

export interface SchedulerOptions {
  readonly client: Client;
  /** Run by the caller, after the scheduler has been created. */
  readonly informers: InformerFactory;
  /** Default: gates as Kubernetes has them. */
  readonly featureEnabled?: (gate: string) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** The machine it runs on, for its events. */
  readonly host?: string;
  /** Default: one, named default-scheduler. */
  readonly profiles?: readonly ProfileConfig[];
  /** 0 to 100; 0: by size of the cluster. */
  readonly percentageOfNodesToScore?: number;
  readonly podInitialBackoffMs?: number;
  readonly podMaxBackoffMs?: number;
  readonly extenders?: readonly ExtenderConfig[];
  /** Reaches extenders. Default: HTTP or HTTPS, as they are configured. */
  readonly postJson?: PostJson;
}

export interface Scheduler extends Service {
  readonly cache: Cache;
  readonly queue: SchedulingQueue;
  profile(schedulerName: string): Profile | undefined;
  /** Nodes, pods and queue as text. */
  dump(): string;
  /** What was decided about a pod, oldest first, and where it waits. */
  why(uid: string): { readonly queue: QueueState | undefined; readonly decisions: readonly Decision[] };
  /** Everything tried that can be tried, and all bindings and writes so far ended. */
  idle(): Promise<void>;
}

export function createScheduler(options: SchedulerOptions): Scheduler {
  return new SchedulerService(options);
}

/** Pods tried before others on the same thread get a turn. */
const batchMs = 5;

class SchedulerService implements Scheduler {
  readonly name = 'scheduler';
  readonly cache: Cache;
  readonly queue: SchedulingQueue;
  readonly #o: SchedulerOptions;
  readonly #profiles = new Map<string, Profile>();
  readonly #events = new Map<string, SeriesRecorder>();
  readonly #algorithm: Algorithm;
  readonly #extenders: readonly Extender[];
  readonly #waiting: WaitingPods;
  readonly #statuses: PodStatusWriter;
  readonly #metrics: SchedulerMetrics;
  readonly #decisions = new DecisionLog();
  readonly #cycle: SchedulingCycle;
  readonly #removals: (() => void)[];
  readonly #stopping = new AbortController();
  readonly #eventKinds = new Set<string>();
  #wake = Promise.withResolvers<void>();

  constructor(options: SchedulerOptions) {
    this.#o = options;
    const { clock, random, client, informers, log } = options;
    this.cache = new Cache({ clock });
    this.#extenders = (options.extenders ?? []).map(e => new Extender(e, clock, options.postJson));
    this.#metrics = schedulerMetrics(options.metrics);
    this.#waiting = new WaitingPods(clock);
    this.queue = new SchedulingQueue({
      clock,
      less: (a, b) => this.#anyProfile().less(a, b),
      preEnqueue: pod => this.#profileOf(pod)?.preEnqueue ?? [],
      registered: pod => this.#profileOf(pod)?.registered ?? new Map(),
      onReady: () => this.#wake.resolve(),
      onIncoming: (queue, event) => this.#metrics.incoming(queue, event),
      onHint: (plugin, event, hint, seconds) => this.#metrics.hinted(plugin, event, hint, seconds),
      ...(options.podInitialBackoffMs === undefined ? {} : { initialBackoffMs: options.podInitialBackoffMs }),
      ...(options.podMaxBackoffMs === undefined ? {} : { maxBackoffMs: options.podMaxBackoffMs }),
    });
    this.#algorithm = new Algorithm({
      cache: this.cache,
      nominated: this.queue.nominator,
      random,
      percentageOfNodesToScore: options.percentageOfNodesToScore ?? 0,
    });
    this.#statuses = new PodStatusWriter({ client, clock, log });
    for (const config of options.profiles ?? [defaultProfile()]) this.#addProfile(config);
    const pods = informers.informer(coreV1.pods, livePods).lister;
    const failures = new FailureHandler({
      cache: this.cache,
      queue: this.queue,
      statuses: this.#statuses,
      current: key => pods.get(key),
      events: name => this.#events.get(name)!,
    });
    this.#cycle = new SchedulingCycle({
      ...{ cache: this.cache, queue: this.queue, algorithm: this.#algorithm, extenders: this.#extenders },
      ...{ waiting: this.#waiting, statuses: this.#statuses, failures, metrics: this.#metrics },
      ...{ decisions: this.#decisions, clock, log },
      nominates: options.featureEnabled?.('NominatedNodeNameForExpectation') ?? true,
      profileOf: pod => this.#profileOf(pod),
      events: name => this.#events.get(name)!,
    });
    this.#removals = wireInformers({
      informers,
      cache: this.cache,
      queue: this.queue,
      waiting: this.#waiting,
      clock,
      onHandled: (event, tookSeconds) => this.#metrics.eventHandling(event, tookSeconds),
      isOurs: pod => this.#profiles.has(schedulerNameOf(pod)),
      events: [...this.#profiles.values()].flatMap(p => [...p.registered.values()].flat()),
    });
    this.#metrics.collect(() => this.#collect());
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#o.informers.whenSynced(signal);
      this.#o.log.info('scheduling', {
        nodes: this.cache.nodes.length,
        profiles: [...this.#profiles.keys()].join(','),
      });
      // No race with the signal: each would leave something behind on a promise that lives as long as the process.
      signal.addEventListener('abort', () => this.#wake.resolve(), { once: true });
      while (!signal.aborted) {
        await this.#wake.promise;
        this.#wake = Promise.withResolvers();
        while (!signal.aborted && (await this.#batch())) await turn();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.queue.close();
      for (const events of this.#events.values()) events.close();
      this.#stopping.abort();
      this.#waiting.rejectAll('scheduler is shutting down');
      for (const remove of this.#removals) remove();
      await Promise.all(this.#cycle.bindings);
    }
  }

  dump(): string {
    return dump(this.cache, this.queue);
  }

  why(uid: string): { readonly queue: QueueState | undefined; readonly decisions: readonly Decision[] } {
    const entry = this.queue.entry(uid);
    return { queue: entry && queueState(entry), decisions: this.#decisions.of(uid) };
  }

  profile(schedulerName: string): Profile | undefined {
    return this.#profiles.get(schedulerName);
  }

  async idle(): Promise<void> {
    do {
      await turn();
      await Promise.all([
        ...this.#cycle.bindings,
        this.#statuses.idle(),
        ...[...this.#events.values()].map(e => e.idle()),
      ]);
    } while (this.#cycle.bindings.size || this.queue.sizes.active);
  }

  #anyProfile(): Profile {
    return this.#profiles.values().next().value!;
  }

  #profileOf(pod: PodInfo): Profile | undefined {
    return this.#profiles.get(schedulerNameOf(pod.pod));
  }

  #addProfile(config: ProfileConfig): void {
    const { client, clock, random, log, informers, featureEnabled } = this.#o;
    const { schedulerName } = config;
    const host = this.#o.host ?? 'localhost';
    const events = createSeriesRecorder(client, { component: schedulerName, host, clock, random, log });
    const profile = makeProfile(config, {
      ...{ client, clock, random, log, events, informers, schedulerName },
      ...(featureEnabled ? { featureEnabled } : {}),
      cache: this.cache,
      queue: this.queue,
      algorithm: this.#algorithm,
      waiting: this.#waiting,
      preemptors: this.#extenders.filter(e => e.preempts),
      statuses: this.#statuses,
      metrics: this.#metrics,
      stopping: this.#stopping.signal,
    });
    this.#profiles.set(schedulerName, profile);
    this.#events.set(schedulerName, events);
  }

  #collect(): void {
    this.#metrics.pending(this.queue.sizes, this.cache);
    this.#metrics.goroutines('binding', this.#cycle.bindings.size);
    // Kinds that were there before and are no more count as none.
    const kinds = this.queue.inFlightEvents;
    for (const kind of kinds.keys()) this.#eventKinds.add(kind);
    this.#metrics.inflightEvents(new Map([...this.#eventKinds].map(kind => [kind, kinds.get(kind) ?? 0])));
    for (const [profile, { evaluations }] of this.#profiles)
      for (const [point, counts] of Object.entries(evaluations))
        for (const [plugin, total] of counts) this.#metrics.evaluations(profile, point, plugin, total);
    for (const [plugin, entries] of this.queue.rejected)
      for (const profile of this.#profiles.keys())
        this.#metrics.rejected(
          plugin,
          profile,
          countOf(entries, e => schedulerNameOf(e.info.pod) === profile),
        );
  }

  /** True when there may be more to do. */
  #batch(): boolean | Promise<boolean> {
    const until = this.#o.clock.monotonic() + batchMs;
    for (let n = 1; ; n++) {
      const entry = this.queue.pop();
      if (!entry) return false;
      const pending = this.#cycle.attempt(entry);
      if (pending) return pending.then(() => true);
      if (n % 16 === 0 && this.#o.clock.monotonic() >= until) return true;
    }
  }
}

const schedulerNameOf = (pod: Pod): string => pod.spec.schedulerName || defaultSchedulerName;

function countOf<T>(all: Iterable<T>, test: (one: T) => boolean): number {
  let n = 0;
  for (const one of all) if (test(one)) n++;
  return n;
}

const turn = () => new Promise<void>(resolve => setImmediate(resolve));
