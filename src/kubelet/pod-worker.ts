// One pod's life: asks the kernel what to do next, does it, publishes what came of it. Steps of one pod never overlap.
import { parseTime } from '../api/meta.ts';
import type { Container, Pod, PodCondition, PodStatus, ResourceRequirements } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { isRuntimeNotFound } from '../cri/runtime-error.ts';
import type { PodCgroups } from './cgroup.ts';
import type { ContainerKiller } from './container-killer.ts';
import { type ContainerStarter, StartError } from './container-starter.ts';
import type { Host } from './host/host.ts';
import type { ImageManager } from './image-manager.ts';
import { type BackOffEntry, containerBackOff, nextBackOff } from './kernel/back-off.ts';
import { linuxResources } from './kernel/container-config.ts';
import { containerHash } from './kernel/container-hash.ts';
import { emptyObservedPod, hasRunning, type ObservedPod } from './kernel/observed.ts';
import { type PodAction, planPod } from './kernel/pod-actions.ts';
import { makePodStatus, type WaitingReason } from './kernel/pod-status.ts';
import { memoryProblem, type ResizeProblem, shrinksMemory } from './kernel/resize.ts';
import type { KubeletMetrics } from './kubelet-metrics.ts';
import type { ObjectCache } from './object-cache.ts';
import type { PodEvents } from './pod-event.ts';
import { identityOf, type PodPaths } from './pod-path.ts';
import { PodResources } from './pod-resources.ts';
import type { ProbeManager } from './probe/probe-manager.ts';
import type { RuntimeCache } from './runtime-cache.ts';
import type { SandboxStarter } from './sandbox-starter.ts';
import type { StatusManager } from './status-manager.ts';
import { terminationMessage } from './termination-message.ts';
import type { TokenManager } from './token-manager.ts';
import type { VolumeManager, VolumesState } from './volume/volume-manager.ts';

/** What all workers share. */
export interface WorkerContext {
  readonly runtime: ContainerRuntime;
  readonly runtimeName: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly host: Host;
  readonly paths: PodPaths;
  readonly events: PodEvents;
  readonly cache: RuntimeCache;
  readonly cgroups: PodCgroups;
  readonly sandboxes: SandboxStarter;
  readonly starter: ContainerStarter;
  readonly killer: ContainerKiller;
  readonly probes: ProbeManager;
  readonly volumes: VolumeManager;
  readonly statuses: StatusManager;
  readonly images: ImageManager;
  readonly objects: ObjectCache;
  readonly tokens: TokenManager;
  readonly hostIps: readonly string[];
  readonly memoryBytes: number;
  readonly containerLogsDirectory: string | undefined;
  readonly maxContainerBackOffMs: number;
  readonly metrics: KubeletMetrics;
  /** Why pods with a network of their own cannot start now; empty when they can. */
  networkError(): string;
  /** Why the pod may not run here at all; asked once, before anything of it is made. */
  rejection(pod: Pod): { readonly reason: string; readonly message: string } | undefined;
  /** Why a running pod cannot have the resources it asks now. */
  resizeProblem(pod: Pod): ResizeProblem | undefined;
  /** The pod has left no trace. */
  onGone(uid: string): void;
}

export interface Verdict {
  readonly phase: 'Failed';
  readonly reason: string;
  readonly message: string;
  readonly condition?: Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;
}

type Stage = 'sync' | 'terminating' | 'terminated';

const containerTypes = { init: 'init_container', main: 'container', ephemeral: 'ephemeral_container' } as const;
const maxRetryMs = 10_000;
/** A resize that had no room, or failed, is looked at again. */
const resizeRetryMs = 5_000;
const networkRetryMs = 2_000;
const deadlineMessage = 'Pod was active on the node longer than the specified deadline';
/** Steps in a row before other pods get their turn again. */
const maxRounds = 30;

export class PodWorker {
  readonly uid: string;
  readonly #c: WorkerContext;
  #pod: Pod | undefined;
  #stage: Stage = 'sync';
  #removed = false;
  #admitted = false;
  #verdict: Verdict | undefined;
  #graceSeconds: number | undefined;
  readonly #waiting = new Map<string, WaitingReason>();
  readonly #backOff = new Map<string, BackOffEntry>();
  readonly #backOffTold = new Map<string, BackOffEntry>();
  readonly #killedToRestart = new Set<string>();
  readonly #messages = new Map<string, string>();
  /** Containers whose start has failed are not started again before, unless with another image. */
  readonly #held = new Map<string, { readonly untilMs: number; readonly hash: string }>();
  readonly #resources = new PodResources();
  #cgroupFor: Pod['spec'] | undefined;
  #dirty = false;
  #running: Promise<void> | undefined;
  #timer: Timer | undefined;
  #failures = 0;
  #stopped = false;
  /** Ends what the pod is starting, when it is to end. */
  #syncAbort = new AbortController();
  /** Ends a kill, when it must be done with less grace. */
  #killAbort = new AbortController();
  #publishing: Promise<void> | undefined;
  #publishAgain = false;

  constructor(uid: string, context: WorkerContext) {
    this.uid = uid;
    this.#c = context;
  }

  get pod(): Pod | undefined {
    return this.#pod;
  }

  /** With the resources it holds in place of those it asks. */
  get granted(): Pod | undefined {
    return this.#pod && this.#resources.granted(this.#pod);
  }

  get stage(): Stage {
    return this.#stage;
  }

  /** Holds resources of the node. */
  get active(): boolean {
    return this.#stage !== 'terminated' && this.#pod !== undefined;
  }

  /** A newer version of the pod. */
  update(pod: Pod): void {
    const before = this.#pod;
    this.#pod = pod;
    this.#removed = false;
    const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
    this.#obey(pod);
    if (deletionTimestamp) this.#end(deletionGracePeriodSeconds);
    if (!before || relevant(before) !== relevant(pod) || deletionTimestamp) this.hasten();
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
    this.#end(graceSeconds ?? this.#pod?.metadata.deletionGracePeriodSeconds ?? (this.#pod ? undefined : 1));
    this.wake();
  }

  /** Ends the pod for good: eviction, pressure, rejection. Resolves when nothing of it runs. */
  async fail(verdict: Verdict, graceSeconds?: number): Promise<void> {
    if (this.#stage !== 'sync' || this.#verdict) return;
    this.#verdict = verdict;
    this.#end(graceSeconds);
    this.wake();
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
    await this.#publishing;
  }

  /** The pod or an object it uses has changed: what failed for the lack of it is tried at once. */
  hasten(): void {
    for (const [name, reason] of this.#waiting)
      if (reason.reason === 'CreateContainerConfigError') this.#held.delete(name);
    this.wake();
  }

  async #run(): Promise<void> {
    while (this.#dirty && !this.#stopped) {
      this.#dirty = false;
      let againMs: number | undefined;
      try {
        againMs = await this.#step();
        this.#failures = 0;
      } catch (error) {
        if (this.#stopped) return;
        againMs = Math.min(maxRetryMs, 1000 * 2 ** this.#failures++);
        if (!this.#syncAbort.signal.aborted || this.#stage !== 'sync')
          this.#c.log.warn('pod step failed', { pod: this.#name(), error: messageOf(error), againMs });
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

  #name(): string {
    const m = this.#pod?.metadata;
    return m ? `${m.namespace}/${m.name}` : this.uid;
  }

  #observed(): ObservedPod {
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

  async #step(): Promise<number | undefined> {
    if (this.#stage === 'terminated') return this.#clean();
    if (this.#shouldEnd() || this.#stage === 'terminating') return this.#terminate();
    return this.#sync(this.#pod!);
  }

  // ---- the pod should run ----

  async #sync(first: Pod): Promise<number | undefined> {
    let observed = await this.#c.cache.refresh(this.uid);
    if (!this.#admitted) this.#admit(first, observed);
    let againMs: number | undefined;
    for (let round = 0; round < maxRounds; round++) {
      await this.#publishNow();
      if (this.#shouldEnd()) return 0;
      const pod = this.#grant(observed);
      const leftMs = this.#deadline(pod);
      if (leftMs !== undefined && leftMs <= 0) return 0;
      if (!(await this.#mayStart(pod))) return least(leftMs, networkRetryMs);
      const volumes = this.#c.volumes.sync(pod);
      // A sandbox takes longest, and needs no volume.
      const early = observed.sandboxes.length === 0 && (await this.#c.volumes.foreseeable(pod));
      if (!early && !(await volumes).ready) return this.#later(leftMs, await volumes);
      const plan = this.#plan(pod, observed);
      const result = await this.#perform(pod, observed, plan.actions).finally(() => volumes);
      againMs = least(this.#later(leftMs, await volumes), plan.againInMs);
      againMs = least(againMs, result.againMs);
      if (this.#shouldEnd()) return 0;
      if (!result.acted) break;
      observed = await this.#c.cache.refresh(this.uid);
      if (result.failed) break;
    }
    await this.#publishNow();
    await this.#prune();
    return againMs;
  }

  #admit(pod: Pod, observed: ObservedPod): void {
    this.#admitted = true;
    if (observed.containers.length || pod.status?.startTime) return;
    const rejection = this.#c.rejection(pod);
    if (!rejection) return;
    this.#c.events.pod(pod, 'Warning', rejection.reason, rejection.message.replace(/^Pod was rejected: /, ''));
    this.#verdict = { phase: 'Failed', ...rejection };
  }

  /** Milliseconds until activeDeadlineSeconds is over; sets the verdict when it is. */
  #deadline(pod: Pod): number | undefined {
    const seconds = pod.spec.activeDeadlineSeconds;
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
    await this.#ensureCgroup(pod);
    return true;
  }

  /** When to look again though nothing has happened. */
  #later(deadlineMs: number | undefined, volumes: VolumesState): number | undefined {
    const resizeMs = this.#resources.deferred ? resizeRetryMs : undefined;
    return least(least(deadlineMs, volumes.againInMs), resizeMs);
  }

  /** In a group of less than its containers use the kernel would kill them: they shrink first, then it is tried again. */
  async #ensureCgroup(granted: Pod): Promise<void> {
    const pod = this.#resources.covering(granted, this.#observed());
    if (this.#cgroupFor === pod.spec) return;
    try {
      await this.#c.cgroups.ensure(pod);
      this.#cgroupFor = pod.spec;
    } catch (error) {
      if (!this.#cgroupFor) throw error;
      this.#c.log.debug('shrinking the cgroup of a pod waits', { pod: this.#name(), error: messageOf(error) });
    }
  }

  /** The pod with the resources it may have now. */
  #grant(observed: ObservedPod): Pod {
    const pod = this.#pod!;
    this.#resources.observe(pod, observed);
    const { begun, problem } = this.#resources.review(pod, p => this.#c.resizeProblem(p));
    if (problem)
      this.#c.events.pod(pod, 'Warning', `Resize${problem.reason}`, `Pod resize ${problem.reason}: ${problem.message}`);
    if (begun) this.#c.events.pod(pod, 'Normal', 'ResizeStarted', `Pod resize started: ${resourcesText(pod)}`);
    if (this.#resources.completed(pod, observed))
      this.#c.events.pod(pod, 'Normal', 'ResizeCompleted', `Pod resize completed: ${resourcesText(pod)}`);
    return this.#resources.granted(pod);
  }

  #plan(pod: Pod, observed: ObservedPod) {
    const actual = new Map<string, ResourceRequirements>();
    for (const c of observed.containers) {
      const has = c.state === 'running' && this.#resources.inForce(c.id);
      if (has) actual.set(c.name, has);
    }
    return planPod({
      pod,
      observed,
      nowMs: this.#c.clock.now(),
      verdicts: this.#c.probes.verdicts(this.uid),
      backOff: this.#backOff,
      killedToRestart: this.#killedToRestart,
      actualResources: actual,
    });
  }

  async #perform(pod: Pod, observed: ObservedPod, actions: readonly PodAction[]) {
    let acted = false;
    let failed = false;
    let againMs: number | undefined;
    const kills = actions.filter(a => a.type === 'kill');
    if (kills.length) {
      await Promise.all(kills.map(a => this.#kill(pod, observed, a)));
      return { acted: true, failed, againMs };
    }
    for (const action of actions) {
      if (this.#shouldEnd()) break;
      switch (action.type) {
        case 'back-off':
          // Held back once, it counts as a failure like any other.
          this.#forgetKills(observed, action.container.name);
          this.#tellBackOff(pod, action);
          break;
        case 'kill-pod':
          await this.#killPod(pod, observed);
          acted = true;
          break;
        case 'create-sandbox':
          if (action.attempt > 0)
            this.#c.events.pod(
              pod,
              'Normal',
              'SandboxChanged',
              'Pod sandbox changed, it will be killed and re-created.',
            );
          await this.#startSandbox(pod, action.attempt);
          acted = true;
          break;
        case 'start': {
          const retryMs = await this.#start(pod, observed, action);
          acted = true;
          if (retryMs !== undefined) {
            failed = true;
            againMs = least(againMs, retryMs);
          }
          break;
        }
        case 'resize':
          if (await this.#resize(pod, action)) acted = true;
          else againMs = least(againMs, resizeRetryMs);
          break;
        case 'kill':
          break;
      }
    }
    return { acted, failed, againMs };
  }

  async #startSandbox(pod: Pod, attempt: number): Promise<void> {
    const { metrics, sandboxes } = this.#c;
    metrics.containerStarted('pod_sandbox');
    if (attempt === 0) metrics.podStarted(false);
    try {
      await sandboxes.start(pod, attempt);
    } catch (error) {
      metrics.podStarted(true);
      metrics.containerStarted('pod_sandbox', 'CreatePodSandboxError');
      throw error;
    }
  }

  #forgetKills(observed: ObservedPod, name: string): void {
    for (const c of observed.containers) if (c.name === name) this.#killedToRestart.delete(c.id);
  }

  #tellBackOff(pod: Pod, action: Extract<PodAction, { type: 'back-off' }>): void {
    const { container, message } = action;
    this.#waiting.set(container.name, { reason: 'CrashLoopBackOff', message });
    const entry = this.#backOff.get(containerHash(container));
    if (!entry || this.#backOffTold.get(container.name) === entry) return;
    this.#backOffTold.set(container.name, entry);
    const { name, namespace, uid } = pod.metadata;
    const text = `Back-off restarting failed container ${container.name} in pod ${name}_${namespace}(${uid})`;
    this.#c.events.container(pod, container, 'Warning', 'BackOff', text);
  }

  /** Milliseconds to the next try when it failed. */
  async #start(
    pod: Pod,
    observed: ObservedPod,
    action: Extract<PodAction, { type: 'start' }>,
  ): Promise<number | undefined> {
    const { container, sandbox, failedAtMs } = action;
    const { clock, sandboxes } = this.#c;
    const hash = containerHash(container);
    const held = this.#held.get(container.name);
    if (held?.hash === hash && held.untilMs > clock.now()) return held.untilMs - clock.now();
    if (failedAtMs !== undefined) {
      const options = { ...containerBackOff, maxMs: this.#c.maxContainerBackOffMs };
      options.initialMs = Math.min(options.initialMs, options.maxMs);
      this.#backOff.set(hash, nextBackOff(this.#backOff.get(hash), failedAtMs, clock.now(), options));
    }
    this.#forgetKills(observed, container.name);
    const type = containerTypes[action.kind];
    this.#c.metrics.containerStarted(type);
    try {
      const handler = await sandboxes.runtimeHandler(pod);
      await this.#c.starter.start({
        pod,
        container,
        observed,
        sandboxId: sandbox.id,
        sandboxConfig: await sandboxes.config(pod, sandbox.attempt),
        ...(handler ? { runtimeHandler: handler } : {}),
        restartCount: Math.max(action.restartCount, this.#publishedRestarts(pod, container.name, observed)),
        signal: this.#syncAbort.signal,
      });
      this.#waiting.delete(container.name);
      this.#held.delete(container.name);
      return undefined;
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      this.#c.metrics.containerStarted(type, error.reason);
      this.#waiting.set(container.name, { reason: error.reason, message: error.message });
      const retryMs = error.retryInMs ?? maxRetryMs;
      this.#held.set(container.name, { untilMs: clock.now() + retryMs, hash });
      return retryMs;
    }
  }

  /** A container the runtime has lost must not count its restarts from zero. */
  #publishedRestarts(pod: Pod, name: string, observed: ObservedPod): number {
    if (observed.containers.some(c => c.name === name)) return 0;
    const status = this.#c.statuses.current(pod);
    const all = [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])];
    const last = all.find(s => s.name === name);
    return last?.restartCount ?? 0;
  }

  async #kill(pod: Pod, observed: ObservedPod, action: Extract<PodAction, { type: 'kill' }>): Promise<void> {
    if (action.reason !== 'unknown') this.#killedToRestart.add(action.observed.id);
    await this.#c.killer.kill({
      pod,
      observed: action.observed,
      podIp: observed.sandboxes[0]?.ips[0] ?? '',
      reason: action.reason,
      message: action.message,
      signal: this.#syncAbort.signal,
    });
  }

  async #killPod(pod: Pod, observed: ObservedPod): Promise<void> {
    await this.#c.killer.killPod(pod, observed, undefined, this.#syncAbort.signal);
    await this.#stopSandboxes(observed);
  }

  async #stopSandboxes(observed: ObservedPod): Promise<void> {
    await Promise.all(
      observed.sandboxes
        .filter(s => s.ready)
        .map(s => this.#c.runtime.StopPodSandbox({ pod_sandbox_id: s.id }, { timeoutMs: 120_000 })),
    );
  }

  async #resize(pod: Pod, { container, observed }: Extract<PodAction, { type: 'resize' }>): Promise<boolean> {
    const linux = linuxResources({
      pod,
      container,
      memoryCapacityBytes: this.#c.memoryBytes,
      cgroupVersion: this.#c.cgroups.version,
    });
    try {
      const problem = await this.#memoryProblem(container, observed.id);
      if (problem) throw new Error(problem);
      await this.#c.runtime.UpdateContainerResources({ container_id: observed.id, linux });
      this.#resources.apply(observed.id, container.resources ?? {});
      return true;
    } catch (error) {
      if (this.#resources.fail(messageOf(error)))
        this.#c.events.pod(pod, 'Warning', 'ResizeError', `Pod resize error: ${messageOf(error)}`);
      return false;
    }
  }

  async #memoryProblem(container: Container, id: string): Promise<string | undefined> {
    if (!shrinksMemory(this.#resources.inForce(id), container.resources)) return undefined;
    const { stats } = await this.#c.runtime.ContainerStats({ container_id: id });
    return memoryProblem(container, stats?.memory?.working_set_bytes?.value ?? 0);
  }

  /** Keeps one dead container a name and the last sandbox; what is older goes. */
  async #prune(): Promise<void> {
    const observed = this.#observed();
    const seen = new Set<string>();
    const dead = observed.containers.filter(c => {
      if (c.state !== 'exited') return false;
      if (seen.has(c.name)) return true;
      seen.add(c.name);
      return false;
    });
    const kept = new Set(observed.containers.filter(c => !dead.includes(c)).map(c => c.sandboxId));
    const sandboxes = observed.sandboxes.slice(1).filter(s => !s.ready && !kept.has(s.id));
    if (!dead.length && !sandboxes.length) return;
    await Promise.all(dead.map(c => this.#removeContainer(c.id, c.logPath)));
    await Promise.all(sandboxes.map(s => ignoreMissing(this.#c.runtime.RemovePodSandbox({ pod_sandbox_id: s.id }))));
    await this.#c.cache.refresh(this.uid);
  }

  async #removeContainer(id: string, logPath: string): Promise<void> {
    await ignoreMissing(this.#c.runtime.RemoveContainer({ container_id: id }));
    this.#messages.delete(id);
    if (logPath) await this.#c.host.remove(logPath);
  }

  // ---- the pod should end ----

  async #terminate(): Promise<number | undefined> {
    this.#stage = 'terminating';
    const { cache, killer, probes } = this.#c;
    for (;;) {
      const observed = await cache.refresh(this.uid);
      await this.#publishNow();
      if (!hasRunning(observed)) {
        await this.#stopSandboxes(observed);
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
    this.#stage = 'terminated';
    await this.#publishNow();
    return this.#clean();
  }

  /** Nothing runs any more: volumes, cgroup and, when the object is gone, every other trace. */
  async #clean(): Promise<number | undefined> {
    const { volumes, cgroups, statuses, objects, tokens, images } = this.#c;
    await volumes.tearDown(this.uid);
    await cgroups.remove(this.uid);
    this.#cgroupFor = undefined;
    objects.release(this.uid);
    tokens.release(this.uid);
    images.forgetPod(this.uid);
    statuses.finish(this.uid);
    if (this.#removed) await this.#vanish();
    return undefined;
  }

  async #vanish(): Promise<void> {
    const { runtime, cache, host, paths, statuses } = this.#c;
    const observed = await cache.refresh(this.uid);
    await Promise.all(observed.containers.map(c => this.#removeContainer(c.id, '')));
    await Promise.all(observed.sandboxes.map(s => ignoreMissing(runtime.RemovePodSandbox({ pod_sandbox_id: s.id }))));
    const identity = this.#pod ? identityOf(this.#pod) : observed;
    if (identity.name) await host.remove(paths.podLogs(identity));
    await this.#removeLogLinks(observed);
    await host.remove(paths.pod(this.uid));
    await cache.refresh(this.uid);
    statuses.forget(this.uid);
    this.#stopped = true;
    this.#c.onGone(this.uid);
  }

  async #removeLogLinks(observed: ObservedPod): Promise<void> {
    const dir = this.#c.containerLogsDirectory;
    if (!dir) return;
    for (const c of observed.containers)
      await this.#c.host.remove(`${dir}/${observed.name}_${observed.namespace}_${c.name}-${c.id}.log`);
  }

  // ---- status ----

  /** Publishes soon; changes meanwhile are published together. */
  publish(): void {
    if (this.#stopped) return;
    void this.#publishNow().catch(error => this.#c.log.warn('making pod status failed', { pod: this.#name(), error }));
  }

  async #publishNow(): Promise<void> {
    if (this.#publishing) {
      this.#publishAgain = true;
      return this.#publishing;
    }
    this.#publishing = this.#publishLoop();
    return this.#publishing;
  }

  async #publishLoop(): Promise<void> {
    try {
      do {
        this.#publishAgain = false;
        await this.#makeStatus();
      } while (this.#publishAgain);
    } finally {
      // At once, not a turn later: who asks in between must start a new round.
      this.#publishing = undefined;
    }
  }

  async #makeStatus(): Promise<void> {
    const pod = this.#pod;
    if (!pod || this.#removed) return;
    const observed = this.#observed();
    for (const c of observed.containers) {
      if (c.state === 'exited' && !this.#messages.has(c.id))
        this.#messages.set(c.id, await terminationMessage(this.#c.host, c));
      if (c.state === 'running') this.#waiting.delete(c.name);
    }
    const { probes, statuses } = this.#c;
    const terminal = this.#stage === 'terminated';
    if (!terminal) probes.sync(pod, observed, this.#stage !== 'sync');
    const verdict = this.#verdict;
    this.#resources.observe(pod, observed);
    const status = makePodStatus({
      pod: this.#resources.granted(pod),
      previous: statuses.current(pod),
      observed,
      nowMs: this.#c.clock.now(),
      waiting: this.#waiting,
      isStarted: (c, o) => probes.isStarted(this.uid, c, o),
      isReady: (c, o) => probes.isReady(this.uid, c, o),
      terminationMessages: this.#messages,
      hostIps: this.#c.hostIps,
      ...(verdict ? { verdict } : {}),
      terminal,
      runtimeName: this.#c.runtimeName,
      resourcesInForce: id => this.#resources.inForce(id),
      resizeConditions: this.#resources.conditions(pod, observed),
    });
    statuses.set(this.uid, verdict?.condition ? withCondition(status, verdict.condition, this.#c.clock.now()) : status);
  }
}

const resourcesText = (pod: Pod) =>
  JSON.stringify({ containers: pod.spec.containers.map(c => ({ name: c.name, resources: c.resources ?? {} })) });

const least = (a: number | undefined, b: number | undefined) =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);

/** What of a pod decides about actions; a status the kubelet itself wrote does not. */
function relevant(pod: Pod): string {
  const { labels, annotations, deletionTimestamp, generation } = pod.metadata;
  const foreign = pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';
  return JSON.stringify([labels, annotations, deletionTimestamp, generation, pod.spec, foreign]);
}

async function ignoreMissing(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (!isRuntimeNotFound(error)) throw error;
  }
}

function withCondition(status: PodStatus, condition: NonNullable<Verdict['condition']>, nowMs: number): PodStatus {
  if (status.conditions?.some(c => c.type === condition.type && c.status === condition.status)) return status;
  const lastTransitionTime = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  const others = (status.conditions ?? []).filter(c => c.type !== condition.type);
  return { ...status, conditions: [...others, { ...condition, lastTransitionTime }] };
}
