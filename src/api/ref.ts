/** Names one served resource; carries its TypeScript type for clients. */
export interface ResourceRef<T = unknown> {
  readonly group: string;
  readonly version: string;
  /** Plural name as it stands in URLs. */
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never set: ties the type parameter to the value. */
  readonly type?: T;
}

export function ref<T>(
  group: string,
  version: string,
  resource: string,
  kind: string,
  namespaced: boolean,
): ResourceRef<T> {
  return { group, version, resource, kind, namespaced };
}

/** `v1` or `apps/v1`. */
export function apiVersionOf(r: { group: string; version: string }): string {
  return r.group === '' ? r.version : `${r.group}/${r.version}`;
}
