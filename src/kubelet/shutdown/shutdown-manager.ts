// Ends the node's pods in their order before the machine ends.
import { join } from 'node:path';
import { formatTime, parseTime } from '../../api/meta.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { aborted, abortsWith, type Service } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Host } from '../host/host.ts';
import type { Rejection } from '../kernel/admission.ts';
import type { Verdict } from '../worker-context.ts';
import { type EndingGroup, endingGroups, graceOf, type ShutdownGroup, wholeSeconds } from './kernel/shutdown-plan.ts';
import type { ShutdownLock, ShutdownSource } from './shutdown-source.ts';

export interface ShutdownManagerOptions {
  readonly source: ShutdownSource;
  readonly groups: readonly ShutdownGroup[];
  /** The kubelet's. */
  readonly root: string;
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  activePods(): readonly Pod[];
  /** Resolves when nothing of the pod runs. */
  evict(pod: Pod, verdict: Verdict, graceSeconds: number): Promise<void> | undefined;
  /** Resolves when the pod's volumes are unmounted. */
  unmounted(pod: Pod, signal: AbortSignal): Promise<void>;
  /** The machine is to end, or after all not. */
  onChange(begins: boolean): void;
}

const retryMs = 1000;
const raisedWithinMs = 5000;
const message = 'Pod was terminated in response to imminent node shutdown.';
const verdict: Verdict = {
  ...{ phase: 'Failed', reason: 'Terminated', message },
  condition: { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message },
};
const refusal: Rejection = {
  reason: 'NodeShutdown',
  message: 'Pod was rejected: Pod was rejected as the node is shutting down.',
};

interface Times {
  readonly startTime?: string;
  readonly endTime?: string;
}

export class ShutdownManager implements Service {
  readonly name = 'node shutdown';
  readonly #o: ShutdownManagerOptions;
  #shuttingDown = false;
  #lock: ShutdownLock | undefined;
  /** Pods end. */
  #ending: Promise<void> | undefined;
  #times: Times = {};

  constructor(options: ShutdownManagerOptions) {
    this.#o = options;
    for (const [what, key] of [
      ['start', 'startTime'],
      ['end', 'endTime'],
    ] as const)
      options.metrics.source(
        `kubelet_graceful_shutdown_${what}_time_seconds`,
        `[ALPHA] Last graceful shutdown ${what} time since unix epoch in seconds`,
        'gauge',
        () => [{ labels: {}, value: (parseTime(this.#times[key]) ?? 0) / 1000 }],
      );
  }

  /** What keeps the node from being ready. */
  problems(): readonly string[] {
    return this.#shuttingDown ? ['node is shutting down'] : [];
  }

  /** Why no pod is taken on any more. */
  rejection(): Rejection | undefined {
    return this.#shuttingDown ? refusal : undefined;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, host } = this.#o;
    this.#times = JSON.parse((await host.readFile(this.#path)) ?? '{}');
    for (let begun = false; !signal.aborted; begun = true) {
      try {
        await this.#prepare();
        await this.#guard(signal);
      } catch (error) {
        if (!begun) {
          log.error('pods will not end in order when the machine shuts down', { error: messageOf(error) });
          return aborted(signal);
        }
        log.warn('nobody tells of the end of the machine', { error: messageOf(error) });
        await clock.sleep(retryMs, signal).catch(() => {});
      } finally {
        if (!signal.aborted) await this.#ending;
        this.#release();
      }
    }
  }

  get #path(): string {
    return join(this.#o.root, 'graceful_node_shutdown_state');
  }

  /** Rejects when the machine would not wait long enough. */
  async #prepare(): Promise<void> {
    const { source, groups, clock } = this.#o;
    const neededMs = wholeSeconds(groups) * 1000;
    let maxMs = await source.maxDelayMs();
    if (maxMs < neededMs) {
      await source.raiseMaxDelay(neededMs);
      const endMs = clock.monotonic() + raisedWithinMs;
      while (maxMs < neededMs && clock.monotonic() < endMs) {
        await clock.sleep(100);
        maxMs = await source.maxDelayMs();
      }
    }
    if (maxMs < neededMs)
      throw new Error(
        `node shutdown manager was unable to update logind InhibitDelayMaxSec to ${neededMs / 1000}s (ShutdownGracePeriod), current value of InhibitDelayMaxSec (${maxMs / 1000}s) is less than requested ShutdownGracePeriod`,
      );
    this.#lock = await source.hold();
  }

  /** Until the signal aborts, or the machine does not end after all: then it is held anew. */
  async #guard(signal: AbortSignal): Promise<void> {
    const { controller, release } = abortsWith(signal);
    const lost = this.#lock?.ended.then(() => {
      if (!this.#shuttingDown && !controller.signal.aborted) throw new Error('the lock was lost');
      return aborted(controller.signal);
    });
    const told = (begins: boolean): void => {
      if (begins === this.#shuttingDown) return;
      this.#shuttingDown = begins;
      this.#o.log.info('the end of the machine', { begins });
      this.#o.onChange(begins);
      if (begins) this.#ending = this.#end();
      else controller.abort();
    };
    try {
      await Promise.race([this.#o.source.watch(told, controller.signal), lost]);
    } finally {
      controller.abort();
      release();
    }
  }

  #release(): void {
    this.#lock?.release();
    this.#lock = undefined;
  }

  /** Never rejects. */
  async #end(): Promise<void> {
    const { groups, activePods, clock, log } = this.#o;
    try {
      await this.#note({ startTime: formatTime(clock.now()) });
      for (const group of endingGroups(groups, activePods())) {
        // The machine goes on after all: what has not ended yet does not.
        if (!this.#shuttingDown) return;
        await this.#endGroup(group);
      }
      await this.#note({ ...this.#times, endTime: formatTime(clock.now()) });
    } catch (error) {
      log.error('ending pods for the end of the machine failed', { error: messageOf(error) });
    } finally {
      this.#release();
    }
  }

  async #endGroup(group: EndingGroup): Promise<void> {
    const { clock, log, evict, unmounted } = this.#o;
    const over = new AbortController();
    const late = clock.sleep(group.seconds * 1000, over.signal).then(
      () => 'late',
      () => 'done',
    );
    const ended = Promise.all(
      group.pods.map(async pod => {
        await evict(pod, verdict, graceOf(pod, group));
        await unmounted(pod, over.signal);
      }),
    );
    const how = await Promise.race([ended, late]).finally(() => over.abort());
    if (how === 'late') log.warn('pods took longer to end than they have', { priority: group.priority });
  }

  async #note(times: Times): Promise<void> {
    this.#times = times;
    await this.#o.host.writeFile(this.#path, JSON.stringify(times), { mode: 0o600, atomic: true });
  }
}
