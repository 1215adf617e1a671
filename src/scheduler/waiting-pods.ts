import type { Clock, Timer } from '../base/clock.ts';
import type { CycleState, WaitingPod } from './framework.ts';
import type { PodInfo } from './pod-info.ts';
import { type Profile, told } from './profile.ts';
import { Status, unschedulable } from './status.ts';

const longestWaitMs = 15 * 60_000;

class Waiting implements WaitingPod {
  readonly info: PodInfo;
  readonly verdict: Promise<Status | undefined>;
  readonly #pending = new Map<string, Timer>();
  readonly #settle: (status: Status | undefined) => void;

  constructor(info: PodInfo, timeouts: ReadonlyMap<string, number>, clock: Clock) {
    this.info = info;
    const { promise, resolve } = Promise.withResolvers<Status | undefined>();
    this.verdict = promise;
    this.#settle = status => {
      for (const timer of this.#pending.values()) timer.cancel();
      this.#pending.clear();
      resolve(status);
    };
    for (const [plugin, ms] of timeouts) {
      const expire = () =>
        this.reject(plugin, `rejected due to timeout after waiting ${ms / 1000}s at plugin ${plugin}`);
      this.#pending.set(plugin, clock.after(ms, expire));
    }
  }

  get pendingPlugins(): readonly string[] {
    return [...this.#pending.keys()];
  }

  allow(plugin: string): void {
    this.#pending.get(plugin)?.cancel();
    if (this.#pending.delete(plugin) && this.#pending.size === 0) this.#settle(undefined);
  }

  reject(plugin: string, message: string): void {
    this.#settle(unschedulable(plugin, message));
  }
}

/** Pods that have a node and wait for permission to be bound. */
export class WaitingPods {
  readonly #clock: Clock;
  readonly #all = new Map<string, Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(uid: string): WaitingPod | undefined {
    return this.#all.get(uid);
  }

  list(): readonly WaitingPod[] {
    return [...this.#all.values()];
  }

  /** Asks the permit plugins: undefined, a wait that `verdict` ends, or a refusal. */
  permit(profile: Pick<Profile, 'lineup'>, state: CycleState, pod: PodInfo, node: string): Status | undefined {
    const timeouts = new Map<string, number>();
    for (const plugin of profile.lineup(state).permit) {
      const answer = plugin.permit(state, pod, node);
      if (!answer?.status) continue;
      if (answer.status.code !== 'Wait') return told('Permit', plugin.name, answer.status);
      timeouts.set(plugin.name, Math.min(answer.timeoutMs ?? longestWaitMs, longestWaitMs));
    }
    if (timeouts.size === 0) return undefined;
    this.#all.set(pod.uid, new Waiting(pod, timeouts, this.#clock));
    return new Status('Wait');
  }

  /** Resolves at once for a pod that need not wait. */
  async verdict(uid: string): Promise<Status | undefined> {
    const waiting = this.#all.get(uid);
    if (!waiting) return undefined;
    try {
      return await waiting.verdict;
    } finally {
      this.#all.delete(uid);
    }
  }

  reject(uid: string, plugin: string, message: string): boolean {
    const waiting = this.#all.get(uid);
    waiting?.reject(plugin, message);
    return !!waiting;
  }

  rejectAll(message: string): void {
    for (const w of this.#all.values()) w.reject('', message);
  }
}
