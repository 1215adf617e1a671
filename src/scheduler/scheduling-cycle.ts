// One attempt at a pod: find it a node, make room for it, or say why not; reserve, permit, and begin to bind.
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { SeriesRecorder } from '../client/series-recorder.ts';
import type { Algorithm, Placed, Placement } from './algorithm.ts';
import { askExtenders } from './ask-extenders.ts';
import { type BindingContext, bindPod } from './binding-cycle.ts';
import type { Cache } from './cache/cache.ts';
import { type Decision, type DecisionLog, groupRejections } from './decision-log.ts';
import type { Extender } from './extender.ts';
import type { FailureHandler } from './failure.ts';
import { type Diagnosis, fitMessage, refusedOn } from './fit-error.ts';
import { CycleState, type PostFilterOutcome } from './framework.ts';
import type { SchedulerMetrics } from './metrics.ts';
import type { PodInfo } from './pod-info.ts';
import type { PodStatusWriter } from './pod-status.ts';
import type { Profile } from './profile.ts';
import type { Entry } from './queue/entry.ts';
import type { SchedulingQueue } from './queue/scheduling-queue.ts';
import { errorStatus, Status } from './status.ts';
import type { WaitingPods } from './waiting-pods.ts';

export interface SchedulingCycleOptions {
  readonly cache: Cache;
  readonly queue: SchedulingQueue;
  readonly algorithm: Algorithm;
  readonly extenders: readonly Extender[];
  readonly waiting: WaitingPods;
  /** Tells in the status of pods that take a while to bind where they are going: NominatedNodeNameForExpectation. */
  readonly nominates: boolean;
  readonly statuses: PodStatusWriter;
  readonly failures: FailureHandler;
  readonly metrics: SchedulerMetrics;
  readonly decisions: DecisionLog;
  readonly clock: Clock;
  readonly log: Log;
  /** Undefined: the pod is not ours. */
  profileOf(pod: PodInfo): Profile | undefined;
  /** Of a profile. */
  events(schedulerName: string): SeriesRecorder;
}

export class SchedulingCycle {
  /** Begun and not ended. */
  readonly bindings = new Set<Promise<void>>();
  readonly #o: SchedulingCycleOptions;

  constructor(options: SchedulingCycleOptions) {
    this.#o = options;
  }

  /** Tries what the queue gave. A promise when it has to wait for extenders. */
  attempt(entry: Entry): Promise<void> | undefined {
    const pod = entry.info;
    const profile = this.#o.profileOf(pod);
    if (!profile || pod.terminating || this.#o.cache.has(pod.uid)) {
      this.#o.queue.done(pod.uid);
      if (profile && pod.terminating)
        this.#o
          .events(profile.schedulerName)
          .event(pod.reference, 'Warning', 'FailedScheduling', `skip schedule deleting pod: ${pod.key}`, {
            action: 'Scheduling',
          });
      return undefined;
    }
    const startMs = this.#o.clock.monotonic();
    const failed = (error: unknown) => {
      this.#o.log.error('scheduling a pod failed', {
        pod: pod.key,
        error: messageOf(error),
        stack: (error as Error).stack,
      });
      this.#fail(profile, entry, errorStatus('', error), startMs);
    };
    const extenders = this.#o.extenders.filter(e => e.isInterested(pod));
    if (extenders.length) return this.#extendedCycle(profile, entry, extenders, startMs).catch(failed);
    try {
      const state = new CycleState();
      return this.#conclude(profile, entry, state, this.#o.algorithm.schedule(profile, state, pod), startMs)?.catch(
        failed,
      );
    } catch (error) {
      failed(error);
    }
    return undefined;
  }

  async #extendedCycle(profile: Profile, entry: Entry, extenders: readonly Extender[], startMs: number): Promise<void> {
    const { info } = entry;
    const state = new CycleState();
    const found = this.#o.algorithm.candidates(profile, state, info);
    const placement =
      'feasible' in found
        ? await askExtenders(extenders, this.#o.algorithm, { profile, state, pod: info }, found)
        : found;
    // The pod or the node may have gone while the extenders thought.
    if (this.#o.queue.entry(entry.uid)?.place !== 'inFlight') return;
    const gone = 'node' in placement && !this.#o.cache.node(placement.node.name);
    const result = gone ? { status: errorStatus('', `node "${placement.node.name}" not found`) } : placement;
    await this.#conclude(profile, entry, state, result, startMs);
  }

  /** A promise when making room has to wait for extenders. */
  #conclude(
    profile: Profile,
    entry: Entry,
    state: CycleState,
    placement: Placement,
    startMs: number,
  ): void | Promise<void> {
    const pod = entry.info;
    this.#o.metrics.algorithm((this.#o.clock.monotonic() - startMs) / 1000);
    if ('status' in placement) {
      this.#fail(profile, entry, placement.status, startMs, { clearNomination: true });
      return;
    }
    if ('diagnosis' in placement) {
      const post = profile.timed(
        'PostFilter',
        () => profile.postFilter(state, pod, placement.diagnosis.statuses),
        p => (p instanceof Promise ? 'Wait' : p?.status.code),
      );
      const conclude = (outcome: PostFilterOutcome | undefined) =>
        this.#unplaced(profile, entry, placement.diagnosis, outcome, startMs);
      return post instanceof Promise ? post.then(conclude) : conclude(post);
    }
    this.#notePlaced(profile, entry, placement);
    this.#place(profile, entry, state, placement.node.name, startMs);
  }

  #unplaced(
    profile: Profile,
    entry: Entry,
    diagnosis: Diagnosis,
    post: PostFilterOutcome | undefined,
    startMs: number,
  ): void {
    const status = new Status('Unschedulable', [fitMessage(diagnosis, post?.status.message)]);
    this.#fail(profile, entry, status, startMs, {
      unschedulablePlugins: diagnosis.unschedulablePlugins,
      pendingPlugins: diagnosis.pendingPlugins,
      ...(post?.nominatedNode === undefined ? {} : { nominatedNode: post.nominatedNode }),
      rejected: groupRejections(diagnosis.statuses, diagnosis.nodeCount),
      ...(post?.status.message ? { preemption: post.status.message } : {}),
    });
  }

  #notePlaced({ schedulerName }: Profile, { uid }: Entry, { node, evaluated, feasible, top }: Placed): void {
    this.#o.decisions.note(uid, this.#o.clock.now(), {
      scheduler: schedulerName,
      result: 'placed',
      message: '',
      node: node.name,
      evaluatedNodes: evaluated,
      feasibleNodes: feasible,
      ...(top ? { scores: top } : {}),
    });
  }

  #place(profile: Profile, entry: Entry, state: CycleState, node: string, startMs: number): void {
    const pod = entry.info;
    this.#o.cache.assume(pod, node);
    this.#o.queue.nominator.forget(pod.uid);
    const undo = () => {
      profile.unreserve(state, pod, node);
      this.#o.cache.forget(pod.uid);
    };
    const reserved = profile.timed(
      'Reserve',
      () => profile.reserve(state, pod, node),
      s => s?.code,
    );
    if (reserved) {
      undo();
      this.#fail(profile, entry, refusedOn(node, reserved), startMs, { clearNomination: true });
      return;
    }
    const extender = this.#o.extenders.find(e => e.binds && e.isInterested(pod));
    const context: BindingContext = {
      ...{ profile, state, pod, node, waiting: this.#o.waiting, extender },
      onPermitted: (code, tookSeconds) => this.#o.metrics.permitWait(code, tookSeconds),
      clock: this.#o.clock,
    };
    const permitted = profile.timed(
      'Permit',
      () => this.#o.waiting.permit(profile, state, pod, node),
      s => s?.code,
    );
    if (permitted && permitted.code !== 'Wait') {
      undo();
      this.#fail(profile, entry, refusedOn(node, permitted), startMs, { clearNomination: true });
      return;
    }
    // It will take a while: others shall know where it is going.
    if (this.#o.nominates && (permitted || profile.preBinders(state, pod, node).length > 0))
      this.#o.statuses.write(pod.pod, { nominatedNode: node });
    const binding = bindPod(context).then(status => {
      this.bindings.delete(binding);
      if (status) {
        undo();
        this.#fail(profile, entry, status, startMs, { clearNomination: true });
        // What was assumed is free again.
        this.#o.queue.happened(assumedGone, pod.pod, undefined);
      } else this.#bound(profile, entry, node, startMs);
    });
    this.bindings.add(binding);
  }

  #bound(profile: Profile, entry: Entry, node: string, startMs: number): void {
    const pod = entry.info;
    this.#o.cache.finishBinding(pod.uid);
    this.#o.queue.done(pod.uid);
    const { clock } = this.#o;
    const now = clock.now();
    this.#o.metrics.scheduled(profile.schedulerName, (clock.monotonic() - startMs) / 1000, {
      attempts: entry.attempts,
      sinceFirstSeconds: (now - (entry.firstAttemptMs ?? now)) / 1000,
    });
    this.#o
      .events(profile.schedulerName)
      .event(pod.reference, 'Normal', 'Scheduled', `Successfully assigned ${pod.key} to ${node}`, {
        action: 'Binding',
        once: true,
      });
  }

  #fail(
    profile: Profile,
    entry: Entry,
    status: Status,
    startMs: number,
    more: Parameters<FailureHandler['failed']>[3] & Pick<Decision, 'rejected' | 'preemption'> = {},
  ): void {
    const { rejected, preemption, nominatedNode } = more;
    this.#o.decisions.note(entry.uid, this.#o.clock.now(), {
      scheduler: profile.schedulerName,
      result: status.isRejected ? 'unschedulable' : 'error',
      message: status.message,
      ...(rejected ? { rejected } : {}),
      ...(preemption ? { preemption } : {}),
      ...(nominatedNode ? { nominatedNode } : {}),
    });
    const result = status.isRejected ? 'unschedulable' : 'error';
    this.#o.metrics.attempt(result, profile.schedulerName, (this.#o.clock.monotonic() - startMs) / 1000);
    this.#o.failures.failed(profile.schedulerName, entry, status, more);
  }
}

const assumedGone = { resource: 'AssignedPod', actions: 2, label: 'AssignedPodDelete' } as const;
