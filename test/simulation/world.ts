// The truth as the store has it, kept from its writes in their order.
import type { Clock, StoreEvent } from '../../src/cluster/index.ts';

// Objects of every kind, as stored.
export type Any = any;

export interface Change {
  readonly type: 'put' | 'delete';
  /** `pods`, `deployments`, `minions`, …: the first part of the key. */
  readonly kind: string;
  readonly object: Any;
  /** Before the change; absent on a create. */
  readonly old: Any | undefined;
}

const interesting = new Set([
  ...['pods', 'minions', 'replicasets', 'deployments', 'statefulsets', 'daemonsets', 'controllerrevisions'],
  ...['jobs', 'cronjobs', 'resourcequotas', 'poddisruptionbudgets'],
]);

/** Objects by kind and `namespace/name`, and when things of interest were true last. */
export class World {
  readonly #kinds = new Map<string, Map<string, Any>>();
  /** When a pod of this name, whatever its uid, was ready last; Infinity while it is. */
  readonly #readyMs = new Map<string, number>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get now(): number {
    return this.#clock.now();
  }

  /** Undefined for what no rule is about. */
  apply(event: StoreEvent): Change | undefined {
    const [, , kind = '', ...rest] = event.key.split('/');
    if (!interesting.has(kind)) return undefined;
    const key = rest.join('/');
    const all = this.#of(kind);
    const old = all.get(key);
    const object = JSON.parse(Buffer.from(event.value).toString());
    if (event.type === 'put') all.set(key, object);
    else all.delete(key);
    if (kind === 'pods') this.#noteReady(key, event.type === 'put' ? object : undefined);
    return { type: event.type, kind, object, old };
  }

  all(kind: string): Any[] {
    return [...this.#of(kind).values()];
  }

  get(kind: string, namespace: string, name: string): Any | undefined {
    return this.#of(kind).get(namespace ? `${namespace}/${name}` : name);
  }

  /** Pods that this object controls. */
  podsOf(owner: Any): Any[] {
    return this.all('pods').filter(p => controllerOf(p)?.uid === owner.metadata.uid);
  }

  /** Milliseconds since a pod of this name was ready; Infinity when it never was. */
  sinceReadyMs(namespace: string, name: string): number {
    const at = this.#readyMs.get(`${namespace}/${name}`);
    return at === undefined ? Number.POSITIVE_INFINITY : Math.max(0, this.now - at);
  }

  #of(kind: string): Map<string, Any> {
    const all = this.#kinds.get(kind) ?? new Map<string, Any>();
    this.#kinds.set(kind, all);
    return all;
  }

  #noteReady(key: string, pod: Any): void {
    if (pod && isReady(pod)) this.#readyMs.set(key, Number.POSITIVE_INFINITY);
    else if (this.#readyMs.get(key) === Number.POSITIVE_INFINITY) this.#readyMs.set(key, this.now);
  }
}

export const controllerOf = (object: Any): Any => object.metadata.ownerReferences?.find((o: Any) => o.controller);
export const isReady = (pod: Any): boolean =>
  pod.status?.conditions?.some((c: Any) => c.type === 'Ready' && c.status === 'True') === true;
export const isOver = (pod: Any): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
export const isEnding = (object: Any): boolean => object.metadata.deletionTimestamp !== undefined;
/** Takes room and counts for its owner. */
export const isLive = (pod: Any): boolean => !isOver(pod) && !isEnding(pod);

/** A number of pods or a percentage of `total`. */
export function part(value: number | string | undefined, total: number, up: boolean): number {
  if (typeof value !== 'string') return value ?? 0;
  const share = (Number.parseInt(value, 10) * total) / 100;
  return up ? Math.ceil(share) : Math.floor(share);
}
