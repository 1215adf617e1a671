import type { Container, Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { aborted, abortsWith } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import { nearNumber } from '../base/whole-number.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { isRuntimeNotFound } from '../cri/runtime-error.ts';
import { type HookOptions, runHook } from './hook.ts';
import type { ObservedContainer, ObservedPod } from './kernel/observed.ts';
import type { KillReason } from './kernel/pod-actions.ts';
import { isSidecar } from './kernel/restart-policy.ts';
import type { PodEvents } from './pod-event.ts';

export interface KillerOptions {
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: PodEvents;
  readonly hooks: HookOptions;
}

export interface KillRequest {
  /** Absent for a container whose pod is unknown: its annotations tell what is needed. */
  readonly pod: Pod | undefined;
  readonly observed: ObservedContainer;
  readonly podIp: string;
  readonly reason: KillReason;
  /** Of the Killing event. Default: Stopping container NAME. */
  readonly message?: string;
  /** Overrides what the pod says. */
  readonly graceSeconds?: number;
  readonly signal: AbortSignal;
}

const minimumGraceSeconds = 2;

export class ContainerKiller {
  readonly #o: KillerOptions;
  // Hooks that have run: a kill that is asked for again with less grace does not run them twice.
  readonly #hooked = new Set<string>();

  constructor(options: KillerOptions) {
    this.#o = options;
  }

  /** preStop, SIGTERM, grace, SIGKILL. Resolves when the container is no more running. */
  async kill(request: KillRequest): Promise<void> {
    const { observed, pod, signal } = request;
    const container = pod && containerOf(pod, observed.name);
    let graceSeconds = graceOf(request, container);
    if (pod && container)
      this.#o.events.container(
        pod,
        container,
        'Normal',
        'Killing',
        request.message ?? `Stopping container ${observed.name}`,
      );
    // A pod that begins again as a whole does so without hooks.
    if (graceSeconds > 0 && request.reason !== 'restart-all')
      graceSeconds -= await this.#preStop(request, container, graceSeconds);
    if (signal.aborted) throw signal.reason;
    const timeout = request.graceSeconds === 0 ? 0 : Math.max(Math.ceil(graceSeconds), minimumGraceSeconds);
    try {
      await this.#o.runtime.StopContainer(
        { container_id: observed.id, timeout },
        { timeoutMs: (timeout + 120) * 1000, signal },
      );
      this.#hooked.delete(observed.id);
    } catch (error) {
      if (!isRuntimeNotFound(error)) throw error;
    }
  }

  /** Seconds the hook took. */
  async #preStop(request: KillRequest, container: Container | undefined, graceSeconds: number): Promise<number> {
    const { pod, observed, signal } = request;
    const handler = container?.lifecycle?.preStop ?? observed.preStop;
    if (!handler || observed.state !== 'running' || this.#hooked.has(observed.id)) return 0;
    this.#hooked.add(observed.id);
    const { clock } = this.#o;
    const startedMs = clock.monotonic();
    // Not AbortSignal.any: with a listener left it would stay, and the pod with it, for as long as the kubelet runs.
    const { controller: limit, release } = abortsWith(signal);
    const timer = clock.after(graceSeconds * 1000, () => limit.abort(new Error('preStop hook timed out')));
    const target = {
      pod: pod ?? ({ metadata: {}, spec: { containers: [] }, status: {} } as unknown as Pod),
      container: container ?? { name: observed.name },
      containerId: observed.id,
      podIp: request.podIp,
    };
    const hook = runHook(this.#o.hooks, handler, target, limit.signal).catch(error => {
      if (limit.signal.aborted) return;
      this.#o.log.warn('preStop hook failed', { container: observed.name, error: messageOf(error) });
      if (pod && container)
        this.#o.events.container(pod, container, 'Warning', 'FailedPreStopHook', 'PreStopHook failed');
    });
    await Promise.race([hook, aborted(limit.signal)]);
    timer.cancel();
    release();
    return (clock.monotonic() - startedMs) / 1000;
  }

  /** Kills what runs of a pod: main containers at once, then sidecars in reverse order; one grace period for all. */
  async killPod(pod: Pod | undefined, observed: ObservedPod, graceSeconds: number | undefined, signal: AbortSignal) {
    const podIp = observed.sandboxes[0]?.ips[0] ?? '';
    const running = observed.containers.filter(c => c.state === 'running' || c.state === 'unknown');
    const order = (pod?.spec.initContainers ?? []).filter(isSidecar).map(c => c.name);
    const sidecars = running.filter(c => order.includes(c.name));
    const others = running.filter(c => !order.includes(c.name));
    const { clock } = this.#o;
    const startedMs = clock.monotonic();
    const kill = (c: ObservedContainer) => {
      const request = { pod, observed: c, podIp, reason: 'pod' as const, signal };
      const total = graceSeconds ?? (pod && order.includes(c.name) ? graceOfPod(pod, c) : undefined);
      if (total === undefined) return this.kill(request);
      const left = Math.max(
        order.includes(c.name) ? minimumGraceSeconds : 0,
        total - (clock.monotonic() - startedMs) / 1000,
      );
      return this.kill({ ...request, graceSeconds: total === 0 ? 0 : left });
    };
    try {
      await allOrFirstError(others.map(kill));
      for (const name of order.toReversed()) await allOrFirstError(sidecars.filter(c => c.name === name).map(kill));
    } catch (error) {
      if (pod && !signal.aborted)
        this.#o.events.pod(pod, 'Warning', 'FailedKillPod', `error killing pod: ${messageOf(error)}`);
      throw error;
    }
  }
}

async function allOrFirstError(promises: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(promises);
  for (const r of results) if (r.status === 'rejected') throw r.reason;
}

const containerOf = (pod: Pod, name: string): Container | undefined =>
  pod.spec.containers.find(c => c.name === name) ??
  pod.spec.initContainers?.find(c => c.name === name) ??
  (pod.spec.ephemeralContainers?.find(c => c.name === name) as Container | undefined);

function graceOfPod(pod: Pod | undefined, observed: ObservedContainer): number {
  return Number(
    pod?.metadata.deletionGracePeriodSeconds ??
      pod?.spec.terminationGracePeriodSeconds ??
      observed.terminationGracePeriodSeconds ??
      30,
  );
}

function graceOf(request: KillRequest, container: Container | undefined): number {
  const { pod, observed, reason } = request;
  if (request.graceSeconds !== undefined) return request.graceSeconds;
  if (pod?.metadata.deletionGracePeriodSeconds !== undefined) return Number(pod.metadata.deletionGracePeriodSeconds);
  const probe =
    reason === 'liveness' ? container?.livenessProbe : reason === 'startup' ? container?.startupProbe : undefined;
  return nearNumber(probe?.terminationGracePeriodSeconds) ?? graceOfPod(pod, observed);
}
