// Writes of a pod's status: the PodScheduled condition and the nominated node.
import { formatTime } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import { isNotFound, StatusError } from '../api/status.ts';
import type { Pod, PodCondition } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import type { PodStatusWrites } from './framework.ts';

type StatusWrite = Parameters<PodStatusWrites['write']>[1];

export interface PodStatusWriterOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
}

const tries = 3;
const retryMs = 100;

/** One write at a time a pod; of several that wait only the last is made. */
export class PodStatusWriter implements PodStatusWrites {
  readonly #o: PodStatusWriterOptions;
  readonly #waiting = new Map<string, { pod: Pod; write: StatusWrite }>();
  readonly #running = new Map<string, Promise<void>>();

  constructor(options: PodStatusWriterOptions) {
    this.#o = options;
  }

  async idle(): Promise<void> {
    while (this.#running.size) await Promise.all(this.#running.values());
  }

  write(pod: Pod, write: StatusWrite): Promise<void> {
    const id = pod.metadata.uid ?? '';
    this.#waiting.set(id, { pod, write: { ...this.#waiting.get(id)?.write, ...write } });
    let running = this.#running.get(id);
    if (!running) {
      running = this.#drain(id).finally(() => this.#running.delete(id));
      this.#running.set(id, running);
    }
    return running;
  }

  async #drain(id: string): Promise<void> {
    for (let next = this.#waiting.get(id); next; next = this.#waiting.get(id)) {
      this.#waiting.delete(id);
      await this.#send(next.pod, next.write);
    }
  }

  async #send(pod: Pod, write: StatusWrite): Promise<void> {
    const status = this.#patchOf(pod, write);
    if (!status) return;
    const { namespace, name, uid } = pod.metadata;
    const body = { metadata: { uid }, status };
    for (let n = 1; ; n++) {
      try {
        const key = { namespace: namespace!, name: name! };
        await this.#o.client.patch(coreV1.pods, key, { type: 'strategic', body }, { subresource: 'status' });
        return;
      } catch (error) {
        if (isNotFound(error)) return;
        const transient = !(error instanceof StatusError) || error.code >= 500 || error.code === 429;
        if (!transient || n === tries) {
          this.#o.log.warn('updating the status of a pod failed', {
            pod: `${namespace}/${name}`,
            error: messageOf(error),
          });
          return;
        }
      }
      await this.#o.clock.sleep(retryMs * n);
    }
  }

  /** Undefined when the pod says so already. */
  #patchOf(pod: Pod, { condition, nominatedNode }: StatusWrite): object | undefined {
    const status: Record<string, unknown> = {};
    if (condition) {
      const old = pod.status?.conditions?.find(c => c.type === condition.type);
      const next = this.#condition(pod, condition, old);
      if (!old || !sameCondition(old, next)) status.conditions = [next];
    }
    if (nominatedNode !== undefined && nominatedNode !== (pod.status?.nominatedNodeName ?? ''))
      status.nominatedNodeName = nominatedNode || null;
    return Object.keys(status).length ? status : undefined;
  }

  #condition(pod: Pod, wanted: NonNullable<StatusWrite['condition']>, old: PodCondition | undefined): PodCondition {
    const { generation } = pod.metadata;
    return {
      ...wanted,
      ...(generation ? { observedGeneration: generation } : {}),
      lastTransitionTime:
        old?.status === wanted.status && old.lastTransitionTime
          ? old.lastTransitionTime
          : formatTime(this.#o.clock.now()),
    };
  }
}

const sameCondition = (a: PodCondition, b: PodCondition): boolean =>
  a.status === b.status &&
  a.reason === b.reason &&
  a.message === b.message &&
  a.observedGeneration === b.observedGeneration;
