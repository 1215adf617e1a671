// Tries to start one pod's containers: what is waited for, what is held back after failures, and for how long.
import type { Pod } from '../api/type/core-v1.ts';
import { StartError } from './container-starter.ts';
import { type BackOffEntry, containerBackOff, nextBackOff } from './kernel/back-off.ts';
import { containerHash } from './kernel/container-hash.ts';
import type { ObservedPod } from './kernel/observed.ts';
import type { PodAction } from './kernel/pod-actions.ts';
import type { WaitingReason } from './kernel/pod-status.ts';
import type { WorkerContext } from './worker-context.ts';

const containerTypes = { init: 'init_container', main: 'container', ephemeral: 'ephemeral_container' } as const;
const maxRetryMs = 10_000;

export class ContainerStarts {
  /** Why containers do not run yet, by name. */
  readonly waiting = new Map<string, WaitingReason>();
  /** By the hash of the container. */
  readonly backOff = new Map<string, BackOffEntry>();
  /** Ids of containers killed so that another takes their place. */
  readonly killedToRestart = new Set<string>();
  readonly #told = new Map<string, BackOffEntry>();
  /** Containers whose start has failed are not started again before, unless with another image. */
  readonly #held = new Map<string, { readonly untilMs: number; readonly hash: string }>();
  readonly #c: WorkerContext;

  constructor(context: WorkerContext) {
    this.#c = context;
  }

  /** What failed for the lack of an object is tried at once. */
  hasten(): void {
    for (const [name, reason] of this.waiting)
      if (reason.reason === 'CreateContainerConfigError') this.#held.delete(name);
  }

  forgetKills(observed: ObservedPod, name: string): void {
    for (const c of observed.containers) if (c.name === name) this.killedToRestart.delete(c.id);
  }

  /** Once for each failure. */
  tellBackOff(pod: Pod, action: Extract<PodAction, { type: 'back-off' }>): void {
    const { container, message } = action;
    this.waiting.set(container.name, { reason: 'CrashLoopBackOff', message });
    const entry = this.backOff.get(containerHash(container));
    if (!entry || this.#told.get(container.name) === entry) return;
    this.#told.set(container.name, entry);
    const { name, namespace, uid } = pod.metadata;
    const text = `Back-off restarting failed container ${container.name} in pod ${name}_${namespace}(${uid})`;
    this.#c.events.container(pod, container, 'Warning', 'BackOff', text);
  }

  /** Milliseconds to the next try when it failed. */
  async start(
    pod: Pod,
    observed: ObservedPod,
    action: Extract<PodAction, { type: 'start' }>,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { container, sandbox, failedAtMs } = action;
    const { clock, sandboxes } = this.#c;
    const hash = containerHash(container);
    const held = this.#held.get(container.name);
    if (held?.hash === hash && held.untilMs > clock.now()) return held.untilMs - clock.now();
    if (failedAtMs !== undefined) this.#countFailure(hash, failedAtMs);
    // The one killed is told from one that has ended for good until its successor is seen.
    for (const id of this.killedToRestart)
      if (!observed.containers.some(c => c.id === id)) this.killedToRestart.delete(id);
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
        signal,
      });
      this.waiting.delete(container.name);
      this.#held.delete(container.name);
      return undefined;
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      this.#c.metrics.containerStarted(type, error.reason);
      this.waiting.set(container.name, { reason: error.reason, message: error.message });
      const retryMs = error.retryInMs ?? maxRetryMs;
      this.#held.set(container.name, { untilMs: clock.now() + retryMs, hash });
      return retryMs;
    }
  }

  #countFailure(hash: string, failedAtMs: number): void {
    const options = { ...containerBackOff, maxMs: this.#c.maxContainerBackOffMs };
    options.initialMs = Math.min(options.initialMs, options.maxMs);
    this.backOff.set(hash, nextBackOff(this.backOff.get(hash), failedAtMs, this.#c.clock.now(), options));
  }

  /** A container the runtime has lost must not count its restarts from zero. */
  #publishedRestarts(pod: Pod, name: string, observed: ObservedPod): number {
    if (observed.containers.some(c => c.name === name)) return 0;
    const status = this.#c.statuses.current(pod);
    const all = [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])];
    const last = all.find(s => s.name === name);
    return last?.restartCount ?? 0;
  }
}
