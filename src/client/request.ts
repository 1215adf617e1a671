// Client calls as HTTP requests: paths, queries and patch types. Pure.
import type { ObjectKey } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import type { DeleteOptions, ListOptions, Patch, WatchOptions, WriteOptions } from './client.ts';

export type Query = Record<string, string | number | boolean | undefined>;

/** `/apis/apps/v1/namespaces/a/deployments/b/status`; all namespaces when `namespace` is absent. */
export function pathOf(resource: ResourceRef, namespace: string | undefined, name?: string, sub?: string): string {
  let path = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  if (resource.namespaced && namespace) path += `/namespaces/${encodeURIComponent(namespace)}`;
  path += `/${resource.resource}`;
  if (name !== undefined) path += `/${encodeURIComponent(name)}`;
  return sub ? `${path}/${sub}` : path;
}

export function keyPath(resource: ResourceRef, key: ObjectKey, sub?: string): string {
  if (!key.name) throw new TypeError('resource name may not be empty');
  if (resource.namespaced && !key.namespace)
    throw new TypeError('an empty namespace may not be set when a resource name is provided');
  return pathOf(resource, key.namespace, key.name, sub);
}

/** The path with what is set of the query. */
export function withQuery(path: string, query: Query): string {
  let out = path;
  let sep = path.includes('?') ? '&' : '?';
  for (const name in query) {
    const value = query[name];
    if (value === undefined || value === '') continue;
    out += `${sep}${name}=${encodeURIComponent(String(value))}`;
    sep = '&';
  }
  return out;
}

export function listQuery(o: ListOptions): Query {
  return {
    labelSelector: o.labelSelector,
    fieldSelector: o.fieldSelector,
    limit: o.limit,
    continue: o.continue,
    resourceVersion: o.resourceVersion,
    resourceVersionMatch: o.resourceVersionMatch,
  };
}

export function watchQuery(o: WatchOptions): Query {
  return {
    watch: 'true',
    allowWatchBookmarks: 'true',
    labelSelector: o.labelSelector,
    fieldSelector: o.fieldSelector,
    resourceVersion: o.resourceVersion,
    ...(o.sendInitialEvents ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' } : {}),
    timeoutSeconds: o.timeoutSeconds,
  };
}

export function writeQuery(o: WriteOptions): Query {
  return { dryRun: o.dryRun ? 'All' : undefined, fieldManager: o.fieldManager, fieldValidation: o.fieldValidation };
}

export function deleteBody(o: DeleteOptions): object {
  return {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    ...(o.gracePeriodSeconds !== undefined ? { gracePeriodSeconds: o.gracePeriodSeconds } : {}),
    ...(o.preconditions ? { preconditions: o.preconditions } : {}),
    ...(o.propagationPolicy ? { propagationPolicy: o.propagationPolicy } : {}),
    ...(o.dryRun ? { dryRun: ['All'] } : {}),
  };
}

export const patchTypes: Record<Patch['type'], string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};
