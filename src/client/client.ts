// What every component sees of the API server. Implementations: in-process (src/apiserver) and HTTPS (http-client.ts);
// both run client-conformance.ts.
import type { Draft, KubeList, KubeObject, ObjectKey } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import type { Status } from '../api/type/meta-v1.ts';

export interface GetOptions {
  resourceVersion?: string;
}

export interface ListOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
}

export interface WriteOptions {
  dryRun?: boolean;
  /** Who the written fields belong to in managedFields; default: the client's user agent. */
  fieldManager?: string;
  fieldValidation?: 'Ignore' | 'Warn' | 'Strict';
}

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: boolean;
}

export type Patch =
  | { readonly type: 'json'; readonly body: readonly unknown[] }
  | { readonly type: 'merge' | 'strategic'; readonly body: unknown }
  | { readonly type: 'apply'; readonly body: unknown; readonly force?: boolean };

export interface PatchOptions extends WriteOptions {
  /** 'status', 'scale', …; absent: the object itself. */
  subresource?: string;
}

export interface WatchOptions {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
  /** Start behind this revision; absent or '0': begin with what exists as ADDED events. */
  resourceVersion?: string;
  /** Begin with what exists, then a BOOKMARK with the annotation `k8s.io/initial-events-end`. */
  sendInitialEvents?: boolean;
  timeoutSeconds?: number;
}

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';

export interface WatchHandler<T> {
  onEvent(type: WatchEventType, object: T): void;
  /** The watch is over: undefined after a normal end (time-out, stop of the server), a StatusError (410: list again) or a connection error. Called once, never after stop(). */
  onClose(error: Error | undefined): void;
}

export interface WatchHandle {
  stop(): void;
}

/** All methods reject with StatusError (api/status.ts) for every answer other than success. */
export interface Client {
  get<T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey, options?: GetOptions): Promise<T>;
  list<T extends KubeObject>(resource: ResourceRef<T>, options?: ListOptions): Promise<KubeList<T>>;
  /** Into `metadata.namespace`; kind and apiVersion are filled in. */
  create<T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>, options?: WriteOptions): Promise<T>;
  update<T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>, options?: WriteOptions): Promise<T>;
  updateStatus<T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>, options?: WriteOptions): Promise<T>;
  patch<T extends KubeObject>(
    resource: ResourceRef<T>,
    key: ObjectKey,
    patch: Patch,
    options?: PatchOptions,
  ): Promise<T>;
  /** Resolves with the object (when it lives on for its finalizers or grace period) or a Status. */
  delete<T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey, options?: DeleteOptions): Promise<T | Status>;
  deleteCollection(resource: ResourceRef<KubeObject>, list: ListOptions, options?: DeleteOptions): Promise<void>;
  /** Never throws; every failure comes through `onClose`. */
  watch<T extends KubeObject>(resource: ResourceRef<T>, options: WatchOptions, handler: WatchHandler<T>): WatchHandle;
  /** POST to a subresource: pods/binding, pods/eviction, serviceaccounts/token. */
  createSubresource<R = unknown>(
    resource: ResourceRef,
    key: ObjectKey,
    subresource: string,
    body: object,
    options?: WriteOptions,
  ): Promise<R>;
  /** GET or PUT of scale and its like. */
  getSubresource<R = unknown>(resource: ResourceRef, key: ObjectKey, subresource: string): Promise<R>;
  updateSubresource<R = unknown>(resource: ResourceRef, key: ObjectKey, subresource: string, body: object): Promise<R>;
  /** GET of any path that is not a resource (/version, /openapi/v3, …). */
  raw(path: string): Promise<unknown>;
  /** The same connection acting as this user agent / component (in-process: as this service account of kube-system). */
  as(identity: { userAgent: string; serviceAccount?: string }): Client;
}
