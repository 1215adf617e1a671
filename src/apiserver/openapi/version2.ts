// What OpenAPI 2 says: one document for all that is served, made in pieces that do not hold the loop.
import { createDescriber, type Describer } from '../../api/description.ts';
import type { Resource } from '../../api/resource.ts';
import { mergeInto } from '../aggregation/kernel/remote-openapi.ts';
import { bearerToken, customSchemas, itemsOf, type Source, sorted, typesIn } from './documents.ts';
import { builtinForms, customForms } from './operation.ts';
import { methods } from './paths.ts';
import { groupVersions } from './registered.ts';
import { resourcesRoot, rootPaths } from './roots.ts';
import { addDefinitions, type Json } from './schema.ts';

export interface PartV2 {
  readonly paths: ReadonlyMap<string, Json>;
  readonly definitions: ReadonlyMap<string, Json>;
}

/** Resolves in a later turn of the loop. */
export const immediately = () => new Promise<void>(resolve => setImmediate(resolve));

export const headV2 = (source: Source): Json => ({
  swagger: '2.0',
  info: { title: 'Kubernetes', version: source.version },
  securityDefinitions: { BearerToken: bearerToken },
  security: [{ BearerToken: [] }],
});

/** One of each kind of paths that custom resources have. */
export function samplesOf(custom: readonly Resource[]): Resource[] {
  const scaled = custom.find(r => r.subresources.has('scale'));
  return [...new Set([custom[0], scaled].filter(r => r !== undefined))];
}

/** What is built in, all types of the API that custom resources refer to, and what other servers tell. */
export async function builtinV2(source: Source): Promise<PartV2> {
  const describe = createDescriber();
  const builtin = source.resources.filter(r => r.typeName);
  const paths = new Map<string, Json>();
  const definitions = new Map<string, Json>();
  const add = (items: Iterable<readonly [string, Json]>, consumes?: readonly string[]) => {
    for (const [path, item] of items) {
      addDefinitions(definitions, typesIn([item]), { openApi: 2, describe });
      paths.set(path, itemV2(item, consumes));
    }
  };
  add(rootPaths(builtin).values());
  add(groupVersions(builtin).map(({ group, version }) => resourcesRoot(group, version)));
  for (const r of builtin) {
    add(itemsOf(r, describe), builtinForms.body);
    await immediately();
  }
  for (const r of samplesOf(source.resources.filter(x => !x.typeName)))
    addDefinitions(definitions, typesIn(itemsOf(r, describe).values()), { openApi: 2, describe });
  const all = { paths: sorted(paths), definitions: sorted(definitions) };
  for (const remote of source.remote ?? []) mergeInto(all.paths, all.definitions, remote);
  return all;
}

/** What a custom resource adds to that. */
export const customV2 = (r: Resource, source: Source, describe: Describer): PartV2 => ({
  paths: new Map([...itemsOf(r, describe)].map(([path, item]) => [path, itemV2(item, customForms.body)])),
  definitions: new Map(customSchemas(r, source, 2)),
});

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
