// The mirror pods that show static pods in the API.
import { cloneDeep } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../api/status.ts';
import type { Node, Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Log } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import { hashAnnotation, sourceAnnotation } from './static-pod-manifest.ts';

export const mirrorAnnotation = 'kubernetes.io/config.mirror';

export const isMirror = (pod: Pod) => pod.metadata.annotations?.[mirrorAnnotation] !== undefined;
export const isStatic = (pod: Pod) => (pod.metadata.annotations?.[sourceAnnotation] ?? 'api') !== 'api';
/** Not of one that had its name before. */
export const isMirrorOf = (mirror: Pod, pod: Pod) =>
  mirror.metadata.annotations?.[mirrorAnnotation] === pod.metadata.annotations?.[hashAnnotation];
export const fullNameOf = (pod: Pod) => `${pod.metadata.namespace}/${pod.metadata.name}`;

export interface MirrorOptions {
  readonly client: Client;
  readonly log: Log;
  node(): Node | undefined;
}

/** Makes the mirror of a static pod what it should be. */
export class MirrorPods {
  readonly #o: MirrorOptions;
  readonly #busy = new Set<string>();

  constructor(options: MirrorOptions) {
    this.#o = options;
  }

  /** True when the mirror is as it should be or was just made. */
  async ensure(pod: Pod, mirror: Pod | undefined): Promise<boolean> {
    const hash = pod.metadata.annotations?.[hashAnnotation] ?? '';
    if (mirror && isMirrorOf(mirror, pod) && !mirror.metadata.deletionTimestamp) return true;
    const key = fullNameOf(pod);
    if (this.#busy.has(key)) return false;
    this.#busy.add(key);
    try {
      if (mirror) await this.remove(mirror);
      await this.#create(pod, hash);
      return true;
    } catch (error) {
      if (!isAlreadyExists(error))
        this.#o.log.warn('making a mirror pod failed', { pod: key, error: messageOf(error) });
      return false;
    } finally {
      this.#busy.delete(key);
    }
  }

  async #create(pod: Pod, hash: string): Promise<void> {
    const node = this.#o.node();
    if (!node?.metadata.uid) throw new Error('the node is not registered yet');
    const { uid: _uid, ...metadata } = pod.metadata;
    const mirror = {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: {
        ...metadata,
        annotations: { ...metadata.annotations, [mirrorAnnotation]: hash },
        ownerReferences: [
          { apiVersion: 'v1', kind: 'Node', name: node.metadata.name ?? '', uid: node.metadata.uid, controller: true },
        ],
      },
      spec: pod.spec,
    };
    await this.#o.client.create(coreV1.pods, cloneDeep(mirror as unknown as Pod));
  }

  async remove(mirror: Pod): Promise<void> {
    const { namespace = '', name = '', uid } = mirror.metadata;
    try {
      await this.#o.client.delete(
        coreV1.pods,
        { namespace, name },
        { gracePeriodSeconds: 0, ...(uid ? { preconditions: { uid } } : {}) },
      );
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
