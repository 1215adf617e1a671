// Carries out what the kernel decided about one pod.
import type { Pod } from '../api/type/core-v1.ts';
import type { ContainerStarts } from './container-starts.ts';
import type { ObservedPod } from './kernel/observed.ts';
import type { PodAction } from './kernel/pod-actions.ts';
import type { PodResizing } from './pod-resizing.ts';
import type { PodTraces } from './pod-traces.ts';
import type { WorkerContext } from './worker-context.ts';

type Action<T extends PodAction['type']> = Extract<PodAction, { type: T }>;

/** What became of some actions. */
export interface Progress {
  /** The runtime has been told to do something: look at it again. */
  readonly acted: boolean;
  readonly failed: boolean;
  readonly againMs: number | undefined;
}

interface Parts {
  readonly starts: ContainerStarts;
  readonly resizing: PodResizing;
  readonly traces: PodTraces;
  /** The pod is to end: nothing more is begun. */
  shouldEnd(): boolean;
  /** Ends what has begun, when the pod is to end. */
  readonly signal: AbortSignal;
}

/** A resize that had no room, or failed, is looked at again. */
export const resizeRetryMs = 5_000;

const nothing: Progress = { acted: false, failed: false, againMs: undefined };
const done: Progress = { ...nothing, acted: true };

export class ActionRunner {
  readonly #c: WorkerContext;
  readonly #p: Parts;

  constructor(context: WorkerContext, parts: Parts) {
    this.#c = context;
    this.#p = parts;
  }

  /** In their order; kills alone, and all at once. */
  async run(pod: Pod, observed: ObservedPod, actions: readonly PodAction[]): Promise<Progress> {
    const kills = actions.filter(a => a.type === 'kill');
    if (kills.length) {
      await Promise.all(kills.map(a => this.#kill(pod, observed, a)));
      await this.#c.cache.refresh(observed.uid);
      return done;
    }
    let all = nothing;
    for (const action of actions) {
      if (this.#p.shouldEnd()) break;
      const one = await this.#one(pod, observed, action);
      all = {
        acted: all.acted || one.acted,
        failed: all.failed || one.failed,
        againMs: least(all.againMs, one.againMs),
      };
    }
    return all;
  }

  async #one(pod: Pod, observed: ObservedPod, action: PodAction): Promise<Progress> {
    const { starts, resizing, signal } = this.#p;
    switch (action.type) {
      case 'back-off':
        // Held back once, it counts as a failure like any other.
        starts.forgetKills(observed, action.container.name);
        starts.tellBackOff(pod, action);
        return nothing;
      case 'kill-pod':
        await this.#killPod(pod, observed);
        await this.#c.cache.refresh(observed.uid);
        return done;
      case 'create-sandbox':
        await this.#startSandbox(pod, action.attempt);
        return done;
      case 'start': {
        const againMs = await starts.start(pod, observed, action, signal);
        return { acted: true, failed: againMs !== undefined, againMs };
      }
      case 'resize':
        return (await resizing.resize(pod, action)) ? done : { ...nothing, againMs: resizeRetryMs };
      case 'kill':
        return nothing;
    }
  }

  async #startSandbox(pod: Pod, attempt: number): Promise<void> {
    const { events, metrics, sandboxes, devices } = this.#c;
    await devices?.prepare(pod);
    if (attempt > 0)
      events.pod(pod, 'Normal', 'SandboxChanged', 'Pod sandbox changed, it will be killed and re-created.');
    metrics.containerStarted('pod_sandbox');
    if (attempt === 0) metrics.podStarted(false);
    try {
      await sandboxes.start(pod, attempt, this.#p.signal);
    } catch (error) {
      metrics.podStarted(true);
      metrics.containerStarted('pod_sandbox', 'CreatePodSandboxError');
      throw error;
    }
  }

  async #kill(pod: Pod, observed: ObservedPod, action: Action<'kill'>): Promise<void> {
    if (action.restarts) this.#p.starts.killedToRestart.add(action.observed.id);
    await this.#c.killer.kill({
      pod,
      observed: action.observed,
      podIp: observed.sandboxes[0]?.ips[0] ?? '',
      reason: action.reason,
      message: action.message,
      signal: this.#p.signal,
    });
  }

  async #killPod(pod: Pod, observed: ObservedPod): Promise<void> {
    await this.#c.killer.killPod(pod, observed, undefined, this.#p.signal);
    await this.#p.traces.stopSandboxes(pod, observed);
  }
}

/** The sooner one; undefined is never. */
export const least = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);
