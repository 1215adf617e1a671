// OpenAPI documents: version 3 one a group version, version 2 one for all.
import { createDescriber } from '../../api/description.ts';
import { apiVersionOf } from '../../api/ref.ts';
import type { Resource } from '../../api/resource.ts';
import { isTypeName } from '../../api/schema.ts';
import { mergeInto, type RemoteOpenApi } from '../aggregation/kernel/remote-openapi.ts';
import { typeMeta } from '../custom/published-schema.ts';
import { builtinForms, customForms } from './operation.ts';
import { methods, pathsOf } from './paths.ts';
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
const described = 'Bearer token of the request.';
const referenced = /"#\/components\/schemas\/([^"]+)"/g;

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
  for (const r of resources)
    for (const [path, item] of pathsOf(r, { describe, typeNameOf, listNameOf })) paths.set(path, item);
  const used = new Set<string>();
  for (const item of paths.values()) for (const [, name] of JSON.stringify(item).matchAll(referenced)) used.add(name!);
  const known = [...used].filter(isTypeName);
  const schemas = definitions(known, { openApi, describe });
  for (const r of resources.filter(x => !x.typeName)) addCustom(schemas, r, source, openApi);
  return { paths: new Map([...paths].sort(([a], [b]) => (a < b ? -1 : 1))), schemas };
}

function addCustom(schemas: Map<string, Json>, r: Resource, source: Source, openApi: 2 | 3): void {
  const name = typeNameOf(r);
  const selectable = [...r.fieldSelectors.values()].map(fieldPath => ({ fieldPath }));
  const extensions = (kind: string) => ({
    'x-kubernetes-group-version-kind': [{ group: r.group, kind, version: r.version }],
    ...(selectable.length ? { 'x-kubernetes-selectable-fields': selectable } : {}),
  });
  const ref = (to: string) => ({ $ref: `#/${openApi === 2 ? 'definitions' : 'components/schemas'}/${to}` });
  schemas.set(name, { type: 'object', ...source.customSchema?.(r, openApi), ...extensions(r.kind) });
  schemas.set(listNameOf(r), {
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
  });
  if (schemas.has(`${meta}ObjectMeta`) && schemas.has(`${meta}ListMeta`)) return;
  for (const [known, schema] of definitions([`${meta}ListMeta`, `${meta}ObjectMeta`], {
    openApi,
    describe: createDescriber(),
  }))
    if (!schemas.has(known)) schemas.set(known, schema);
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
    securitySchemes: {
      BearerToken: { type: 'apiKey', description: described, name: 'authorization', in: 'header' },
    },
  },
  security: [{ BearerToken: [] }],
});

export interface PartV2 {
  /** In the first part only. */
  readonly head: Json;
  readonly paths: ReadonlyMap<string, Json>;
  readonly definitions: ReadonlyMap<string, Json>;
}

const customAtOnce = 10;

/** OpenAPI 2 in parts, each made in few milliseconds: what is built in first, then custom resources, some at a time. */
export function* slicesV2(source: Source): Generator<PartV2> {
  const first = partsV2(source);
  yield first;
  const custom = source.resources.filter(r => !r.typeName);
  const seen = new Set(first.definitions.keys());
  for (let i = 0; i < custom.length; i += customAtOnce) {
    const { paths, schemas } = partsOf(custom.slice(i, i + customAtOnce), source, 2);
    const definitions = new Map([...schemas].filter(([name]) => !seen.has(name)));
    for (const name of definitions.keys()) seen.add(name);
    const items = [...paths].filter(([path]) => !first.paths.has(path));
    yield {
      head: {},
      paths: new Map(items.map(([path, item]) => [path, itemV2(item, customForms.body)])),
      definitions,
    };
  }
}

function partsV2(source: Source): { head: Json; paths: Map<string, Json>; definitions: Map<string, Json> } {
  const builtin = source.resources.filter(r => r.typeName);
  const roots = new Map(rootPaths(builtin).values());
  for (const { group, version } of groupVersions(builtin)) roots.set(...resourcesRoot(group, version));
  const { paths, schemas } = partsOf(builtin, source, 2, roots);
  const items = new Map(
    [...paths].map(([path, item]) => [path, itemV2(item, roots.has(path) ? undefined : builtinForms.body)]),
  );
  for (const remote of source.remote ?? []) mergeInto(items, schemas, remote);
  return {
    head: {
      swagger: '2.0',
      info: { title: 'Kubernetes', version: source.version },
      securityDefinitions: {
        BearerToken: { type: 'apiKey', description: described, name: 'authorization', in: 'header' },
      },
      security: [{ BearerToken: [] }],
    },
    paths: items,
    definitions: schemas,
  };
}

/** `consumes`: what is said of operations without a body; undefined: what they answer with. */
function itemV2(item: Json, consumes: readonly string[] | undefined): Json {
  return Object.fromEntries(
    Object.entries(item).map(([key, value]) => [
      key,
      methods.has(key)
        ? operationV2(value as Json, consumes)
        : key === 'parameters'
          ? (value as Json[]).map(parameterV2)
          : value,
    ]),
  );
}

function parameterV2({ schema, ...rest }: Json): Json {
  return { ...rest, ...(schema as Json) };
}

const inDefinitions = (schema: Json): Json =>
  typeof schema.$ref === 'string' ? { $ref: schema.$ref.replace('#/components/schemas/', '#/definitions/') } : schema;

type Content = Record<string, { schema: Json }>;

function operationV2(operation: Json, consumed: readonly string[] | undefined): Json {
  const { requestBody, parameters, responses, ...rest } = operation as {
    requestBody?: { content: Content; required?: boolean };
    parameters?: Json[];
    responses: Record<string, { description: string; content?: Content }>;
  };
  const body = requestBody && Object.entries(requestBody.content);
  const all = (parameters ?? []).map(parameterV2);
  if (body)
    all.unshift({
      name: 'body',
      in: 'body',
      ...(requestBody.required ? { required: true } : {}),
      schema: inDefinitions(body[0]![1].schema),
    });
  const produces = Object.keys(Object.values(responses)[0]?.content ?? {});
  return {
    ...rest,
    consumes: body ? body.map(([type]) => type) : (consumed ?? produces),
    ...(produces.length ? { produces } : {}),
    schemes: ['https'],
    ...(all.length ? { parameters: all } : {}),
    responses: Object.fromEntries(
      Object.entries(responses).map(([code, { description, content }]) => [
        code,
        { description, ...(content ? { schema: inDefinitions(Object.values(content)[0]!.schema) } : {}) },
      ]),
    ),
  };
}
