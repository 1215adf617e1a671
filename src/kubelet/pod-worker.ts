// One pod's life: asks the kernel what to do next, does it, publishes what came of it. Steps of one pod never overlap.

import { parseTime } from '../api/meta.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Timer } from '../base/clock.ts';
import { nearNumber } from '../base/whole-number.ts';
import { ActionRunner, least, resizeRetryMs } from './action-runner.ts';
import { ContainerStarts } from './container-starts.ts';
import type { Rejection } from './kernel/admission.ts';
import { emptyObservedPod, hasRunning, type ObservedPod } from './kernel/observed.ts';
import { planPod } from './kernel/pod-actions.ts';
import { actsAlike } from './kernel/pod-change.ts';
import type { WaitingReason } from './kernel/pod-status.ts';
import { PodEntry } from './pod-entry.ts';
import { identityOf } from './pod-path.ts';
import { PodResizing } from './pod-resizing.ts';
import type { PodResources } from './pod-resources.ts';
import { PodTraces } from './pod-traces.ts';
import { type PodView, StatusPublisher } from './status-publisher.ts';
import type { VolumesState } from './volume/volume-manager.ts';
import type { Stage, Verdict, WorkerContext } from './worker-context.ts';

const maxRetryMs = 10_000;
const networkRetryMs = 2_000;
const deadlineMessage = 'Pod was active on the node longer than the specified deadline';
/** Steps in a row before other pods get their turn again. */
const maxRounds = 30;

export class PodWorker implements PodView {
  readonly uid: string;
  readonly #c: WorkerContext;
  #pod: Pod | undefined;
  #stage: Stage = 'sync';
  #removed = false;
  #verdict: Verdict | undefined;
  #graceSeconds: number | undefined;
  readonly #entry: PodEntry;
  readonly #starts: ContainerStarts;
  readonly #resizing: PodResizing;
  readonly #traces: PodTraces;
  readonly #publisher: StatusPublisher;
  readonly #actions: ActionRunner;
  #dirty = false;
  /** Of the next step, for metrics; a sync when nothing is said. */
  #operation: 'create' | 'update' | undefined;
  #running: Promise<void> | undefined;
  #timer: Timer | undefined;
  #failures = 0;
  #stopped = false;
  /** Ends what the pod is starting, when it is to end. */
  #syncAbort = new AbortController();
  /** Ends a kill, when it must be done with less grace. */
  #killAbort = new AbortController();

  constructor(uid: string, context: WorkerContext) {
    this.uid = uid;
    this.#c = context;
    this.#entry = new PodEntry(context);
    this.#starts = new ContainerStarts(context);
    this.#resizing = new PodResizing(context);
    this.#publisher = new StatusPublisher(context, this);
    this.#traces = new PodTraces(uid, context, id => this.#publisher.forget(id));
    this.#actions = new ActionRunner(context, {
      ...{ starts: this.#starts, resizing: this.#resizing, traces: this.#traces, signal: this.#syncAbort.signal },
      shouldEnd: () => this.#shouldEnd(),
    });
  }

  /** `namespace/name`; the uid while the pod is not known. */
  get name(): string {
    const m = this.#pod?.metadata;
    return m ? `${m.namespace}/${m.name}` : this.uid;
  }

  get verdict(): Verdict | undefined {
    return this.#verdict;
  }

  /** Its object is gone. */
  get removed(): boolean {
    return this.#removed;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  get waiting(): Map<string, WaitingReason> {
    return this.#starts.waiting;
  }

  get killedToRestart(): ReadonlySet<string> {
    return this.#starts.killedToRestart;
  }

  get resources(): PodResources {
    return this.#resizing.resources;
  }

  get pod(): Pod | undefined {
    return this.#pod;
  }

  /** With the resources it holds in place of those it asks. */
  get granted(): Pod | undefined {
    return this.#pod && this.#resizing.resources.granted(this.#pod);
  }

  get stage(): Stage {
    return this.#stage;
  }

  /** Holds resources of the node. */
  get active(): boolean {
    return this.#stage !== 'terminated' && this.#pod !== undefined;
  }

  /** Counts when the node decides on other pods. */
  get takenOn(): boolean {
    return this.active && !this.#verdict?.rejected && this.#entry.counts(this.#pod!);
  }

  /** A newer version of the pod. */
  update(pod: Pod): void {
    const before = this.#pod;
    this.#pod = pod;
    if (!before) this.#c.metrics.times.seen(pod);
    this.#operation ??= before ? 'update' : 'create';
    this.#removed = false;
    const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
    this.#obey(pod);
    if (deletionTimestamp) this.#end(nearNumber(deletionGracePeriodSeconds));
    if (!before || !actsAlike(before, pod) || deletionTimestamp) this.hasten();
    else this.publish();
  }

  /** Somebody else said through the API that the pod has failed: so it has. */
  #obey(pod: Pod): void {
    const { phase, reason = '', message = '' } = pod.status ?? {};
    if (phase !== 'Failed' || this.#stage !== 'sync' || this.#verdict) return;
    const own = this.#c.statuses.current(pod).phase;
    if (own !== 'Failed' && own !== 'Succeeded') this.#verdict = { phase: 'Failed', reason, message };
  }

  /** The pod's object is gone, or never was: everything of it goes. */
  remove(graceSeconds?: number): void {
    this.#removed = true;
    this.#end(
      graceSeconds ?? nearNumber(this.#pod?.metadata.deletionGracePeriodSeconds) ?? (this.#pod ? undefined : 1),
    );
    this.wake();
  }

  /** Ends the pod for good: eviction, pressure, rejection. Resolves when nothing of it runs. */
  async fail(verdict: Verdict, graceSeconds?: number): Promise<void> {
    if (this.#stage === 'sync' && !this.#verdict) {
      this.#verdict = verdict;
      this.#end(graceSeconds);
      this.wake();
    }
    while (this.stage !== 'terminated' && this.#running) await this.#running;
  }

  #end(graceSeconds: number | undefined): void {
    this.#syncAbort.abort(new Error('the pod ends'));
    if (graceSeconds === undefined) return;
    const effective = Math.max(1, graceSeconds);
    if (this.#graceSeconds !== undefined && effective >= this.#graceSeconds) return;
    this.#graceSeconds = effective;
    if (this.#stage === 'terminating') {
      this.#killAbort.abort(new Error('the grace period was shortened'));
      this.#killAbort = new AbortController();
    }
  }

  /** Look again: something the pod depends on has changed. */
  wake(): void {
    if (this.#stopped) return;
    this.#dirty = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#dirty) this.wake();
    });
  }

  /** Ends the worker and nothing else: containers run on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#syncAbort.abort(new Error('the kubelet stops'));
    this.#killAbort.abort(new Error('the kubelet stops'));
    await this.#running;
    await this.#publisher.end();
  }

  /** The pod or an object it uses has changed: what failed for the lack of it is tried at once. */
  hasten(): void {
    this.#starts.hasten();
    this.wake();
  }

  async #run(): Promise<void> {
    while (this.#dirty && !this.#stopped) {
      this.#dirty = false;
      let againMs: number | undefined;
      try {
        againMs = await this.#timedStep();
        this.#failures = 0;
      } catch (error) {
        if (this.#stopped) return;
        againMs = Math.min(maxRetryMs, 1000 * 2 ** this.#failures++);
        if (!this.#syncAbort.signal.aborted || this.#stage !== 'sync')
          this.#c.log.warn('pod step failed', { pod: this.name, error: messageOf(error), againMs });
        else againMs = 0;
      }
      if (this.#stopped) return;
      if (againMs !== undefined && !this.#dirty)
        this.#timer = this.#c.clock.after(againMs, () => {
          this.#timer = undefined;
          this.wake();
        });
    }
  }

  observed(): ObservedPod {
    return (
      this.#c.cache.get(this.uid) ??
      emptyObservedPod(this.#pod ? identityOf(this.#pod) : { uid: this.uid, name: '', namespace: '' })
    );
  }

  #shouldEnd(): boolean {
    const pod = this.#pod;
    if (!pod || this.#removed || this.#verdict || pod.metadata.deletionTimestamp) return true;
    const { phase } = this.#c.statuses.current(pod);
    return phase === 'Succeeded' || phase === 'Failed';
  }

  async #timedStep(): Promise<number | undefined> {
    const { metrics, clock, tracer } = this.#c;
    const fromMs = clock.monotonic();
    const operation = this.#shouldEnd() ? 'kill' : (this.#operation ?? 'sync');
    this.#operation = undefined;
    const againMs = await (tracer ? tracer.syncPod(this.#pod, operation, () => this.#step()) : this.#step());
    metrics.times.worked(this.uid, operation, fromMs);
    metrics.times.look(this.#pod, this.observed());
    return againMs;
  }

  async #step(): Promise<number | undefined> {
    if (this.#stage === 'terminated') return this.#clean();
    if (this.#shouldEnd() || this.#stage === 'terminating') return this.#terminate();
    return this.#sync(this.#pod!);
  }

  // ---- the pod should run ----

  async #sync(first: Pod): Promise<number | undefined> {
    let observed = await this.#c.cache.known(this.uid).catch(error => {
      if (!this.#stopped)
        this.#c.events.pod(first, 'Warning', 'FailedSync', `error determining status: ${messageOf(error)}`);
      throw error;
    });
    const rejection = await this.#entry.decide(first, observed);
    if (rejection) this.#reject(first, rejection);
    let againMs: number | undefined;
    for (let round = 0; round < maxRounds; round++) {
      await this.#publisher.publishNow();
      if (this.#shouldEnd()) return 0;
      const pod = this.#resizing.grant(this.#pod!, observed);
      const leftMs = this.#deadline(pod);
      if (leftMs !== undefined && leftMs <= 0) return 0;
      if (!(await this.#mayStart(pod))) return least(leftMs, networkRetryMs);
      const volumes = this.#c.volumes.sync(pod);
      // A sandbox takes longest, and needs no volume.
      const early = observed.sandboxes.length === 0 && (await this.#c.volumes.foreseeable(pod));
      if (!early && !(await volumes).ready) return this.#withoutVolumes(pod, observed, leftMs, await volumes);
      const plan = this.#plan(pod, observed);
      const result = await this.#actions.run(pod, observed, plan.actions).finally(() => volumes);
      againMs = least(this.#later(leftMs, await volumes), plan.againInMs);
      againMs = least(againMs, result.againMs);
      if (this.#shouldEnd()) return 0;
      if (!result.acted) break;
      observed = await this.#c.cache.known(this.uid);
      if (result.failed) break;
    }
    await this.#publisher.publishNow();
    await this.#traces.prune(this.observed());
    return againMs;
  }

  /** A pod that nothing runs of yet is turned away when its node can have no more volumes. */
  #withoutVolumes(pod: Pod, { sandboxes }: ObservedPod, leftMs: number | undefined, state: VolumesState) {
    if (state.exhausted === undefined || sandboxes.length) return this.#later(leftMs, state);
    const reason = 'VolumeAttachmentLimitExceeded';
    this.#reject(pod, { reason, message: `Pod was rejected: ${state.exhausted}` });
    return 0;
  }

  #reject(pod: Pod, rejection: Rejection): void {
    this.#c.events.pod(pod, 'Warning', rejection.reason, rejection.message.replace(/^Pod was rejected: /, ''));
    this.#c.metrics.rejected(rejection.reason);
    this.#verdict = { phase: 'Failed', rejected: true, ...rejection };
  }

  /** Milliseconds until activeDeadlineSeconds is over; sets the verdict when it is. */
  #deadline(pod: Pod): number | undefined {
    const seconds = nearNumber(pod.spec.activeDeadlineSeconds);
    if (seconds === undefined) return undefined;
    const startMs = parseTime(this.#c.statuses.current(pod).startTime) ?? this.#c.clock.now();
    const leftMs = startMs + seconds * 1000 - this.#c.clock.now();
    if (leftMs <= 0 && !this.#verdict) {
      this.#c.events.pod(pod, 'Normal', 'DeadlineExceeded', deadlineMessage);
      this.#verdict = { phase: 'Failed', reason: 'DeadlineExceeded', message: deadlineMessage };
    }
    return leftMs;
  }

  /** The network and the cgroup: what must be there before anything of the pod. */
  async #mayStart(pod: Pod): Promise<boolean> {
    const network = pod.spec.hostNetwork ? '' : this.#c.networkError();
    if (network) {
      this.#c.events.pod(pod, 'Warning', 'NetworkNotReady', `network is not ready: ${network}`);
      return false;
    }
    await this.#resizing.ensureCgroup(pod, this.observed());
    return true;
  }

  /** When to look again though nothing has happened. */
  #later(deadlineMs: number | undefined, volumes: VolumesState): number | undefined {
    const resizeMs = this.#resizing.resources.deferred ? resizeRetryMs : undefined;
    return least(least(deadlineMs, volumes.againInMs), resizeMs);
  }

  #plan(pod: Pod, observed: ObservedPod) {
    return planPod({
      pod,
      observed,
      nowMs: this.#c.clock.now(),
      verdicts: this.#c.probes.verdicts(this.uid),
      backOff: this.#starts.backOff,
      killedToRestart: this.#starts.killedToRestart,
      actualResources: this.#resizing.actual(pod, observed),
    });
  }

  // ---- the pod should end ----

  async #terminate(): Promise<number | undefined> {
    this.#stage = 'terminating';
    const { cache, killer, probes } = this.#c;
    for (;;) {
      const observed = await cache.refresh(this.uid);
      await this.#publisher.publishNow();
      if (!hasRunning(observed)) {
        await this.#traces.stopSandboxes(this.#pod, observed);
        await cache.refresh(this.uid);
        break;
      }
      const signal = this.#killAbort.signal;
      try {
        await killer.killPod(this.#pod, observed, this.#graceSeconds, signal);
      } catch (error) {
        if (!signal.aborted || this.#stopped) throw error;
      }
    }
    probes.remove(this.uid);
    // Before the status says so: then others may get what the pod had.
    await this.#c.devices?.unprepare(this.uid);
    this.#stage = 'terminated';
    await this.#publisher.publishNow();
    return this.#clean();
  }

  /** Nothing runs any more: volumes, cgroup and, when the object is gone, every other trace. */
  async #clean(): Promise<number | undefined> {
    const { volumes, cgroups, statuses, objects, tokens, trustBundles, certificates, images } = this.#c;
    await volumes.tearDown(this.uid);
    this.#c.metrics.times.gone(this.uid);
    await cgroups.remove(this.uid);
    this.#resizing.forgetCgroup();
    objects.release(this.uid);
    tokens.release(this.uid);
    trustBundles.release(this.uid);
    certificates.release(this.uid);
    images.forgetPod(this.uid);
    statuses.finish(this.uid);
    if (!this.#removed) return undefined;
    await this.#traces.removeAll(this.#pod);
    this.#c.sandboxes.forgetPod(this.uid);
    statuses.forget(this.uid);
    this.#stopped = true;
    this.#c.onGone(this.uid);
    return undefined;
  }

  publish(): void {
    this.#publisher.publish();
  }
}
