// Runs the pods of Jobs to completion.
import { nothing, type Selector, selectorFromLabelSelector } from '../../api/label-selector.ts';
import { formatTime, type KubeObject, keyOf } from '../../api/meta.ts';
import { batchV1, coreV1 } from '../../api/refs.ts';
import type { Job, JobCondition, JobStatus } from '../../api/type/batch-v1.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { Controller, ControllerContext, Reconciler, Result } from '../../engine/controller.ts';
import { claimObjects, controllerOf } from '../../engine/controller-ref.ts';
import { OwnWrites } from '../../engine/own-writes.ts';
import { isPodFinished } from '../kernel/pod.ts';
import { controlledBy, indexByController, ownedOrOrphan, ownerKey, ownerKeys } from '../pod-owner.ts';
import { writeStatus } from '../write-status.ts';
import { JobMetrics } from './job-metrics.ts';
import { JobPods } from './job-pods.ts';
import type { BackOffRecord } from './kernel/back-off.ts';
import { condition, finalCondition, withCondition } from './kernel/condition.ts';
import { isJobFinished, isManagedElsewhere, isSuspended, isTracked, trackingFinalizer } from './kernel/job-pod.ts';
import { type JobView, judge, type Verdict } from './kernel/judge.ts';
import { plan } from './kernel/plan.ts';
import { matchFailurePolicy } from './kernel/pod-failure-policy.ts';
import { hasUncounted, settle, type Tracking, track } from './kernel/track.ts';

// Keys of pods that wait for a job that is no more.
const orphanPrefix = 'orphan:';

const selectors = new WeakMap<Job, Selector>();
function selectorOf(job: Job): Selector {
  let selector = selectors.get(job);
  if (!selector) {
    try {
      selector = selectorFromLabelSelector(job.spec.selector);
      if (selector.empty) selector = nothing();
    } catch {
      selector = nothing();
    }
    selectors.set(job, selector);
  }
  return selector;
}

const keysOfPod = ownerKeys<Job>(batchV1.jobs, (job, labels) => selectorOf(job).matches(labels));

function podKeys(pod: KubeObject, old: KubeObject | undefined, context: ControllerContext, deleted: boolean): string[] {
  const keys = keysOfPod(pod, old, context, deleted);
  if (!deleted && isTracked(pod as Pod) && !jobKeyOf(pod, context)) keys.push(orphanPrefix + keyOf(pod));
  return keys;
}

function jobKeyOf(pod: KubeObject, context: ControllerContext): string | undefined {
  return ownerKey(controllerOf(pod), pod.metadata.namespace!, batchV1.jobs, context.lister(batchV1.jobs));
}

function jobKeys(job: Job, _old: Job | undefined, context: ControllerContext, deleted: boolean): string[] {
  if (!deleted) return [keyOf(job)];
  const pods = controlledBy(context.lister(coreV1.pods), job).filter(isTracked);
  return [keyOf(job), ...pods.map(p => orphanPrefix + keyOf(p))];
}

export interface JobOptions {
  /** StaleControllerConsistencyJob: does nothing about a job whose last writes are not in sight. Default true. */
  readonly waitsForOwnWrites?: boolean;
}

export function jobController({ waitsForOwnWrites = true }: JobOptions = {}): Controller {
  return {
    name: 'job-controller',
    queue: 'job',
    serviceAccount: 'job-controller',
    component: 'job-controller',
    watches: [
      { resource: batchV1.jobs, keys: jobKeys },
      { resource: coreV1.pods, keys: podKeys },
    ],
    indexes: [indexByController(coreV1.pods)],
    writes: ['jobs/status', 'pods', 'events'],
    create: context => new JobReconciler(context, waitsForOwnWrites),
  };
}

/** What a round has changed, and what it could not do. */
interface Round {
  active: number;
  ready: number;
  terminating: number;
  end: JobCondition | undefined;
  conditions: readonly JobCondition[] | undefined;
  startTime: string | undefined;
  waitMs: number | undefined;
  failure: { readonly error: unknown } | undefined;
}

class JobReconciler implements Reconciler {
  readonly #context: ControllerContext;
  readonly #pods: JobPods;
  readonly #backOffs = new Map<string, BackOffRecord>();
  readonly #metrics: JobMetrics;
  readonly #writes: OwnWrites;
  /** Of the rounds under way, for metrics: what they did about pods. */
  readonly #actions = new Map<string, 'pods_created' | 'pods_deleted'>();

  constructor(context: ControllerContext, waitsForOwnWrites: boolean) {
    this.#context = context;
    this.#writes = new OwnWrites(context, 'job', waitsForOwnWrites);
    this.#pods = new JobPods(context, this.#writes);
    this.#metrics = new JobMetrics(context.metrics);
    context.observe(batchV1.jobs, {
      onAdd: job => isManagedElsewhere(job) && this.#metrics.external(job.spec.managedBy!),
    });
    context.observe(coreV1.pods, {
      onAdd: pod => this.#tellTracked(undefined, pod),
      onUpdate: (pod, old) => this.#tellTracked(old, pod),
      onDelete: pod => this.#tellTracked(pod, undefined),
    });
    context.observe(coreV1.pods, {
      onAdd: pod => (pod.metadata.deletionTimestamp ? this.#gone(pod, false) : this.#created(pod)),
      onUpdate: (pod, old) => this.#updated(pod, old),
      onDelete: pod => this.#gone(pod, true),
    });
  }

  async reconcile(key: string): Promise<Result | undefined> {
    if (key.startsWith(orphanPrefix)) return this.#releaseOrphan(key.slice(orphanPrefix.length));
    const job = this.#context.lister(batchV1.jobs).get(key);
    if (!job) {
      this.#pods.forget(key);
      this.#backOffs.delete(key);
      this.#writes.forget(key);
      return undefined;
    }
    if (isManagedElsewhere(job)) return undefined;
    const staleMs = this.#writes.waitMs(key);
    if (staleMs !== undefined) return { requeueAfterMs: staleMs };
    if (isJobFinished(job)) return this.#releaseLate(key, job);
    const { completionMode: mode = 'NonIndexed' } = job.spec;
    if (mode !== 'NonIndexed' && mode !== 'Indexed') {
      this.#event(job, 'Warning', 'UnknownCompletionMode', 'Skipped Job sync because completion mode is unknown');
      return undefined;
    }
    const startMs = this.#context.clock.monotonic();
    let ok = false;
    try {
      const result = await this.#sync(key, job);
      ok = true;
      return result;
    } finally {
      const action = this.#actions.get(key) ?? 'reconciling';
      this.#actions.delete(key);
      this.#metrics.synced(job, action, ok, (this.#context.clock.monotonic() - startMs) / 1000);
    }
  }

  async #sync(key: string, job: Job): Promise<Result | undefined> {
    const { clock } = this.#context;
    // Before looking at pods: what appears from here on is seen by the next round.
    const mayAct = this.#pods.expectations.satisfied(key);
    const released = this.#pods.removals.pending(key);
    const pods = await this.#claim(job);
    const nowMs = clock.now();
    const view: JobView = {
      job,
      pods,
      released,
      backOff: this.#backOffs.get(key),
      nowMs,
      now: formatTime(nowMs),
    };
    const verdict = judge(view);
    const round: Round = {
      active: verdict.active.length,
      ready: verdict.ready,
      terminating: verdict.terminating,
      end: verdict.end,
      conditions: job.status?.conditions,
      startTime: job.status?.startTime ?? (isSuspended(job) ? undefined : view.now),
      waitMs: verdict.deadlineInMs,
      failure: undefined,
    };
    if (verdict.end) await this.#stopAll(key, view, verdict, round, mayAct);
    else await this.#goOn(key, view, verdict, round, mayAct);
    await this.#count(key, view, verdict, round);
    if (round.failure) throw round.failure.error;
    return round.waitMs === undefined ? undefined : { requeueAfterMs: round.waitMs };
  }

  #claim(job: Job): Promise<Pod[]> {
    const selector = selectorOf(job);
    return claimObjects(ownedOrOrphan(this.#context.lister(coreV1.pods), job), {
      client: this.#context.client,
      owner: job,
      ownerResource: batchV1.jobs,
      resource: coreV1.pods,
      matches: pod => selector.matches(pod.metadata.labels),
      finalizers: [trackingFinalizer],
      wrote: pod => this.#writes.wrote(job, coreV1.pods, pod),
    });
  }

  /** The job is to end: what still runs is deleted, and counts. */
  async #stopAll(key: string, { job }: JobView, verdict: Verdict, round: Round, mayAct: boolean): Promise<void> {
    round.waitMs = undefined;
    if (!mayAct || verdict.active.length === 0) return;
    this.#actions.set(key, 'pods_deleted');
    this.#deleted(round, await this.#pods.delete(key, job, verdict.active, false));
  }

  async #goOn(key: string, view: JobView, verdict: Verdict, round: Round, mayAct: boolean): Promise<void> {
    const { job } = view;
    const acts = mayAct && !job.metadata.deletionTimestamp;
    if (acts) {
      const { remove, create, waitMs } = plan(view, verdict);
      if (waitMs !== undefined) round.waitMs = Math.min(waitMs, round.waitMs ?? waitMs);
      if (remove.length > 0) this.#actions.set(key, 'pods_deleted');
      if (create.length > 0) this.#actions.set(key, 'pods_created');
      if (remove.length > 0) this.#deleted(round, await this.#pods.delete(key, job, remove, true));
      if (create.length > 0) {
        const { count, failed, failure } = await this.#pods.create(key, job, create, verdict.kept);
        this.#metrics.podsCreated(job, count, failed);
        round.active += count;
        round.failure = failure;
      }
    }
    const { completions } = job.spec;
    const enough = completions === undefined ? verdict.succeeded > 0 : verdict.succeeded >= completions;
    if (enough && round.active === 0)
      round.end = condition(
        'SuccessCriteriaMet',
        'CompletionsReached',
        'Reached expected number of succeeded pods',
        view.now,
      );
    else if (acts) this.#tellSuspended(view, round);
  }

  #deleted(round: Round, { count, ready, failure }: Awaited<ReturnType<JobPods['delete']>>): void {
    round.active -= count;
    round.ready -= ready;
    round.terminating += count;
    round.failure = failure;
  }

  #tellSuspended({ job, now }: JobView, round: Round): void {
    const suspended = isSuspended(job);
    const next = suspended
      ? condition('Suspended', 'JobSuspended', 'Job suspended', now)
      : condition('Suspended', 'JobResumed', 'Job resumed', now, 'False');
    const before = round.conditions ?? [];
    const conditions = withCondition(before, next);
    if (conditions === before) return;
    round.conditions = conditions;
    this.#event(job, 'Normal', suspended ? 'Suspended' : 'Resumed', next.message!);
    if (suspended) return;
    // The deadline counts from here.
    round.startTime = now;
    const { activeDeadlineSeconds: deadline } = job.spec;
    if (deadline !== undefined)
      round.waitMs = Math.min(Number(deadline) * 1000, round.waitMs ?? Number.POSITIVE_INFINITY);
  }

  /** Writes the status, releases counted pods, and declares the end when everything has been counted. */
  async #count(key: string, view: JobView, verdict: Verdict, round: Round): Promise<void> {
    const old = view.job.status;
    const { active: _, ...rest } = old ?? {};
    const base: JobStatus = {
      ...rest,
      ...(round.active > 0 ? { active: round.active } : {}),
      ready: round.ready,
      terminating: round.terminating,
      ...(round.startTime ? { startTime: round.startTime } : {}),
      ...(round.conditions?.length ? { conditions: round.conditions } : {}),
    };
    const tracking = track(view, verdict, base, round.end);
    const announced = round.end ? withCondition(tracking.status.conditions ?? [], round.end) : undefined;
    const status = announced ? { ...tracking.status, conditions: announced } : tracking.status;
    const counters = ['active', 'ready', 'terminating', 'startTime'] as const;
    const changed =
      tracking.changed ||
      status.conditions !== old?.conditions ||
      counters.some(c => status[c] !== (c === 'active' ? old?.active || undefined : old?.[c]));
    const job = changed ? await this.#write(view.job, status) : view.job;
    if (!job) return;
    this.#remember(key, verdict.backOff);
    await this.#finish(key, view, job, tracking, round);
  }

  async #finish(key: string, view: JobView, job: Job, tracking: Tracking, round: Round): Promise<void> {
    const { released, failure } = await this.#pods.release(key, tracking.release, job);
    if (job.spec.podFailurePolicy)
      for (const pod of tracking.release) {
        const match = pod.status?.phase === 'Failed' && released.has(pod.metadata.uid) && matchFailurePolicy(job, pod);
        if (match) this.#metrics.failureHandled(match.action);
      }
    const held = new Set(
      view.pods
        .filter(p => isTracked(p) && !view.released.has(p.metadata.uid) && !released.has(p.metadata.uid))
        .map(p => p.metadata.uid),
    );
    let status = settle(job.status, held);
    round.failure ??= failure;
    const done =
      round.end && !failure && !tracking.more && !hasUncounted(status) && round.active <= 0 && round.terminating <= 0;
    if (done) status = this.#ended(status, finalCondition(round.end!, view.now));
    if (status === job.status) return;
    const written = await this.#write(job, status);
    for (const result of written ? (['succeeded', 'failed'] as const) : [])
      this.#metrics.podsFinished(job, result, (status[result] ?? 0) - (view.job.status?.[result] ?? 0));
    if (written && done) {
      this.#backOffs.delete(key);
      this.#tellEnd(written);
    }
  }

  #ended(status: JobStatus, final: JobCondition): JobStatus {
    return {
      ...status,
      conditions: withCondition(status.conditions ?? [], final),
      ...(final.type === 'Complete' ? { completionTime: final.lastTransitionTime! } : {}),
    };
  }

  #tellEnd(job: Job): void {
    const final = job.status.conditions?.findLast(c => c.type === 'Complete' || c.type === 'Failed');
    if (final) this.#metrics.finished(job, final);
    this.#metrics.indexesFinished(job);
    const { completions } = job.spec;
    if (final?.type === 'Failed') this.#event(job, 'Warning', final.reason ?? '', final.message ?? '');
    else {
      if (completions !== undefined && (job.status.succeeded ?? 0) > completions)
        this.#event(
          job,
          'Warning',
          'TooManySucceededPods',
          'Too many succeeded pods running after completion count reached',
        );
      this.#event(job, 'Normal', 'Completed', 'Job completed');
    }
  }

  #remember(key: string, record: BackOffRecord | undefined): void {
    if (record) this.#backOffs.set(key, record);
    else this.#backOffs.delete(key);
  }

  /** Undefined when the job is gone. A job that has been written meanwhile is a conflict, and tried again. */
  async #write(job: Job, status: JobStatus): Promise<Job | undefined> {
    const written = await writeStatus(this.#context.client, batchV1.jobs, job, status);
    this.#writes.wrote(job, batchV1.jobs, written);
    return written;
  }

  /** Pods of a job that is over are of no more interest to it. */
  async #releaseLate(key: string, job: Job): Promise<undefined> {
    this.#backOffs.delete(key);
    const pods = controlledBy(this.#context.lister(coreV1.pods), job).filter(isTracked);
    const { failure } = await this.#pods.release(key, pods, job);
    if (failure) throw failure.error;
  }

  async #releaseOrphan(podKey: string): Promise<undefined> {
    const pod = this.#context.lister(coreV1.pods).get(podKey);
    if (!pod || !isTracked(pod) || jobKeyOf(pod, this.#context)) return;
    const key = orphanPrefix + podKey;
    const { failure } = await this.#pods.release(key, [pod], undefined);
    this.#pods.removals.forget(key);
    if (failure) throw failure.error;
  }

  #tellTracked(old: Pod | undefined, now: Pod | undefined): void {
    const [before, after] = [old, now].map(pod => pod !== undefined && isTracked(pod) && isPodFinished(pod));
    if (before !== after) this.#metrics.terminatedTracked(after ? 'add' : 'delete');
  }

  #created(pod: Pod): void {
    const key = jobKeyOf(pod, this.#context);
    if (key) this.#pods.expectations.creationObserved(key);
  }

  #updated(pod: Pod, old: Pod): void {
    if (pod.metadata.deletionTimestamp) this.#gone(pod, false);
    if (isTracked(pod) || !isTracked(old)) return;
    const key = jobKeyOf(pod, this.#context);
    if (key) this.#pods.removals.end(key, pod.metadata.uid);
  }

  #gone(pod: Pod, forGood: boolean): void {
    const key = jobKeyOf(pod, this.#context);
    if (!key) return;
    this.#pods.expectations.deletionObserved(key, pod.metadata.uid);
    if (forGood) this.#pods.removals.end(key, pod.metadata.uid);
  }

  #event(job: Job, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#context.events.event(referenceTo(job, batchV1.jobs), type, reason, message);
  }
}
