// A local, always current copy of a resource. The factory shares one watch among all who ask for the same resource.
import type { KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';

/** Reads from the local copy; objects are shared and never changed. */
export interface Lister<T> {
  /** By `namespace/name` (or `name`). */
  get(key: string): T | undefined;
  list(namespace?: string): readonly T[];
  /** Objects whose index function gave `value`. */
  byIndex(index: string, value: string): readonly T[];
  readonly size: number;
}

export interface InformerHandler<T> {
  onAdd?(object: T): void;
  onUpdate?(object: T, old: T): void;
  /** The last known state. */
  onDelete?(object: T): void;
}

export interface Informer<T extends KubeObject> {
  readonly resource: ResourceRef<T>;
  readonly lister: Lister<T>;
  /** True once the first list has been delivered. */
  readonly synced: boolean;
  /** How far the local copy has followed: of the last event, bookmark or list. Undefined before the first list. */
  readonly resourceVersion: string | undefined;
  whenSynced(signal?: AbortSignal): Promise<void>;
  /** Handlers get an onAdd for everything already there. Returns the removal. */
  addHandler(handler: InformerHandler<T>): () => void;
  /** Same name, same function; may be added at any time. */
  addIndex(name: string, values: (object: T) => readonly string[]): void;
}

export interface InformerOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

export interface InformerFactory {
  /** The shared informer; starts it when the factory runs. */
  informer<T extends KubeObject>(resource: ResourceRef<T>, options?: InformerOptions): Informer<T>;
  run(signal: AbortSignal): Promise<void>;
  whenSynced(signal?: AbortSignal): Promise<void>;
}
