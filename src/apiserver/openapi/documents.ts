// OpenAPI documents of version 3, one a group version, and what those of both versions are made of.
import { createDescriber, type Describer } from '../../api/description.ts';
import { apiVersionOf } from '../../api/ref.ts';
import type { Resource } from '../../api/resource.ts';
import { isTypeName } from '../../api/schema.ts';
import type { RemoteOpenApi } from '../aggregation/kernel/remote-openapi.ts';
import { typeMeta } from '../custom/published-schema.ts';
import { pathsOf } from './paths.ts';
import { groupVersions } from './registered.ts';
import { resourcesRoot, rootPaths } from './roots.ts';
import { definitions, type Json } from './schema.ts';

export interface Source {
  /** Another list whenever something else is served. */
  readonly resources: readonly Resource[];
  /** The schema of a kind that is no built-in one. */
  customSchema?(resource: Resource, openApi: 2 | 3): Json | undefined;
  /** Version of the API, `v1.36.2`. */
  readonly version: string;
  /** What other servers serve. */
  readonly remote?: readonly RemoteOpenApi[];
}

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';
const referenced = /"#\/components\/schemas\/([^"]+)"/g;

export const bearerToken = {
  type: 'apiKey',
  description: 'Bearer token of the request.',
  name: 'authorization',
  in: 'header',
};

/** `com.example.v1.Widget` for a custom kind. */
const typeNameOf = (resource: Resource): string => resource.typeName || customName(resource, resource.kind);

function listNameOf(resource: Resource): string {
  const { typeName } = resource;
  if (!typeName) return customName(resource, listKindOf(resource));
  // What is listed in no list of its own.
  return isTypeName(`${typeName}List`) ? `${typeName}List` : typeName;
}

const customName = ({ group, version }: Resource, kind: string): string =>
  `${group.split('.').reverse().join('.')}.${version}.${kind}`;

const listKindOf = ({ custom, kind }: Resource): string => custom?.listKind ?? `${kind}List`;

interface Parts {
  readonly paths: Map<string, Json>;
  readonly schemas: Map<string, Json>;
}

type Roots = Iterable<readonly [path: string, item: Json]>;

function partsOf(resources: readonly Resource[], source: Source, openApi: 2 | 3, roots: Roots = []): Parts {
  const describe = createDescriber();
  const paths = new Map(roots);
  for (const r of resources) for (const [path, item] of itemsOf(r, describe)) paths.set(path, item);
  const schemas = definitions(typesIn(paths.values()), { openApi, describe });
  for (const r of resources) if (!r.typeName) addCustom(schemas, r, source, openApi);
  return { paths: sorted(paths), schemas };
}

export const itemsOf = (resource: Resource, describe: Describer): Map<string, Json> =>
  pathsOf(resource, { describe, typeNameOf, listNameOf });

export const sorted = (map: ReadonlyMap<string, Json>): Map<string, Json> =>
  new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)));

/** The types of the API that these refer to. */
export function typesIn(items: Iterable<Json>): string[] {
  const used = new Set<string>();
  for (const item of items) for (const [, name] of JSON.stringify(item).matchAll(referenced)) used.add(name!);
  return [...used].filter(isTypeName);
}

function addCustom(schemas: Map<string, Json>, r: Resource, source: Source, openApi: 2 | 3): void {
  for (const [name, schema] of customSchemas(r, source, openApi)) schemas.set(name, schema);
  if (schemas.has(`${meta}ObjectMeta`) && schemas.has(`${meta}ListMeta`)) return;
  for (const [known, schema] of definitions([`${meta}ListMeta`, `${meta}ObjectMeta`], {
    openApi,
    describe: createDescriber(),
  }))
    if (!schemas.has(known)) schemas.set(known, schema);
}

/** The kind and its list. */
export function customSchemas(r: Resource, source: Source, openApi: 2 | 3): [name: string, schema: Json][] {
  const name = typeNameOf(r);
  const selectable = [...r.fieldSelectors.values()].map(fieldPath => ({ fieldPath }));
  const extensions = (kind: string) => ({
    'x-kubernetes-group-version-kind': [{ group: r.group, kind, version: r.version }],
    ...(selectable.length ? { 'x-kubernetes-selectable-fields': selectable } : {}),
  });
  const ref = (to: string) => ({ $ref: `#/${openApi === 2 ? 'definitions' : 'components/schemas'}/${to}` });
  const kind = { type: 'object', ...source.customSchema?.(r, openApi), ...extensions(r.kind) };
  const list = {
    description: `Some ${r.resource}, and what is to be known of them together.`,
    type: 'object',
    required: ['items'],
    properties: {
      ...typeMeta,
      metadata: {
        description: "Standard list's metadata.",
        ...(openApi === 2 ? ref(`${meta}ListMeta`) : { allOf: [ref(`${meta}ListMeta`)] }),
      },
      items: { description: `The ${r.resource}.`, type: 'array', items: ref(name) },
    },
    ...extensions(listKindOf(r)),
  };
  return [
    [name, kind],
    [listNameOf(r), list],
  ];
}

/** The OpenAPI 3 document of one group version. */
export function documentV3(source: Source, group: string, version: string): Json {
  const mine = source.resources.filter(r => r.group === group && r.version === version);
  // What resources a group of custom ones has is told elsewhere.
  const roots = mine.some(r => r.typeName) ? [resourcesRoot(group, version)] : [];
  return wholeV3(source, partsOf(mine, source, 3, roots));
}

/** What makes each OpenAPI 3 document, by its path below `/openapi/v3/`: those of what is no resource, too. */
export function documentsV3(source: Source): Map<string, () => Json> {
  const made = new Map<string, () => Json>();
  for (const [id, root] of rootPaths(source.resources))
    made.set(id, () => wholeV3(source, partsOf([], source, 3, [root])));
  for (const gv of groupVersions(source.resources))
    made.set(pathOf(gv), () => documentV3(source, gv.group, gv.version));
  return new Map([...made].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** `api/v1`, `apis/apps/v1` */
export const pathOf = (gv: { group: string; version: string }): string =>
  `${gv.group ? 'apis' : 'api'}/${apiVersionOf(gv)}`;

const wholeV3 = (source: Source, { paths, schemas }: Parts): Json => ({
  openapi: '3.0.0',
  info: { title: 'Kubernetes', version: source.version },
  paths: Object.fromEntries(paths),
  components: {
    schemas: Object.fromEntries(schemas),
    securitySchemes: { BearerToken: bearerToken },
  },
  security: [{ BearerToken: [] }],
});
