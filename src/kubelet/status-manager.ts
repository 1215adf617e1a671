// Publishes pod statuses: promptly, only what changed, and never losing the last word.
import { coreV1 } from '../api/refs.ts';
import { isConflict, isNotFound } from '../api/status.ts';
import type { Pod, PodStatus } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import { type Clock, type Timer, turnEnd } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import { ownedConditions } from './kernel/pod-condition.ts';
import { statusPatch } from './kernel/status-patch.ts';

export interface StatusManagerOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  /** The API object a pod's status belongs to: the pod, or a static pod's mirror. Undefined while there is none. */
  apiPod(uid: string): Pod | undefined;
  /** Told when a status is published since when it was another, by the monotonic clock. */
  onSynced?(fromMs: number): void;
}

interface Entry {
  status: PodStatus;
  /** Newest object seen in an answer; the informer may be behind it. */
  answered: Pod | undefined;
  pushing: boolean;
  dirty: boolean;
  failures: number;
  /** Since when what is published is not the status; undefined when it is. */
  changedMs: number | undefined;
  retry: Timer | undefined;
  /** When a status that can wait is published. */
  held: Timer | undefined;
  /** Everything of the pod is undone: its object may go. */
  finished: boolean;
  deleted: boolean;
}

const maxConcurrent = 10;
const maxRetryMs = 10_000;
const maxHeldMs = 1000;
const owned = new Set<string>(ownedConditions);

export interface StatusSources {
  readonly api: Pod | undefined;
  readonly own: PodStatus | undefined;
}

export class StatusManager {
  readonly #o: StatusManagerOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #queue: string[] = [];
  #active = 0;
  /** A pump is about to come. */
  #due = false;

  constructor(options: StatusManagerOptions) {
    this.#o = options;
  }

  /** What the API is known to have of the pod, and the last status set. */
  sourcesOf(uid: string): StatusSources {
    return { api: this.#newest(uid), own: this.#entries.get(uid)?.status };
  }

  /** The last status set, or the published one, with the conditions others have written since. */
  current(pod: Pod): PodStatus {
    const uid = pod.metadata.uid ?? '';
    const api = this.#newest(uid)?.status ?? pod.status ?? {};
    const own = this.#entries.get(uid)?.status;
    if (!own) return api;
    const foreign = (api.conditions ?? []).filter(c => !owned.has(c.type));
    const kept = (own.conditions ?? []).filter(c => owned.has(c.type) || isKubeletsOwn(c, foreign));
    return { ...own, conditions: [...kept, ...foreign.filter(f => !kept.some(k => k.type === f.type))] };
  }

  /** `next`: another status is about to follow, which may be told with it. */
  set(uid: string, status: PodStatus, next = false): void {
    const entry = this.#entries.get(uid);
    if (!entry) {
      this.#entries.set(uid, {
        status,
        answered: undefined,
        pushing: false,
        dirty: false,
        failures: 0,
        changedMs: this.#o.clock.monotonic(),
        retry: undefined,
        held: undefined,
        finished: false,
        deleted: false,
      });
    } else {
      entry.status = status;
      entry.changedMs ??= this.#o.clock.monotonic();
      if (next) {
        entry.held ??= this.#o.clock.after(maxHeldMs, () => this.#enqueue(uid));
        return;
      }
    }
    this.#enqueue(uid);
  }

  /** The API object changed or came to be: what is published may have to be corrected. */
  reconcile(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry && !entry.held) this.#enqueue(uid);
  }

  /** Nothing of the pod is left on the node: once its last status is published, a pod being deleted is deleted. */
  finish(uid: string): void {
    const entry = this.#entries.get(uid);
    if (!entry) return;
    entry.finished = true;
    this.#enqueue(uid);
  }

  forget(uid: string): void {
    const entry = this.#entries.get(uid);
    entry?.retry?.cancel();
    if (entry) release(entry);
    this.#entries.delete(uid);
  }

  stop(): void {
    for (const uid of [...this.#entries.keys()]) this.forget(uid);
  }

  #newest(uid: string): Pod | undefined {
    const seen = this.#o.apiPod(uid);
    const answered = this.#entries.get(uid)?.answered;
    if (!seen || !answered || seen.metadata.uid !== answered.metadata.uid) return seen;
    return revision(answered) > revision(seen) ? answered : seen;
  }

  #enqueue(uid: string): void {
    const entry = this.#entries.get(uid);
    if (!entry) return;
    release(entry);
    if (entry.dirty) return;
    entry.dirty = true;
    if (entry.pushing) return;
    entry.retry?.cancel();
    entry.retry = undefined;
    this.#queue.push(uid);
    this.#pumpSoon();
  }

  /** Once nothing is left to do in this turn of the loop: what follows at once is told with it, in one write. */
  #pumpSoon(): void {
    if (this.#due || this.#active >= maxConcurrent) return;
    this.#due = true;
    turnEnd(() => {
      this.#due = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#active < maxConcurrent) {
      const uid = this.#queue.shift();
      if (uid === undefined) return;
      const entry = this.#entries.get(uid);
      if (!entry || entry.pushing) continue;
      this.#active++;
      entry.pushing = true;
      entry.dirty = false;
      release(entry);
      void this.#push(uid, entry).finally(() => {
        this.#active--;
        entry.pushing = false;
        if (entry.dirty && this.#entries.get(uid) === entry) this.#queue.push(uid);
        this.#pumpSoon();
      });
    }
  }

  async #push(uid: string, entry: Entry): Promise<void> {
    const base = this.#newest(uid);
    if (!base) return;
    const key = { namespace: base.metadata.namespace ?? '', name: base.metadata.name ?? '' };
    try {
      const patch = statusPatch(base, base.status ?? {}, entry.status);
      if (patch) {
        entry.answered = await this.#o.client.patch(
          coreV1.pods,
          key,
          { type: 'strategic', body: patch },
          { subresource: 'status' },
        );
      }
      entry.failures = 0;
      if (entry.changedMs !== undefined && !entry.dirty) {
        if (patch) this.#o.onSynced?.(entry.changedMs);
        entry.changedMs = undefined;
      }
      if (entry.finished && !entry.deleted && !entry.dirty && base.metadata.deletionTimestamp)
        await this.#delete(base, key, entry);
    } catch (error) {
      if (isNotFound(error)) return;
      if (isConflict(error)) this.#o.log.debug('pod status belongs to a former pod', { pod: key.name });
      else this.#o.log.warn('publishing pod status failed', { pod: key.name, error: messageOf(error) });
      const delayMs = Math.min(maxRetryMs, 200 * 2 ** entry.failures++);
      entry.retry = this.#o.clock.after(delayMs, () => this.#enqueue(uid));
    }
  }

  async #delete(pod: Pod, key: { namespace: string; name: string }, entry: Entry): Promise<void> {
    const { uid } = pod.metadata;
    await this.#o.client.delete(coreV1.pods, key, {
      gracePeriodSeconds: 0,
      ...(uid ? { preconditions: { uid } } : {}),
    });
    entry.deleted = true;
  }
}

function release(entry: Entry): void {
  entry.held?.cancel();
  entry.held = undefined;
}

const revision = (pod: Pod) => Number(pod.metadata.resourceVersion ?? 0) || 0;

// DisruptionTarget is written by several; the kubelet's own, not yet published one must not be lost.
function isKubeletsOwn(
  c: { readonly type: string; readonly status: string },
  foreign: readonly { type: string; status: string }[],
) {
  return c.type === 'DisruptionTarget' && !foreign.some(f => f.type === c.type && f.status === c.status);
}
