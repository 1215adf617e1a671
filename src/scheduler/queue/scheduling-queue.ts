// Pods waiting to be scheduled: active (to be tried now), backing off, unschedulable until something happens, and gated.
import type { Clock, Timer } from '../../base/clock.ts';
import { type ClusterEvent, covers, isWildcard, type RegisteredEvent, wildcardEvent } from '../cluster-event.ts';
import type { PreEnqueuePlugin, QueuedPod } from '../framework.ts';
import type { PodInfo } from '../pod-info.ts';
import type { Status } from '../status.ts';
import { type Entry, newEntry } from './entry.ts';
import { EventLog, type LoggedEvent } from './event-log.ts';
import { KeyedHeap } from './heap.ts';
import { Nominator } from './nominator.ts';
import { eventsOfPodUpdate } from './pod-change.ts';

export interface QueueOptions {
  readonly clock: Clock;
  readonly less: (a: QueuedPod, b: QueuedPod) => boolean;
  /** Plugins that guard the active queue, of the profile the pod asks for. */
  readonly preEnqueue: (pod: PodInfo) => readonly (PreEnqueuePlugin & { readonly name: string })[];
  /** Who wants to hear of what: by plugin, of the profile the pod asks for. */
  readonly registered: (pod: PodInfo) => ReadonlyMap<string, readonly RegisteredEvent[]>;
  /** The active queue has something. */
  readonly onReady: () => void;
  readonly initialBackoffMs?: number;
  readonly maxBackoffMs?: number;
  readonly unschedulableTimeoutMs?: number;
  readonly onIncoming?: (queue: 'active' | 'backoff' | 'unschedulable' | 'gated', event: string) => void;
  /** Told of each hint that was asked, and how long it took. */
  readonly onHint?: (plugin: string, event: string, hint: 'Queue' | 'QueueSkip' | 'Error', seconds: number) => void;
}

/** How a try ended that placed nothing. */
export interface Outcome {
  readonly unschedulablePlugins?: Iterable<string>;
  readonly pendingPlugins?: Iterable<string>;
  /** It failed for another reason than not fitting. */
  readonly error?: boolean;
}

type Strategy = 'skip' | 'afterBackoff' | 'immediately';

const unschedulableTimeout = wildcardEvent('UnschedulableTimeout');
const attemptFailure = 'ScheduleAttemptFailure';
const flushEveryMs = 30_000;
/** Back-offs end on whole seconds, so that pods of one second go by the order of the queue. */
const windowMs = 1000;

export class SchedulingQueue {
  readonly #o: Required<Omit<QueueOptions, 'onIncoming' | 'onHint'>> & Pick<QueueOptions, 'onIncoming' | 'onHint'>;
  readonly nominator = new Nominator();
  readonly #entries = new Map<string, Entry>();
  readonly #active: KeyedHeap<Entry>;
  readonly #backoff: KeyedHeap<Entry>;
  readonly #errorBackoff: KeyedHeap<Entry>;
  readonly #unschedulable = new Map<string, Entry>();
  /** The same by plugin that keeps them there, so that an event costs only those it may help. */
  readonly #rejectedBy = new Map<string, Set<Entry>>();
  readonly #log = new EventLog();
  #backoffTimer: { timer: Timer; dueMs: number } | undefined;
  #flushTimer: Timer | undefined;
  #closed = false;

  constructor(options: QueueOptions) {
    this.#o = { initialBackoffMs: 1000, maxBackoffMs: 10_000, unschedulableTimeoutMs: 300_000, ...options };
    const key = (e: Entry) => e.uid;
    const less = (a: Entry, b: Entry) => options.less(a, b) || (a.order < b.order && !options.less(b, a));
    const sooner = (a: Entry, b: Entry) =>
      a.backoffUntilMs < b.backoffUntilMs || (a.backoffUntilMs === b.backoffUntilMs && less(a, b));
    this.#active = new KeyedHeap(key, less);
    this.#backoff = new KeyedHeap(key, sooner);
    this.#errorBackoff = new KeyedHeap(key, sooner);
  }

  /** How many wait where. */
  get sizes(): { active: number; backoff: number; unschedulable: number; gated: number } {
    let gated = 0;
    for (const e of this.#unschedulable.values()) if (e.gatedBy) gated++;
    return {
      active: this.#active.size,
      backoff: this.#backoff.size + this.#errorBackoff.size,
      unschedulable: this.#unschedulable.size - gated,
      gated,
    };
  }

  /** Events kept for pods that are being tried, by kind. */
  get inFlightEvents(): ReadonlyMap<string, number> {
    return this.#log.byLabel();
  }

  list(): readonly Readonly<Entry>[] {
    return [...this.#entries.values()];
  }

  /** Pods that cannot be scheduled, by the plugin that says so. */
  get rejected(): ReadonlyMap<string, ReadonlySet<Readonly<Entry>>> {
    return this.#rejectedBy;
  }

  entry(uid: string): Readonly<Entry> | undefined {
    return this.#entries.get(uid);
  }

  close(): void {
    this.#closed = true;
    this.#backoffTimer?.timer.cancel();
    this.#flushTimer?.cancel();
  }

  add(info: PodInfo): void {
    if (this.#entries.has(info.uid)) {
      this.update(info, undefined);
      return;
    }
    const entry = newEntry(info, this.#o.clock.now());
    this.#entries.set(info.uid, entry);
    this.nominator.update(info, undefined);
    this.#toActive(entry, 'PodAdd');
  }

  /** Its object changed while it waits or is being tried. */
  update(info: PodInfo, old: PodInfo | undefined): void {
    const entry = this.#entries.get(info.uid);
    if (!entry) {
      this.add(info);
      return;
    }
    const before = old ?? entry.info;
    entry.info = info;
    this.nominator.update(info, before);
    const events = eventsOfPodUpdate(info.pod, before.pod);
    switch (entry.place) {
      case 'inFlight':
        for (const event of events) this.#log.add({ event, old: before.pod, now: info.pod });
        return;
      case 'active':
        this.#active.set(entry);
        return;
      case 'backoff':
        this.#backoff.set(entry);
        return;
      case 'errorBackoff':
        this.#errorBackoff.set(entry);
        return;
      case 'unschedulable':
        for (const event of events) {
          if (entry.place !== 'unschedulable') return;
          this.#consider(entry, event, before.pod, info.pod);
        }
    }
  }

  delete(uid: string): void {
    const entry = this.#entries.get(uid);
    this.nominator.forget(uid);
    if (!entry) return;
    this.#leave(entry);
    this.#entries.delete(uid);
    this.#log.close(uid);
  }

  /** The next pod to try; it is in flight until done() or failed(). */
  pop(): Entry | undefined {
    // Pods that back off only because they did not fit need not wait when there is nothing else to do.
    const entry = this.#active.pop() ?? this.#backoff.pop();
    if (!entry) return undefined;
    entry.place = 'inFlight';
    entry.attempts++;
    entry.firstAttemptMs ??= this.#o.clock.now();
    entry.unschedulablePlugins = new Set();
    entry.pendingPlugins = new Set();
    this.#log.open(entry.uid);
    return entry;
  }

  /** The pod has been placed, or is none of ours any more. */
  done(uid: string): void {
    const entry = this.#entries.get(uid);
    this.#log.close(uid);
    if (entry?.place === 'inFlight') this.#entries.delete(uid);
  }

  /** The pod in flight could not be placed. */
  failed(uid: string, outcome: Outcome): void {
    const entry = this.#entries.get(uid);
    if (entry?.place !== 'inFlight') return;
    const missed = this.#log.since(uid);
    this.#log.close(uid);
    entry.unschedulablePlugins = new Set(outcome.unschedulablePlugins);
    entry.pendingPlugins = new Set(outcome.pendingPlugins);
    entry.timestampMs = this.#o.clock.now();
    const rejected = entry.unschedulablePlugins.size + entry.pendingPlugins.size > 0;
    if (outcome.error || !rejected) entry.consecutiveErrors++;
    else {
      entry.unschedulableCount++;
      entry.consecutiveErrors = 0;
    }
    this.#setBackoff(entry, rejected && !outcome.error);
    const strategy = rejected ? this.#afterEvents(entry, missed) : 'afterBackoff';
    if (strategy === 'skip') this.#toUnschedulable(entry, attemptFailure);
    else this.#requeue(entry, strategy, attemptFailure);
  }

  /** What happened while it was tried. */
  #afterEvents(entry: Entry, missed: readonly LoggedEvent[]): Strategy {
    let strategy: Strategy = 'skip';
    for (const { event, old, now } of missed) {
      const next = this.#strategy(entry, event, old, now);
      if (next === 'immediately') return next;
      if (next === 'afterBackoff') strategy = next;
    }
    return strategy;
  }

  /** Something happened in the cluster: tries again what it may help. */
  happened(event: ClusterEvent, old?: unknown, now?: unknown): void {
    this.#log.add({ event, old, now });
    if (this.#unschedulable.size === 0) return;
    for (const entry of this.#concerned(event)) this.#consider(entry, event, old, now);
  }

  /** Those kept by a plugin that wants to hear of such events. */
  #concerned(event: ClusterEvent): Iterable<Entry> {
    if (isWildcard(event)) return [...this.#unschedulable.values()];
    const out = new Set<Entry>();
    for (const [plugin, entries] of this.#rejectedBy) {
      // One answer serves all pods of a profile, and profiles differ only in arguments as a rule.
      let last: { events: readonly RegisteredEvent[] | undefined; wanted: boolean } | undefined;
      for (const entry of entries) {
        const events = this.#o.registered(entry.info).get(plugin);
        if (!last || last.events !== events) last = { events, wanted: this.#wants(entry, events, event) };
        if (last.wanted) out.add(entry);
      }
    }
    return out;
  }

  #wants(entry: Entry, events: readonly RegisteredEvent[] | undefined, event: ClusterEvent): boolean {
    return events ? events.some(e => covers(e, event)) : !!entry.gatedBy;
  }

  /** Puts a pod to the active ones without waiting for its back-off. */
  activate(uid: string): void {
    const entry = this.#entries.get(uid);
    if (!entry) return;
    if (entry.place === 'inFlight')
      this.#log.add({ event: wildcardEvent('ForceActivate'), old: undefined, now: undefined });
    else if (entry.place !== 'active') {
      this.#leave(entry);
      this.#toActive(entry, 'ForceActivate');
    }
  }

  #consider(entry: Entry, event: ClusterEvent, old: unknown, now: unknown): void {
    if (entry.gatedBy) {
      const events = this.#o.registered(entry.info).get(entry.gatedBy);
      if (!isWildcard(event) && events && !events.some(e => covers(e, event))) return;
      const status = this.#gate(entry);
      if (status) return;
      this.#leave(entry);
      this.#toActive(entry, event.label);
      return;
    }
    const strategy = this.#strategy(entry, event, old, now);
    if (strategy === 'skip') return;
    this.#leave(entry);
    this.#requeue(entry, strategy, event.label);
  }

  #strategy(entry: Entry, event: ClusterEvent, old: unknown, now: unknown): Strategy {
    if (isWildcard(event)) return 'afterBackoff';
    let strategy: Strategy = 'skip';
    const registered = this.#o.registered(entry.info);
    const ask = (plugin: string): boolean => {
      const events = registered.get(plugin);
      if (!events) return false;
      for (const e of events) {
        if (!covers(e, event)) continue;
        if (!e.hint || this.#asked(plugin, event, () => e.hint!(entry.info.pod, old, now))) return true;
      }
      return false;
    };
    for (const plugin of entry.pendingPlugins) if (ask(plugin)) return 'immediately';
    for (const plugin of entry.unschedulablePlugins) if (ask(plugin)) strategy = 'afterBackoff';
    return strategy;
  }

  /** A hint that fails must not strand the pod. */
  #asked(plugin: string, event: ClusterEvent, hint: () => 'Queue' | 'Skip'): boolean {
    const { onHint, clock } = this.#o;
    const startMs = clock.monotonic();
    let answer: 'Queue' | 'QueueSkip' | 'Error';
    try {
      answer = hint() === 'Queue' ? 'Queue' : 'QueueSkip';
    } catch {
      answer = 'Error';
    }
    onHint?.(plugin, event.label, answer, (clock.monotonic() - startMs) / 1000);
    return answer !== 'QueueSkip';
  }

  #requeue(entry: Entry, strategy: Strategy, event: string): void {
    if (strategy === 'afterBackoff' && entry.backoffUntilMs > this.#o.clock.now()) this.#toBackoff(entry, event);
    else this.#toActive(entry, event);
  }

  #gate(entry: Entry): Status | undefined {
    for (const plugin of this.#o.preEnqueue(entry.info)) {
      const status = plugin.preEnqueue(entry.info);
      if (!status) continue;
      entry.gatedBy = plugin.name;
      entry.unschedulablePlugins.add(plugin.name);
      return status;
    }
    entry.gatedBy = '';
    return undefined;
  }

  #toActive(entry: Entry, event: string): void {
    if (this.#gate(entry)) {
      this.#toUnschedulable(entry, event);
      return;
    }
    entry.place = 'active';
    this.#active.set(entry);
    this.#o.onIncoming?.('active', event);
    this.#o.onReady();
  }

  #toBackoff(entry: Entry, event: string): void {
    if (this.#gate(entry)) {
      this.#toUnschedulable(entry, event);
      return;
    }
    entry.place = entry.consecutiveErrors > 0 ? 'errorBackoff' : 'backoff';
    (entry.place === 'backoff' ? this.#backoff : this.#errorBackoff).set(entry);
    this.#o.onIncoming?.('backoff', event);
    this.#armBackoff();
    if (entry.place === 'backoff') this.#o.onReady();
  }

  #toUnschedulable(entry: Entry, event: string): void {
    entry.place = 'unschedulable';
    entry.sinceMs = this.#o.clock.now();
    this.#unschedulable.set(entry.uid, entry);
    for (const plugin of rejectors(entry)) this.#rejectedBy.getOrInsertComputed(plugin, () => new Set()).add(entry);
    this.#o.onIncoming?.(entry.gatedBy ? 'gated' : 'unschedulable', event);
    this.#armFlush();
  }

  #leave(entry: Entry): void {
    if (entry.place === 'active') this.#active.delete(entry.uid);
    else if (entry.place === 'backoff') this.#backoff.delete(entry.uid);
    else if (entry.place === 'errorBackoff') this.#errorBackoff.delete(entry.uid);
    else if (entry.place === 'unschedulable') {
      this.#unschedulable.delete(entry.uid);
      for (const entries of this.#rejectedBy.values()) entries.delete(entry);
    }
  }

  #setBackoff(entry: Entry, unschedulable: boolean): void {
    const count = unschedulable ? entry.unschedulableCount : entry.consecutiveErrors;
    const { initialBackoffMs, maxBackoffMs } = this.#o;
    const untilMs = entry.timestampMs + Math.min(maxBackoffMs, initialBackoffMs * 2 ** Math.min(count - 1, 30));
    entry.backoffUntilMs = Math.floor(untilMs / windowMs) * windowMs;
  }

  #armBackoff(): void {
    const dueMs = Math.min(
      this.#backoff.peek()?.backoffUntilMs ?? Number.POSITIVE_INFINITY,
      this.#errorBackoff.peek()?.backoffUntilMs ?? Number.POSITIVE_INFINITY,
    );
    if (this.#closed || !Number.isFinite(dueMs)) return;
    if (this.#backoffTimer) {
      if (this.#backoffTimer.dueMs <= dueMs) return;
      this.#backoffTimer.timer.cancel();
    }
    const timer = this.#o.clock.after(Math.max(0, dueMs - this.#o.clock.now()), () => this.#flushBackoff());
    this.#backoffTimer = { timer, dueMs };
  }

  #flushBackoff(): void {
    this.#backoffTimer = undefined;
    const now = this.#o.clock.now();
    for (const heap of [this.#backoff, this.#errorBackoff])
      for (let entry = heap.peek(); entry && entry.backoffUntilMs <= now; entry = heap.peek()) {
        heap.delete(entry.uid);
        this.#toActive(entry, 'BackoffComplete');
      }
    this.#armBackoff();
  }

  #armFlush(): void {
    if (this.#flushTimer || this.#closed) return;
    this.#flushTimer = this.#o.clock.after(flushEveryMs, () => {
      this.#flushTimer = undefined;
      const now = this.#o.clock.now();
      for (const entry of [...this.#unschedulable.values()])
        if (now - entry.sinceMs > this.#o.unschedulableTimeoutMs)
          this.#consider(entry, unschedulableTimeout, undefined, undefined);
      if (this.#unschedulable.size) this.#armFlush();
    });
  }
}

const rejectors = (entry: Entry): Iterable<string> => entry.unschedulablePlugins.union(entry.pendingPlugins);
