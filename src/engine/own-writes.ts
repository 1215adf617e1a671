import { type KubeObject, keyOf } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import type { Status } from '../api/type/meta-v1.ts';
import type { CounterMetric } from '../base/metrics.ts';
import type { InformerFactory } from '../client/informer.ts';
import type { ControllerContext } from './controller.ts';

interface Owner {
  readonly uid: string;
  /** The newest version written, by id of the resource. */
  readonly written: Map<string, { readonly resource: ResourceRef; version: number }>;
  /** How often it was found behind in a row. */
  skips: number;
}

const firstWaitMs = 5;
const longestWaitMs = 1000;

/**
 * What a controller has written of its owners and for them: who acts on older copies does again what is done already.
 * The copies are no longer behind when their informers have come to these versions, whether or not they ever showed
 * the objects themselves: what came and went between two looks is not waited for.
 */
export class OwnWrites {
  /** Off: nothing is ever behind. */
  readonly on: boolean;
  readonly #informers: InformerFactory;
  readonly #skips: CounterMetric;
  readonly #log: ControllerContext['log'];
  readonly #owners = new Map<string, Owner>();
  /** How far each resource had come when last looked at. */
  readonly #seen = new Map<string, number>();

  /** `controller`: as its metrics are called, `replicaset`. */
  constructor(context: Pick<ControllerContext, 'informers' | 'metrics' | 'log'>, controller: string, on = true) {
    this.on = on;
    this.#informers = context.informers;
    this.#log = context.log;
    this.#skips = context.metrics.counter(
      `${controller}_controller_stale_sync_skips_total`,
      'Total number of syncs skipped due to a stale watch cache.',
      ['group', 'resource'],
    );
  }

  /** `answer`: what the API server said to the write. */
  wrote(owner: KubeObject, resource: ResourceRef<any>, answer: KubeObject | Status | undefined): void {
    const version = Number(answer?.metadata?.resourceVersion);
    if (!this.on || !(version > 0)) return;
    const key = keyOf(owner);
    const { uid } = owner.metadata;
    let record = this.#owners.get(key);
    if (record?.uid !== uid) {
      record = { uid, written: new Map(), skips: 0 };
      this.#owners.set(key, record);
    }
    const id = idOf(resource);
    const before = record.written.get(id);
    if (!before) record.written.set(id, { resource, version });
    else if (version > before.version) before.version = version;
  }

  /** Milliseconds after which to look again, for not everything written is in sight; undefined when it is. */
  waitMs(key: string): number | undefined {
    const record = this.#owners.get(key);
    if (!record) return undefined;
    for (const [id, { resource, version }] of record.written) {
      const seen = this.#versionOf(id, resource);
      if (seen === undefined || seen >= version) {
        record.written.delete(id);
        continue;
      }
      const { group, resource: name } = resource;
      this.#skips.inc({ group, resource: name });
      this.#log.debug('the last writes are not in sight yet', { key, resource: name, written: version, seen });
      return Math.min(firstWaitMs * 2 ** Math.min(record.skips++, 20), longestWaitMs);
    }
    this.#owners.delete(key);
    return undefined;
  }

  /** The owner is gone. */
  forget(key: string): void {
    this.#owners.delete(key);
  }

  /** Undefined when versions have gone back, as after a restore: what was written is of another time. */
  #versionOf(id: string, resource: ResourceRef<any>): number | undefined {
    const now = Number(this.#informers.informer(resource).resourceVersion ?? 0);
    const before = this.#seen.get(id) ?? 0;
    this.#seen.set(id, now);
    if (now >= before) return now;
    for (const { written } of this.#owners.values()) written.delete(id);
    return undefined;
  }
}

const idOf = (r: ResourceRef): string => `${r.group}/${r.resource}`;
