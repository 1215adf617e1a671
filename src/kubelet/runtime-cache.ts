// What the runtime runs, per pod: kept current by the runtime's events and a periodic relist.
import { messageOf } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { ContainerRuntime, RuntimeEvent } from '../cri/runtime.ts';
import { isRuntimeNotFound } from '../cri/runtime-error.ts';
import type { Container, PodSandbox } from '../cri/type.ts';
import { podUidLabel } from './kernel/label.ts';
import {
  emptyObservedPod,
  type ObservedContainer,
  type ObservedPod,
  type ObservedSandbox,
  observeContainer,
  observedStateOf,
  observeSandbox,
  type PodIdentity,
  podIdentityOf,
} from './kernel/observed.ts';

export interface RuntimeCacheOptions {
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly log: Log;
  readonly relistMs: number;
}

interface Running {
  promise: Promise<ObservedPod>;
  again: Promise<ObservedPod> | undefined;
}

const eventSettleMs = 20;

export class RuntimeCache {
  readonly #o: RuntimeCacheOptions;
  readonly #pods = new Map<string, ObservedPod>();
  /** Container and sandbox ids to pods. */
  readonly #owners = new Map<string, PodIdentity>();
  readonly #refreshing = new Map<string, Running>();
  readonly #listeners = new Set<(uid: string) => void>();
  #relistAtMs = 0;
  #error = '';
  #unknownTimer: Timer | undefined;
  #relisting: Promise<void> | undefined;

  constructor(options: RuntimeCacheOptions) {
    this.#o = options;
  }

  get(uid: string): ObservedPod | undefined {
    return this.#pods.get(uid);
  }

  pods(): Iterable<ObservedPod> {
    return this.#pods.values();
  }

  /** The pod that owns a container or sandbox. */
  ownerOf(id: string): PodIdentity | undefined {
    return this.#owners.get(id);
  }

  /** Milliseconds of the clock at the last complete relist; 0 before the first. */
  get lastRelistMs(): number {
    return this.#relistAtMs;
  }

  /** Why the runtime cannot be asked; empty when it can. */
  get error(): string {
    return this.#error;
  }

  onChange(listener: (uid: string) => void): void {
    this.#listeners.add(listener);
  }

  async run(signal: AbortSignal): Promise<void> {
    const events = this.#o.runtime
      .watchEvents({ onEvent: e => this.#onEvent(e), onGap: () => void this.relist() }, signal)
      .catch(error => {
        if (!signal.aborted) this.#o.log.warn('watching runtime events failed', { error });
      });
    while (!signal.aborted) {
      await this.relist();
      await this.#o.clock.sleep(this.#o.relistMs, signal).catch(() => {});
    }
    this.#unknownTimer?.cancel();
    await events;
  }

  /** Compares the runtime's lists with what is known and refreshes the pods that differ. Never rejects. */
  relist(): Promise<void> {
    this.#relisting ??= this.#relist().finally(() => {
      this.#relisting = undefined;
    });
    return this.#relisting;
  }

  async #relist(): Promise<void> {
    try {
      const { runtime } = this.#o;
      const [sandboxes, containers] = await Promise.all([
        runtime.ListPodSandbox({}, { timeoutMs: 120_000 }),
        runtime.ListContainers({}, { timeoutMs: 120_000 }),
      ]);
      const summaries = new Map<string, string[]>();
      for (const item of [...(sandboxes.items ?? []), ...(containers.containers ?? [])]) {
        const identity = podIdentityOf(item);
        if (!identity) continue;
        this.#owners.set(item.id ?? '', identity);
        const list = summaries.get(identity.uid) ?? [];
        summaries.set(identity.uid, list);
        list.push(`${item.id}:${item.state}`);
      }
      const changed: string[] = [];
      for (const uid of new Set([...summaries.keys(), ...this.#pods.keys()])) {
        const summary = (summaries.get(uid) ?? []).sort().join();
        if (summary !== this.#summaryOf(uid)) changed.push(uid);
      }
      await Promise.all(changed.map(uid => this.refresh(uid)));
      this.#relistAtMs = this.#o.clock.now();
      this.#error = '';
    } catch (error) {
      this.#error = messageOf(error);
      this.#o.log.warn('relist failed', { error: this.#error });
    }
  }

  readonly #summaries = new Map<string, string>();

  #summaryOf(uid: string): string {
    return this.#summaries.get(uid) ?? '';
  }

  #onEvent(event: RuntimeEvent): void {
    const owner = this.#owners.get(event.id);
    if (owner) {
      this.refresh(owner.uid).catch(error => this.#o.log.debug('refresh after event failed', { error }));
      return;
    }
    // Most unknown ids belong to what a worker is creating, and that worker looks for itself.
    this.#unknownTimer ??= this.#o.clock.after(eventSettleMs * 10, () => {
      this.#unknownTimer = undefined;
      void this.relist();
    });
  }

  /** Asks the runtime about one pod. Who calls sees at least what was true when they called. */
  refresh(uid: string): Promise<ObservedPod> {
    const running = this.#refreshing.get(uid);
    if (running) {
      running.again ??= running.promise.catch(() => {}).then(() => this.#start(uid));
      return running.again;
    }
    return this.#start(uid);
  }

  #start(uid: string): Promise<ObservedPod> {
    const entry: Running = { promise: this.#refresh(uid), again: undefined };
    this.#refreshing.set(uid, entry);
    const end = () => {
      if (this.#refreshing.get(uid) === entry && !entry.again) this.#refreshing.delete(uid);
    };
    entry.promise.then(end, end);
    return entry.promise;
  }

  async #refresh(uid: string): Promise<ObservedPod> {
    const { runtime } = this.#o;
    const filter = { label_selector: { [podUidLabel]: uid } };
    const [sandboxList, containerList] = await Promise.all([
      runtime.ListPodSandbox({ filter }),
      runtime.ListContainers({ filter }),
    ]);
    const items = sandboxList.items ?? [];
    const list = containerList.containers ?? [];
    const old = this.#pods.get(uid);
    const [sandboxes, containers] = await Promise.all([
      Promise.all(items.map(s => this.#sandbox(old, s))),
      Promise.all(list.map(c => this.#container(old, c))),
    ]);
    const identity = [...items, ...list].map(podIdentityOf).find(i => i !== undefined);
    for (const item of [...items, ...list]) if (identity) this.#owners.set(item.id ?? '', identity);
    const summary = [...items, ...list]
      .map(i => `${i.id}:${i.state}`)
      .sort()
      .join();
    const next: ObservedPod = {
      ...emptyObservedPod(identity ?? old ?? { uid, name: '', namespace: '' }),
      sandboxes: sandboxes
        .filter(s => s !== undefined)
        .sort((a, b) => b.createdAtMs - a.createdAtMs || b.attempt - a.attempt),
      containers: containers.filter(c => c !== undefined).sort(newestFirst),
    };
    this.#store(uid, old, next, summary);
    return next;
  }

  #store(uid: string, old: ObservedPod | undefined, next: ObservedPod, summary: string): void {
    const kept = new Set([...next.sandboxes.map(s => s.id), ...next.containers.map(c => c.id)]);
    for (const gone of [...(old?.sandboxes ?? []), ...(old?.containers ?? [])])
      if (!kept.has(gone.id)) this.#owners.delete(gone.id);
    const empty = kept.size === 0;
    if (empty) {
      this.#pods.delete(uid);
      this.#summaries.delete(uid);
    } else {
      this.#pods.set(uid, next);
      this.#summaries.set(uid, summary);
    }
    if (!same(old, next)) for (const listener of this.#listeners) listener(uid);
  }

  async #sandbox(old: ObservedPod | undefined, item: PodSandbox): Promise<ObservedSandbox | undefined> {
    const known = old?.sandboxes.find(s => s.id === item.id);
    const ready = item.state === 'SANDBOX_READY';
    if (known && known.ready === ready && (!ready || known.hostNetwork || known.ips.length > 0)) return known;
    try {
      const { status } = await this.#o.runtime.PodSandboxStatus({ pod_sandbox_id: item.id ?? '' });
      return observeSandbox(item, status);
    } catch (error) {
      if (isRuntimeNotFound(error)) return undefined;
      throw error;
    }
  }

  async #container(old: ObservedPod | undefined, item: Container): Promise<ObservedContainer | undefined> {
    const known = old?.containers.find(c => c.id === item.id);
    if (known && known.state === observedStateOf(item.state)) return known;
    try {
      const { status } = await this.#o.runtime.ContainerStatus({ container_id: item.id ?? '' });
      return status && observeContainer(item.pod_sandbox_id ?? '', status);
    } catch (error) {
      if (isRuntimeNotFound(error)) return undefined;
      throw error;
    }
  }
}

// Restart counts break the tie of containers made in one millisecond.
const newestFirst = (a: ObservedContainer, b: ObservedContainer) =>
  b.createdAtMs - a.createdAtMs || b.restartCount - a.restartCount;

function same(a: ObservedPod | undefined, b: ObservedPod): boolean {
  if (!a) return b.sandboxes.length + b.containers.length === 0;
  return (
    a.sandboxes.length === b.sandboxes.length &&
    a.containers.length === b.containers.length &&
    a.sandboxes.every((s, i) => s === b.sandboxes[i]) &&
    a.containers.every((c, i) => c === b.containers[i])
  );
}
