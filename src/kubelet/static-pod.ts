// Pods from manifests on this machine, and the mirror pods that show them in the API.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { cloneDeep, formatMicroTime } from '../api/meta.ts';
import { apiReference } from '../api/pod-reference.ts';
import { coreV1 } from '../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../api/status.ts';
import type { Node, Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import type { Host } from './host/host.ts';

export const mirrorAnnotation = 'kubernetes.io/config.mirror';
const hashAnnotation = 'kubernetes.io/config.hash';
const seenAnnotation = 'kubernetes.io/config.seen';
export const sourceAnnotation = 'kubernetes.io/config.source';

export const isMirror = (pod: Pod) => pod.metadata.annotations?.[mirrorAnnotation] !== undefined;
export const isStatic = (pod: Pod) => (pod.metadata.annotations?.[sourceAnnotation] ?? 'api') !== 'api';
/** Not of one that had its name before. */
export const isMirrorOf = (mirror: Pod, pod: Pod) =>
  mirror.metadata.annotations?.[mirrorAnnotation] === pod.metadata.annotations?.[hashAnnotation];
export const fullNameOf = (pod: Pod) => `${pod.metadata.namespace}/${pod.metadata.name}`;

export interface StaticPodOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly path: string;
  /** Between two readings, beside what the directory tells. */
  readonly rereadMs: number;
  readonly nodeName: string;
  /** A pod that is left alone, and why. */
  onInvalid(pod: Pod, message: string): void;
  /** All static pods there are now. */
  onChange(pods: readonly Pod[]): void;
}

const settleMs = 200;

export class StaticPodSource {
  readonly #o: StaticPodOptions;
  #timer: Timer | undefined;
  #last = '';
  /** First sight of a manifest, by uid: it must not change with each reading. */
  readonly #seen = new Map<string, string>();

  constructor(options: StaticPodOptions) {
    this.#o = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    let unwatch: (() => void) | undefined;
    while (!signal.aborted) {
      try {
        unwatch ??= this.#o.host.watch(this.#o.path, () => this.#soon());
      } catch {
        // A directory that comes later is found by reading again.
      }
      await this.read();
      await this.#o.clock.sleep(this.#o.rereadMs, signal).catch(() => {});
    }
    unwatch?.();
    this.#timer?.cancel();
  }

  #soon(): void {
    this.#timer ??= this.#o.clock.after(settleMs, () => {
      this.#timer = undefined;
      void this.read();
    });
  }

  async read(): Promise<void> {
    const pods: Pod[] = [];
    for (const file of await this.#files()) {
      try {
        const text = await this.#o.host.readFile(file);
        if (text !== undefined) pods.push(...this.#parse(file, text));
      } catch (error) {
        this.#o.log.error('reading a static pod manifest failed', { file, error: messageOf(error) });
      }
    }
    const digest = pods.map(p => p.metadata.uid).join();
    if (digest === this.#last) return;
    this.#last = digest;
    const byName = new Map<string, Pod>();
    for (const pod of pods)
      if (byName.getOrInsert(fullNameOf(pod), pod) !== pod) this.#o.onInvalid(pod, duplicateMessage(pod));
    this.#o.onChange([...byName.values()]);
  }

  async #files(): Promise<readonly string[]> {
    const { host, path } = this.#o;
    const info = await host.info(path);
    if (info?.kind === 'file') return [path];
    const names = info ? await host.list(path) : [];
    return names
      .filter(n => !n.startsWith('.'))
      .sort()
      .map(n => join(path, n));
  }

  #parse(file: string, text: string): readonly Pod[] {
    const out: Pod[] = [];
    for (const document of parseAllDocuments(text)) {
      if (document.errors.length) throw document.errors[0]!;
      const value = document.toJS() as Pod | null;
      if (!value) continue;
      if (value.kind !== 'Pod' || value.apiVersion !== 'v1')
        throw new Error(`invalid pod: expected v1 Pod, got ${value.apiVersion} ${value.kind}`);
      if (!value.metadata?.name || !value.spec?.containers?.length)
        throw new Error('invalid pod: metadata.name and spec.containers are required');
      // Nobody has checked whether who wrote the manifest may read it.
      const reference = apiReference(value);
      if (reference) throw new Error(`static pods may not reference ${reference}`);
      out.push(this.#pod(file, value));
    }
    return out;
  }

  #pod(file: string, manifest: Pod): Pod {
    const { nodeName, clock } = this.#o;
    const uid =
      manifest.metadata.uid ??
      createHash('md5').update(JSON.stringify(manifest)).update(`host:${nodeName}file:${file}`).digest('hex');
    // As Go writes a time with its fractions: without zeros at the end.
    const seen = this.#seen.get(uid) ?? formatMicroTime(clock.now()).replace(/\.?0+Z$/, 'Z');
    this.#seen.set(uid, seen);
    const toleration = { operator: 'Exists' as const, effect: 'NoExecute' as const };
    return {
      ...manifest,
      metadata: {
        ...manifest.metadata,
        name: `${manifest.metadata.name}-${nodeName.toLowerCase()}`,
        namespace: manifest.metadata.namespace || 'default',
        uid,
        annotations: {
          ...manifest.metadata.annotations,
          [hashAnnotation]: uid,
          [seenAnnotation]: seen,
          [sourceAnnotation]: 'file',
        },
      },
      spec: {
        ...manifest.spec,
        nodeName,
        tolerations: [...(manifest.spec.tolerations ?? []), toleration],
      },
      status: { phase: 'Pending' },
    };
  }
}

function duplicateMessage({ metadata: { name, namespace, uid } }: Pod): string {
  return `Error validating pod ${name}_${namespace}(${uid}) from file due to duplicate pod name "${name}", ignoring`;
}

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
