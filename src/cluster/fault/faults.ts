// Fault injection for `createCluster`: the rules in force, broken watches, crashes and restarts, nodes that go and come.

import { expired } from '../../api/status.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import { aborted, type Service } from '../../base/lifecycle.ts';
import type { Random } from '../../base/random.ts';
import type { WatchHandle, WatchHandler } from '../../client/client.ts';
import type { ControlPlaneContext } from '../component-context.ts';
import type { Part } from '../components.ts';
import { applies, type Call, type CallFilter, errorOf, type FaultRule, isWrite, matches } from './fault-rule.ts';
import { faultyClient, type Interceptor, never } from './faulty-client.ts';
import { Life, type NodeSwitch } from './life.ts';

export interface CrashPlan {
  /** Whose writes are counted: `job-controller`, `kube-scheduler`, … */
  readonly component: string;
  /** The number of the write, from 1, counted from now. */
  readonly write: number;
  /** Whether that write still happens; default true: the crash is between it and whatever would come next. */
  readonly happens?: boolean;
}

/** What tests may break; everything is drawn from the cluster's seed. */
export interface Faults {
  /** Puts a rule in force; returns its end. Of several that match, the first that strikes counts. */
  add(rule: FaultRule): () => void;
  /** Ends all rules and planned crashes. What is dead stays dead until its restart. */
  clear(): void;
  /** Breaks open watches off, as when a connection is lost. Returns how many. */
  dropWatches(filter?: CallFilter): number;
  /** Ends open watches with 410 Gone: their informers must list again. */
  expireWatches(filter?: CallFilter): number;
  /** Kills a part of the control plane (`controllers`, `scheduler`, …); it starts again after `restartAfterMs` (1 s). */
  crash(part: string, restartAfterMs?: number): void;
  /** Kills the part a component belongs to at one of its writes. */
  crashAtWrite(plan: CrashPlan): void;
  /** Power off: containers and kubelet are gone at once, the Node object stays. */
  loseNode(name: string): void;
  /** Power on again, after any loss. */
  returnNode(name: string): void;
  /** Tells of every write that a component sends, whatever becomes of it. Returns the end of it. */
  observe(listener: (call: Call) => void): () => void;
}

interface OpenWatch {
  readonly call: Call;
  close(error: Error | undefined): void;
}

interface ActiveRule {
  readonly rule: FaultRule;
  left: number;
}

interface Born {
  readonly life: Life;
  readonly service: Service;
}

const timeoutMs = 30_000;
const restartMs = 1000;

export class FaultInjector implements Faults, Interceptor {
  readonly #clock: Clock;
  readonly #random: Random;
  #rules: ActiveRule[] = [];
  #plans: { plan: CrashPlan; left: number }[] = [];
  readonly #watches = new Set<OpenWatch>();
  readonly #lives = new Map<string, Life>();
  readonly #restartAfterMs = new Map<string, number>();
  readonly #nodes = new Map<string, NodeSwitch>();
  #making: Promise<void> = Promise.resolve();
  #made = 0;
  readonly #allMade = Promise.withResolvers<boolean>();
  readonly #listeners = new Set<(call: Call) => void>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  // ---- what tests call ----

  add(rule: FaultRule): () => void {
    const active = { rule, left: rule.times ?? Number.POSITIVE_INFINITY };
    this.#rules.push(active);
    return () => {
      this.#rules = this.#rules.filter(r => r !== active);
    };
  }

  clear(): void {
    this.#rules = [];
    this.#plans = [];
  }

  dropWatches(filter: CallFilter = {}): number {
    return this.#closeWatches(filter, () => new Error('read: connection reset by peer'));
  }

  expireWatches(filter: CallFilter = {}): number {
    return this.#closeWatches(filter, () => expired('The resourceVersion for the provided watch is too old.'));
  }

  crash(part: string, restartAfterMs = restartMs): void {
    const life = this.#lives.get(part);
    if (!life)
      throw new Error(
        `crash: there is no ${JSON.stringify(part)} running; there are ${[...this.#lives.keys()].join(', ')}`,
      );
    this.#restartAfterMs.set(part, restartAfterMs);
    life.kill();
  }

  crashAtWrite(plan: CrashPlan): void {
    this.#plans.push({ plan, left: plan.write });
  }

  loseNode(name: string): void {
    this.#node(name).lose();
  }

  returnNode(name: string): void {
    this.#node(name).restore();
  }

  observe(listener: (call: Call) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  // ---- what the cluster is wired with ----

  /**
   * Makes a part, one after the other, and starts none before all `parts` are made, for loading code takes time that no
   * clock counts. When the part is killed, it is made anew, with a client and informers of its own.
   */
  async supervise(part: Part<ControlPlaneContext>, context: ControlPlaneContext, parts: number): Promise<Service> {
    const first = this.#making.then(() => this.#bear(part, context));
    this.#making = first.then(
      () => {},
      () => {},
    );
    try {
      const begun = await first;
      if (++this.#made >= parts) this.#allMade.resolve(true);
      // Without one of them none is begun: the control plane is about to stop.
      const run = (await this.#allMade.promise)
        ? (signal: AbortSignal) => this.#lead(part, context, signal, begun)
        : aborted;
      return { name: part.name, run };
    } catch (error) {
      this.#allMade.resolve(false);
      throw error;
    }
  }

  /** Ends everything at once: on virtual time, what still waits would wait for ever. */
  endAll(): void {
    for (const node of this.#nodes.values()) node.lose();
    for (const life of this.#lives.values()) life.kill();
  }

  addNode(name: string, node: NodeSwitch): void {
    this.#nodes.set(name, node);
  }

  async call<T>(call: Call, life: Life, perform: () => Promise<T>): Promise<T> {
    if (life.dead) return never();
    const plan = isWrite(call.verb) ? this.#duePlan(call) : undefined;
    if (plan?.happens === false) {
      life.kill();
      return never();
    }
    const rule = this.#strike(call);
    if (rule) await this.#delay(rule);
    if (life.dead) return never();
    if (rule && rule.fault !== 'slow' && rule.fault !== 'lost answer') throw errorOf(rule.fault, call);
    if (isWrite(call.verb)) for (const listener of this.#listeners) listener(call);
    const answer = perform();
    if (plan) {
      await answer.catch(() => {});
      life.kill();
    }
    const result = await answer;
    if (life.dead) return never();
    if (rule?.fault === 'lost answer') throw errorOf(rule.fault, call);
    return result;
  }

  watch<T>(
    call: Call,
    life: Life,
    handler: WatchHandler<T>,
    open: (handler: WatchHandler<T>) => WatchHandle,
  ): WatchHandle {
    if (life.dead) return { stop() {} };
    const late = new LateEvents(this.#clock, () => {
      const rule = this.#strike(call);
      return rule?.fault === 'slow' ? this.#delayOf(rule) : 0;
    });
    let over = false;
    let forget: (() => void) | undefined;
    const end = () => {
      over = true;
      forget?.();
      this.#watches.delete(entry);
      late.stop();
    };
    const inner = open({
      onEvent: (type, object) => late.push(() => void (life.dead || over || handler.onEvent(type, object))),
      onClose: error => late.push(() => entry.close(error)),
    });
    const entry: OpenWatch = {
      call,
      close: error => {
        if (over) return;
        end();
        inner.stop();
        if (!life.dead) handler.onClose(error);
      },
    };
    this.#watches.add(entry);
    const stop = () => {
      if (over) return;
      end();
      inner.stop();
    };
    if (!over) forget = life.onKill(stop);
    return { stop };
  }

  /** True when every part is made and about to run, false as soon as one cannot be made. */
  get allMade(): Promise<boolean> {
    return this.#allMade.promise;
  }

  // ---- how ----

  async #bear(part: Part<ControlPlaneContext>, context: ControlPlaneContext): Promise<Born> {
    const life = new Life();
    this.#lives.set(part.name, life);
    const client: ControlPlaneContext['client'] = identity =>
      faultyClient(context.client(identity), identity.userAgent, life, this);
    return { life, service: await part.create({ ...context, client }) };
  }

  async #lead(
    part: Part<ControlPlaneContext>,
    context: ControlPlaneContext,
    signal: AbortSignal,
    first: Born,
  ): Promise<void> {
    for (let born = first; ; born = await this.#bear(part, context)) {
      const { life, service } = born;
      const running = service.run(AbortSignal.any([signal, life.signal]));
      // The dead do not clean up: what they still wait for never comes.
      await Promise.race([running, life.ended]);
      if (!life.dead) return;
      running.catch(() => {});
      await this.#clock.sleep(this.#restartAfterMs.get(part.name) ?? restartMs, signal).catch(() => {});
      if (signal.aborted) return;
    }
  }

  #node(name: string): NodeSwitch {
    const node = this.#nodes.get(name);
    if (node) return node;
    throw new Error(`there is no simulated node ${JSON.stringify(name)}`);
  }

  #closeWatches(filter: CallFilter, error: () => Error): number {
    const chosen = [...this.#watches].filter(w => matches(filter, w.call));
    for (const watch of chosen) watch.close(error());
    return chosen.length;
  }

  #duePlan(call: Call): CrashPlan | undefined {
    for (const entry of this.#plans) {
      if (!matches({ component: entry.plan.component }, call) || --entry.left > 0) continue;
      this.#plans = this.#plans.filter(p => p !== entry);
      return entry.plan;
    }
    return undefined;
  }

  #strike(call: Call): FaultRule | undefined {
    for (const active of this.#rules) {
      const { rule } = active;
      if (active.left <= 0 || !applies(rule.fault, call.verb) || !matches(rule, call)) continue;
      if (rule.probability !== undefined && this.#random.next() >= rule.probability) continue;
      active.left--;
      return rule;
    }
    return undefined;
  }

  #delayOf({ delayMs = 1000 }: FaultRule): number {
    if (typeof delayMs === 'number') return delayMs;
    return delayMs[0] + Math.floor(this.#random.next() * (delayMs[1] - delayMs[0] + 1));
  }

  async #delay(rule: FaultRule): Promise<void> {
    const ms = rule.fault === 'slow' ? this.#delayOf(rule) : rule.fault === 'timeout' ? timeoutMs : 0;
    if (ms > 0) await this.#clock.sleep(ms);
  }
}

/** Events in their order, each as late as told, never before the one ahead of it. */
class LateEvents {
  readonly #clock: Clock;
  readonly #delayMs: () => number;
  readonly #timers = new Set<Timer>();
  #lastDueMs = 0;

  constructor(clock: Clock, delayMs: () => number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  push(fn: () => void): void {
    const delayMs = this.#delayMs();
    // Whoever is still to come has a timer.
    if (delayMs === 0 && this.#timers.size === 0) {
      fn();
      return;
    }
    const now = this.#clock.monotonic();
    const dueMs = Math.max(this.#lastDueMs, now + delayMs);
    this.#lastDueMs = dueMs;
    const timer = this.#clock.after(dueMs - now, () => {
      this.#timers.delete(timer);
      fn();
    });
    this.#timers.add(timer);
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel();
  }
}
