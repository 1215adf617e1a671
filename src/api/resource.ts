// The resource table: one record a served resource. Routes, discovery, OpenAPI, Tables, clients and RBAC names derive from it.
import { readFileSync } from 'node:fs';
import { apiVersionOf, type ResourceRef } from './ref.ts';
import type { CustomForm } from './structural/custom-form.ts';

export interface Subresource {
  readonly name: string;
  readonly kind: string;
  /** Group version of the kind when it is not the parent's, as `policy/v1`. */
  readonly apiVersion?: string;
  readonly verbs: readonly string[];
}

export interface Resource extends ResourceRef {
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly string[];
  readonly subresources: ReadonlyMap<string, Subresource>;
  readonly hasStatus: boolean;
  /** OpenAPI name of the type in types.json; '' for a custom resource. */
  readonly typeName: string;
  /** Key prefix in the store, `/registry/pods`; '' for what is not stored. */
  readonly storagePrefix: string;
  /** Group version objects are stored in, `apps/v1`; '' for what is not stored. */
  readonly storedAs: string;
  /** Accepted field selectors besides metadata.name and metadata.namespace: selector name to field path. */
  readonly fieldSelectors: ReadonlyMap<string, string>;
  /** Served by default, without --runtime-config. */
  readonly onByDefault: boolean;
  /** Its version is, whatever its gate says. */
  readonly versionOnByDefault?: boolean;
  /** The feature gate it needs. */
  readonly gate?: string;
  /** Set for a custom resource: what its schema, its versions and its definition say. */
  readonly custom?: CustomForm;
}

export interface Group {
  readonly name: string;
  readonly preferredVersion: string;
  readonly priority: number;
  readonly versions: readonly { readonly version: string; readonly onByDefault: boolean; readonly priority: number }[];
}

/** `group/version/plural` identifies a resource; the core group is ''. */
export const resourceId = (r: { group: string; version: string; resource: string }): string =>
  `${r.group}/${r.version}/${r.resource}`;

interface ResourceFact {
  g: string;
  v: string;
  r: string;
  s: string;
  k: string;
  ns?: 0 | 1;
  verbs: string[];
  short?: string[];
  cat?: string[];
  on?: 0 | 1;
  gate?: string;
  gateOff?: 1;
  store?: string;
  path?: string;
  fs?: string[];
  status?: 1;
  sub?: Record<string, { k: string; gv?: string; verbs: string[]; gate?: string }>;
}
interface Facts {
  groups: { g: string; pref: string; prio: number; versions: [string, 0 | 1, number][] }[];
  resources: ResourceFact[];
}

interface TypeFacts {
  types: Record<string, { gvk?: [string, string, string][] | '*' }>;
}

/** Reads one of the fact files. */
export function readFacts<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`fact/${file}`, import.meta.url), 'utf8')) as T;
}

let types: unknown;

/** What types.json says, which is large: read once. */
export function typeFacts<T>(): T {
  types ??= readFacts('types.json');
  return types as T;
}

/** OpenAPI names by group, version and kind. */
function typeNames({ types }: TypeFacts): Map<string, string> {
  const names = new Map<string, string>();
  for (const [name, { gvk }] of Object.entries(types)) {
    if (!Array.isArray(gvk)) continue;
    for (const [g, v, k] of gvk) {
      const id = `${g}/${v}/${k}`;
      const own = name.startsWith('io.k8s.api.') && name.includes(`.${g.split('.')[0] || 'core'}.`);
      if (own || !names.has(id)) names.set(id, name);
    }
  }
  return names;
}

export interface ResourceTable {
  readonly groups: readonly Group[];
  readonly resources: readonly Resource[];
  byId(id: string): Resource | undefined;
  byKind(apiVersion: string, kind: string): Resource | undefined;
  typeNameOf(apiVersion: string, kind: string): string | undefined;
}

let builtin: ResourceTable | undefined;

/** The built-in resources of Kubernetes 1.36. Loaded once. */
export function builtinResources(): ResourceTable {
  if (builtin) return builtin;
  const facts = readFacts<Facts>('resources.json');
  const names = typeNames(typeFacts<TypeFacts>());
  const resources = facts.resources.map((f): Resource => {
    const sub = Object.entries(f.sub ?? {}).map(([name, s]): [string, Subresource] => [
      name,
      { name, kind: s.k, ...(s.gv ? { apiVersion: s.gv } : {}), verbs: s.verbs },
    ]);
    return {
      group: f.g,
      version: f.v,
      resource: f.r,
      kind: f.k,
      namespaced: f.ns === 1,
      singular: f.s,
      shortNames: f.short ?? [],
      categories: f.cat ?? [],
      verbs: f.verbs,
      subresources: new Map(sub),
      hasStatus: f.status === 1,
      typeName: names.get(`${f.g}/${f.v}/${f.k}`) ?? '',
      storagePrefix: f.path ?? '',
      storedAs: f.store ?? '',
      fieldSelectors: new Map((f.fs ?? []).map(s => (s.includes('=>') ? (s.split('=>') as [string, string]) : [s, s]))),
      onByDefault: f.on === 1 && !f.gateOff,
      versionOnByDefault: f.on === 1,
      ...(f.gate ? { gate: f.gate } : {}),
    };
  });
  const ids = new Map(resources.map(r => [resourceId(r), r]));
  const kinds = new Map<string, Resource>();
  for (const r of resources)
    if (!kinds.has(`${apiVersionOf(r)}/${r.kind}`)) kinds.set(`${apiVersionOf(r)}/${r.kind}`, r);
  builtin = {
    groups: facts.groups.map(g => ({
      name: g.g,
      preferredVersion: g.pref,
      priority: g.prio,
      versions: g.versions.map(([version, on, priority]) => ({ version, onByDefault: on === 1, priority })),
    })),
    resources,
    byId: id => ids.get(id),
    byKind: (apiVersion, kind) => kinds.get(`${apiVersion}/${kind}`),
    typeNameOf: (apiVersion, kind) => names.get(`${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}/${kind}`),
  };
  return builtin;
}
