// Runs controllers: informers, queues, workers, back-off. See controller.ts for what a controller is.
import type { KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { isConflict, isNotFound, StatusError } from '../api/status.ts';
import { BugError, messageOf } from '../base/assert.ts';
import { type Clock, turnEnd } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { createMetrics, type Metrics } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import { BackOff } from '../client/back-off.ts';
import type { Client } from '../client/client.ts';
import { createEventRecorder } from '../client/event-recorder.ts';
import type { Informer, InformerFactory } from '../client/informer.ts';
import type { Controller, ControllerContext, Reconciler, Watch } from './controller.ts';
import { queueMetrics } from './queue-metrics.ts';
import { ControllerRateLimiter } from './rate-limiter.ts';
import { selectControllers } from './select-controllers.ts';
import { WorkQueue } from './work-queue.ts';

export interface EngineOptions {
  client: Client;
  /** Run by the caller. */
  informers: InformerFactory;
  clock: Clock;
  random: Random;
  log: Log;
  metrics?: Metrics;
  /** As --controllers: `*` all that are on by default, `foo` this one, `-foo` not this one. Default all. */
  select?: readonly string[];
  /** Names that `*` does not include. */
  offByDefault?: readonly string[];
  /** Names that `select` may say though no controller has them. */
  known?: ReadonlySet<string>;
}

const defaultWorkers = 5;

/**
 * Runs controllers until the signal aborts, each on its own: one that fails to start or whose background work fails is
 * logged and started again. Resolves when the last reconcile has ended.
 */
export async function runControllers(
  controllers: readonly Controller[],
  options: EngineOptions,
  signal: AbortSignal,
): Promise<void> {
  const chosen = selectControllers(controllers, options.select, options.offByDefault, options.known);
  // All informers first, so that they list at the same time.
  const runs = chosen.map(c => new ControllerRun(c, options));
  await Promise.all(runs.map(r => r.run(signal)));
}

class ControllerRun {
  readonly #controller: Controller;
  readonly #o: EngineOptions;
  readonly #log: Log;
  readonly #queue: WorkQueue;
  readonly #informers = new Map<string, Informer<any>>();
  /** The same by the references asked with, which are few objects: a controller asks thousands of times a second. */
  readonly #byRef = new WeakMap<ResourceRef<any>, Informer<any>>();
  readonly #removals: (() => void)[] = [];
  readonly #context: ControllerContext;
  /** The last message logged for a key that keeps failing. */
  readonly #failing = new Map<string, string>();

  constructor(controller: Controller, options: EngineOptions) {
    this.#controller = controller;
    this.#o = options;
    this.#log = options.log.with({ controller: controller.name });
    const { clock, metrics } = options;
    // An owner of thousands of pods hears of each: those of one turn are looked at together.
    this.#queue = new WorkQueue({
      clock,
      limiter: new ControllerRateLimiter(clock, controller.retry),
      again: turnEnd,
      ...(metrics ? { metrics: queueMetrics(metrics, controller.queue ?? controller.name, clock) } : {}),
    });
    for (const watch of controller.watches) this.#register(watch.resource);
    for (const resource of controller.reads ?? []) this.#register(resource);
    for (const { resource, name, values } of controller.indexes ?? []) this.#informer(resource).addIndex(name, values);
    this.#context = this.#makeContext();
  }

  async run(signal: AbortSignal): Promise<void> {
    const running = this.#o.metrics?.gauge(
      'running_managed_controllers',
      'Indicates where instances of a controller are currently running',
      ['name', 'manager'],
    );
    const labels = { name: this.#controller.name, manager: 'kube-controller-manager' };
    try {
      running?.set(labels, 1);
      await Promise.all([...this.#informers.values()].map(i => i.whenSynced(signal)));
      const reconciler = await this.#create(signal);
      for (const watch of this.#controller.watches) this.#wire(watch);
      signal.addEventListener('abort', () => this.#queue.shutDown(), { once: true });
      if (signal.aborted) this.#queue.shutDown();
      const workers = Array.from({ length: this.#controller.workers ?? defaultWorkers }, () => this.#work(reconciler));
      await Promise.all([...workers, this.#background(reconciler, signal)]);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      running?.set(labels, 0);
      this.#queue.shutDown();
      for (const remove of this.#removals.splice(0)) remove();
    }
  }

  #register(resource: ResourceRef<any>): void {
    const id = idOf(resource);
    if (!this.#informers.has(id)) this.#informers.set(id, this.#o.informers.informer(resource));
  }

  #informer<T extends KubeObject>(resource: ResourceRef<T>): Informer<T> {
    const known = this.#byRef.get(resource);
    if (known) return known as Informer<T>;
    const informer = this.#informers.get(idOf(resource));
    if (!informer)
      throw new BugError(`${this.#controller.name} does not declare that it watches or reads ${idOf(resource)}`);
    this.#byRef.set(resource, informer);
    return informer as Informer<T>;
  }

  #makeContext(): ControllerContext {
    const { name, serviceAccount, component } = this.#controller;
    const { clock, random } = this.#o;
    const client = this.#o.client.as({ userAgent: `kube-controller-manager/${name}`, serviceAccount });
    return {
      client,
      clock,
      random,
      log: this.#log,
      metrics: this.#o.metrics ?? createMetrics(),
      events: createEventRecorder(client, { component: component ?? name, clock, random, log: this.#log }),
      informers: this.#o.informers,
      lister: resource => this.#informer(resource).lister,
      observe: (resource, handler) => {
        this.#removals.push(this.#informer(resource).addHandler(handler));
      },
      enqueue: (key, afterMs = 0) => this.#queue.addAfter(key, afterMs),
    };
  }

  /** A failure to start is tried again: the rest of the control plane must not fall with it. */
  async #create(signal: AbortSignal): Promise<Reconciler> {
    const backOff = this.#backOff();
    for (;;) {
      try {
        return this.#controller.create(this.#context);
      } catch (error) {
        this.#log.error('starting the controller failed', { error, stack: stackOf(error) });
        for (const remove of this.#removals.splice(0)) remove();
        await this.#o.clock.sleep(backOff.delayMs(), signal);
      }
    }
  }

  #wire(watch: Watch): void {
    const add = (keys: readonly string[]) => {
      for (const key of keys) this.#queue.add(key);
    };
    const context = this.#context;
    this.#removals.push(
      this.#informer(watch.resource).addHandler({
        onAdd: object => add(watch.keys(object, undefined, context, false)),
        onUpdate: (object, old) => add(watch.keys(object, old, context, false)),
        onDelete: object => add(watch.keys(object, object, context, true)),
      }),
    );
  }

  async #work(reconciler: Reconciler): Promise<void> {
    for (let key = await this.#queue.get(); key !== undefined; key = await this.#queue.get()) {
      await this.#reconcile(reconciler, key);
      this.#queue.done(key);
    }
  }

  async #reconcile(reconciler: Reconciler, key: string): Promise<void> {
    try {
      const result = await reconciler.reconcile(key);
      this.#queue.forget(key);
      this.#failing.delete(key);
      if (result?.requeueAfterMs !== undefined) this.#queue.addAfter(key, result.requeueAfterMs);
    } catch (error) {
      this.#failed(key, error);
      this.#queue.addRateLimited(key);
    }
  }

  /** Races with other writers are part of the job; a failure that repeats is told once. */
  #failed(key: string, error: unknown): void {
    const message = messageOf(error);
    const quiet = isConflict(error) || isNotFound(error) || this.#queue.stopped || this.#failing.get(key) === message;
    const stack = error instanceof StatusError ? undefined : stackOf(error);
    const fields = { key, error: message, failures: this.#queue.failures(key) + 1, ...(stack ? { stack } : {}) };
    if (quiet) this.#log.debug('reconcile failed, will retry', fields);
    else {
      this.#failing.set(key, message);
      this.#log.error('reconcile failed, will retry', fields);
    }
  }

  async #background(reconciler: Reconciler, signal: AbortSignal): Promise<void> {
    const backOff = this.#backOff();
    while (reconciler.run && !signal.aborted) {
      try {
        await reconciler.run(signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#log.error('background work failed, starting it again', { error, stack: stackOf(error) });
        await this.#o.clock.sleep(backOff.delayMs(), signal).catch(() => {});
      }
    }
  }

  #backOff(): BackOff {
    return new BackOff({ initialMs: 1000, maxMs: 60_000, resetAfterMs: 600_000 }, this.#o.clock, this.#o.random);
  }
}

const idOf = (r: ResourceRef): string => `${r.group}/${r.version}/${r.resource}`;

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}
