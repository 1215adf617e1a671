import type { Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { nearNumber } from '../base/whole-number.ts';
import {
  type Breach,
  breaches,
  conditionOf,
  evictionMessage,
  rankForEviction,
  resourceOf,
  type Signals,
  type Threshold,
} from './kernel/eviction.ts';
import type { Pressure } from './kernel/node-condition.ts';
import { exceededLimit } from './local-limit.ts';
import { MachineSignals } from './node/machine-signals.ts';
import type { PodEvents } from './pod-event.ts';
import { type PodUseOptions, podUses } from './pod-use.ts';
import type { Verdict } from './worker-context.ts';

export interface EvictionOptions extends PodUseOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly events: PodEvents;
  readonly thresholds: readonly Threshold[];
  /** A pressure is reported until it has been gone for so long. */
  readonly transitionMs: number;
  /** The most that pods get to end when a soft threshold makes them. */
  readonly maxPodGraceSeconds: number;
  /** Default: this machine's. */
  readonly signals?: () => Promise<Signals>;
  readonly memoryBytes: number;
  activePods(): readonly Pod[];
  evict(pod: Pod, verdict: Verdict, graceSeconds: number): Promise<void>;
  /** Tries to free disk before pods have to go. */
  reclaimDisk(): Promise<void>;
  onPressure(): void;
  /** A threshold is met: the node's resource is about to be reclaimed. */
  onReclaim(resource: string): void;
  onEviction?(signal: string): void;
  /** Whether pods are held to their own limits of local storage; default true. */
  readonly localLimits?: boolean;
  /** Between two looks; default 10 seconds. */
  readonly everyMs?: number;
}

const signalOf = (message: string) =>
  message.startsWith('Pod') ? 'ephemeralpodfs.limit' : 'ephemeralcontainerfs.limit';

const everyMs = 10_000;
const kinds = ['memory', 'disk', 'pid'] as const;

export class EvictionManager {
  readonly #o: EvictionOptions;
  readonly #signals: () => Promise<Signals>;
  readonly #seenAtMs = new Map<string, number>();
  /** Thresholds that are met, and since when. */
  #metSinceMs: ReadonlyMap<Threshold, number> = new Map();
  #pressure: Pressure = { memory: false, disk: false, pid: false };

  constructor(options: EvictionOptions) {
    this.#o = options;
    const machine = new MachineSignals({ ...options, root: options.paths.root });
    this.#signals = options.signals ?? (() => machine.read());
  }

  get pressure(): Pressure {
    return this.#pressure;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.check();
      } catch (error) {
        this.#o.log.warn('eviction check failed', { error: messageOf(error) });
      }
      await this.#o.clock.sleep(this.#o.everyMs ?? everyMs, signal).catch(() => {});
    }
  }

  async check(): Promise<void> {
    const { clock, transitionMs } = this.#o;
    if (this.#o.localLimits ?? true) await this.#localLimits();
    const all = await this.#breaches();
    const now = clock.now();
    for (const { threshold } of all) this.#seenAtMs.set(conditionOf(threshold.signal), now);
    this.#metSinceMs = new Map(all.map(({ threshold: t }) => [t, this.#metSinceMs.get(t) ?? now]));
    const met = all.filter(({ threshold: t }) => now - this.#metSinceMs.get(t)! >= (t.graceMs ?? 0));
    const under = (kind: string) => now - (this.#seenAtMs.get(kind) ?? Number.NEGATIVE_INFINITY) < transitionMs;
    const next = { memory: under('memory'), disk: under('disk'), pid: under('pid') };
    const changed = kinds.some(k => next[k] !== this.#pressure[k]);
    this.#pressure = next;
    if (changed) this.#o.onPressure();
    // Memory first: the kernel would choose worse.
    const first = met.find(b => conditionOf(b.threshold.signal) === 'memory') ?? met[0];
    if (!first) return;
    const { signal } = first.threshold;
    const resource = resourceOf(signal);
    this.#o.onReclaim(resource);
    if (conditionOf(signal) === 'disk') {
      await this.#o.reclaimDisk();
      if (!(await this.#breaches()).some(b => b.threshold === first.threshold)) return;
    }
    const [victim] = rankForEviction(await podUses(this.#o, this.#o.activePods(), resource), resource);
    if (!victim) return;
    const graceSeconds = first.threshold.graceMs === undefined ? 1 : this.#softGrace(victim.pod);
    await this.#evict(victim.pod, evictionMessage(resource, first, victim), graceSeconds, signal);
  }

  async #breaches(): Promise<readonly Breach[]> {
    return breaches(await this.#signals(), this.#o.thresholds, new Set(this.#metSinceMs.keys()));
  }

  #softGrace({ spec }: Pod): number {
    return Math.min(this.#o.maxPodGraceSeconds, nearNumber(spec.terminationGracePeriodSeconds) ?? 30);
  }

  async #evict(pod: Pod, message: string, graceSeconds: number, signal: string): Promise<void> {
    this.#o.onEviction?.(signal);
    this.#o.events.pod(pod, 'Warning', 'Evicted', message);
    await this.#o.evict(
      pod,
      {
        phase: 'Failed',
        reason: 'Evicted',
        message,
        condition: { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message },
      },
      graceSeconds,
    );
  }

  async #localLimits(): Promise<void> {
    for (const pod of this.#o.activePods()) {
      const message = await exceededLimit(this.#o, pod).catch(error => {
        this.#o.log.warn('measuring local storage failed', { pod: pod.metadata.name, error: messageOf(error) });
        return undefined;
      });
      if (message)
        await this.#evict(pod, message, 0, message.startsWith('Usage') ? 'emptydirfs.limit' : signalOf(message));
    }
  }
}
