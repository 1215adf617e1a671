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
  /** Told after each complete relist when it began, by the monotonic clock. */
  readonly onRelist?: (fromMs: number) => void;
}

/** What of a pod to ask the runtime about: everything, or only these sandboxes and containers. */
interface Question {
  all: boolean;
  readonly sandboxes: Set<string>;
  /** Ids of containers, with their sandboxes' ids. */
  readonly containers: Map<string, string>;
}

interface Running {
  readonly promise: Promise<ObservedPod>;
  again: { readonly promise: Promise<ObservedPod>; readonly question: Question } | undefined;
}

const unknownMs = 200;

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
  /** Workers that are making a sandbox or container whose id they do not know yet. */
  #making = 0;
  /** Ids of what workers have made and not looked at yet; they do once it has started. */
  readonly #made = new Set<string>();
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
    const fromMs = this.#o.clock.monotonic();
    try {
      const { runtime } = this.#o;
      const [sandboxes, containers] = await Promise.all([
        runtime.ListPodSandbox({}, { timeoutMs: 120_000 }),
        runtime.ListContainers({}, { timeoutMs: 120_000 }),
      ]);
      const changed = this.#compare(sandboxes.items ?? [], containers.containers ?? []);
      await Promise.all(changed.map(uid => this.refresh(uid)));
      this.#relistAtMs = this.#o.clock.now();
      this.#error = '';
      this.#o.onRelist?.(fromMs);
    } catch (error) {
      this.#error = messageOf(error);
      this.#o.log.warn('relist failed', { error: this.#error });
    }
  }

  /** The pods of which not everything is listed as it is known, or not everything listed is known. */
  #compare(sandboxes: readonly PodSandbox[], containers: readonly Container[]): readonly string[] {
    /** By uid how many listed are as known; -1 when one is not. */
    const seen = new Map<string, number>();
    const note = (item: PodSandbox | Container, isKnown: (pod: ObservedPod) => boolean) => {
      const identity = podIdentityOf(item);
      if (!identity) return;
      const { uid } = identity;
      this.#owners.set(item.id ?? '', identity);
      const pod = this.#pods.get(uid);
      const count = seen.get(uid) ?? 0;
      seen.set(uid, count >= 0 && pod && isKnown(pod) ? count + 1 : -1);
    };
    for (const item of sandboxes) {
      const ready = item.state === 'SANDBOX_READY';
      note(item, pod => pod.sandboxes.some(s => s.id === item.id && s.ready === ready));
    }
    for (const item of containers) {
      const state = observedStateOf(item.state);
      note(item, pod => pod.containers.some(c => c.id === item.id && c.state === state));
    }
    const changed: string[] = [];
    for (const [uid, count] of seen) {
      const pod = this.#pods.get(uid);
      if (count !== (pod ? pod.sandboxes.length + pod.containers.length : 0)) changed.push(uid);
    }
    for (const uid of this.#pods.keys()) if (!seen.has(uid)) changed.push(uid);
    return changed;
  }

  #onEvent(event: RuntimeEvent): void {
    const owner = this.#owners.get(event.id);
    if (owner) {
      if (event.type === 'started' && this.#made.has(event.id)) return;
      const pod = this.#pods.get(owner.uid);
      const container = pod?.containers.find(c => c.id === event.id);
      if (event.type === 'started' && container?.state === 'running') return;
      const question = nothing();
      if (container) question.containers.set(event.id, container.sandboxId);
      else if (pod?.sandboxes.some(s => s.id === event.id)) question.sandboxes.add(event.id);
      else question.all = true;
      this.#ask(owner.uid, question).catch(error =>
        this.#o.log.debug('refresh after event failed', { error: messageOf(error) }),
      );
      return;
    }
    // It belongs to what a worker is making, who looks for itself.
    if (this.#making > 0) return;
    this.#unknownTimer ??= this.#o.clock.after(unknownMs, () => {
      this.#unknownTimer = undefined;
      void this.relist();
    });
  }

  /** Runs what makes a sandbox or a container and gives its id; from then on the cache knows whose it is. */
  async making(owner: PodIdentity, make: () => Promise<string>): Promise<string> {
    this.#making++;
    try {
      const id = await make();
      this.#owners.set(id, owner);
      this.#made.add(id);
      return id;
    } catch (error) {
      // What it has left behind must be known before the next try.
      await this.refresh(owner.uid).catch(() => {});
      throw error;
    } finally {
      this.#making--;
    }
  }

  /** Asks about one sandbox. */
  async lookAtSandbox(uid: string, id: string): Promise<void> {
    this.#made.delete(id);
    await this.#ask(uid, { ...nothing(), sandboxes: new Set([id]) });
  }

  /** Asks about one container. */
  async lookAtContainer(uid: string, id: string, sandboxId: string): Promise<void> {
    this.#made.delete(id);
    await this.#ask(uid, { ...nothing(), containers: new Map([[id, sandboxId]]) });
  }

  /** Asks the runtime about one pod. Who calls sees at least what was true when they called. */
  refresh(uid: string): Promise<ObservedPod> {
    return this.#ask(uid, { ...nothing(), all: true });
  }

  /** What is known once nothing is being asked; a pod never heard of is asked about when nothing has been listed yet. */
  async known(uid: string): Promise<ObservedPod> {
    const running = this.#refreshing.get(uid);
    if (running) return running.again?.promise ?? running.promise;
    const pod = this.#pods.get(uid);
    if (pod) return pod;
    return this.#relistAtMs === 0 || this.#error
      ? this.refresh(uid)
      : emptyObservedPod({ uid, name: '', namespace: '' });
  }

  // One question after the other for each pod, those that come meanwhile together.
  #ask(uid: string, question: Question): Promise<ObservedPod> {
    const running = this.#refreshing.get(uid);
    if (!running) return this.#start(uid, question);
    if (!running.again) {
      const promise = running.promise.catch(() => {}).then(() => this.#start(uid, question));
      running.again = { promise, question };
      return promise;
    }
    const later = running.again.question;
    later.all ||= question.all;
    for (const id of question.sandboxes) later.sandboxes.add(id);
    for (const [id, sandboxId] of question.containers) later.containers.set(id, sandboxId);
    return running.again.promise;
  }

  #start(uid: string, question: Question): Promise<ObservedPod> {
    const entry: Running = { promise: question.all ? this.#list(uid) : this.#look(uid, question), again: undefined };
    this.#refreshing.set(uid, entry);
    const end = () => {
      if (this.#refreshing.get(uid) === entry && !entry.again) this.#refreshing.delete(uid);
    };
    entry.promise.then(end, end);
    return entry.promise;
  }

  async #list(uid: string): Promise<ObservedPod> {
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
    return this.#store(uid, identity, sandboxes, containers);
  }

  async #look(uid: string, { sandboxes: sandboxIds, containers: containerIds }: Question): Promise<ObservedPod> {
    const old = this.#pods.get(uid);
    const [sandboxes, containers] = await Promise.all([
      Promise.all([...sandboxIds].map(id => this.#sandboxStatus(id))),
      Promise.all([...containerIds].map(([id, sandboxId]) => this.#containerStatus(id, sandboxId))),
    ]);
    return this.#store(
      uid,
      this.#owners.get([...sandboxIds, ...containerIds.keys()][0] ?? ''),
      [...sandboxes, ...(old?.sandboxes ?? []).filter(s => !sandboxIds.has(s.id))],
      [...containers, ...(old?.containers ?? []).filter(c => !containerIds.has(c.id))],
    );
  }

  #store(
    uid: string,
    identity: PodIdentity | undefined,
    sandboxes: readonly (ObservedSandbox | undefined)[],
    containers: readonly (ObservedContainer | undefined)[],
  ): ObservedPod {
    const old = this.#pods.get(uid);
    const next: ObservedPod = {
      ...emptyObservedPod(identity ?? old ?? { uid, name: '', namespace: '' }),
      sandboxes: sandboxes
        .filter(s => s !== undefined)
        .sort((a, b) => b.createdAtMs - a.createdAtMs || b.attempt - a.attempt),
      containers: containers.filter(c => c !== undefined).sort(newestFirst),
    };
    const kept = new Set([...next.sandboxes.map(s => s.id), ...next.containers.map(c => c.id)]);
    for (const gone of [...(old?.sandboxes ?? []), ...(old?.containers ?? [])])
      if (!kept.has(gone.id)) this.#owners.delete(gone.id);
    if (kept.size === 0) this.#pods.delete(uid);
    else this.#pods.set(uid, next);
    if (!same(old, next)) for (const listener of this.#listeners) listener(uid);
    return next;
  }

  async #sandbox(old: ObservedPod | undefined, item: PodSandbox): Promise<ObservedSandbox | undefined> {
    const known = old?.sandboxes.find(s => s.id === item.id);
    const ready = item.state === 'SANDBOX_READY';
    if (known && known.ready === ready && (!ready || known.hostNetwork || known.ips.length > 0)) return known;
    return this.#sandboxStatus(item.id ?? '');
  }

  async #container(old: ObservedPod | undefined, item: Container): Promise<ObservedContainer | undefined> {
    const known = old?.containers.find(c => c.id === item.id);
    if (known && known.state === observedStateOf(item.state)) return known;
    return this.#containerStatus(item.id ?? '', item.pod_sandbox_id ?? '');
  }

  #sandboxStatus(id: string): Promise<ObservedSandbox | undefined> {
    return unlessGone(async () => {
      const { status } = await this.#o.runtime.PodSandboxStatus({ pod_sandbox_id: id });
      return status && observeSandbox(status);
    });
  }

  #containerStatus(id: string, sandboxId: string): Promise<ObservedContainer | undefined> {
    return unlessGone(async () => {
      const { status } = await this.#o.runtime.ContainerStatus({ container_id: id });
      return status && observeContainer(sandboxId, status);
    });
  }
}

async function unlessGone<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (isRuntimeNotFound(error)) return undefined;
    throw error;
  }
}

const nothing = (): Question => ({ all: false, sandboxes: new Set(), containers: new Map() });

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
