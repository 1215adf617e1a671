// Types of kinds: built-in ones from the facts, others from the server's discovery and OpenAPI documents.
import { celTypeOfKind, celTypeOfSchema, type StructuralSchema } from '../../api/cel/schema.ts';
import type { CelType } from '../../api/cel/type.ts';
import { apiVersionOf } from '../../api/ref.ts';
import { builtinResources, resourceId } from '../../api/resource.ts';
import { isNotFound } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';
import type { ApiResourceList } from '../api-resources.ts';
import type { CheckedKind, NamedResource } from './kernel/type-check.ts';

const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

interface OpenApi {
  readonly components?: { readonly schemas?: Readonly<Record<string, PublishedSchema>> };
}
interface PublishedSchema extends StructuralSchema {
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[];
}

/** Undefined for what the server does not serve or states no schema of. */
export async function kindOfResource(named: NamedResource, client: Client): Promise<CheckedKind | undefined> {
  const known = builtinResources().byId(resourceId(named));
  const kind = known?.kind ?? (await servedKind(named, client));
  if (!kind) return undefined;
  const type = await typeOfKind({ ...named, kind }, client);
  return type && { label: `${named.group}/${named.version}, Kind=${kind}`, type };
}

export async function typeOfKind(
  gvk: { group: string; version: string; kind: string },
  client: Client,
): Promise<CelType | undefined> {
  const name = builtinResources().typeNameOf(apiVersionOf(gvk), gvk.kind);
  return name ? celTypeOfKind(name) : publishedType(gvk, client);
}

const pathOf = ({ group, version }: { group: string; version: string }): string =>
  group ? `apis/${group}/${version}` : `api/${version}`;

async function fetched<T>(client: Client, path: string): Promise<T | undefined> {
  try {
    return (await client.raw(path)) as T;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function servedKind(named: NamedResource, client: Client): Promise<string | undefined> {
  const list = await fetched<ApiResourceList>(client, `/${pathOf(named)}`);
  return list?.resources?.find(r => r.name === named.resource)?.kind;
}

async function publishedType(
  gvk: { group: string; version: string; kind: string },
  client: Client,
): Promise<CelType | undefined> {
  const document = await fetched<OpenApi>(client, `/openapi/v3/${pathOf(gvk)}`);
  const schema = Object.values(document?.components?.schemas ?? {}).find(s =>
    s['x-kubernetes-group-version-kind']?.some(
      k => k.group === gvk.group && k.version === gvk.version && k.kind === gvk.kind,
    ),
  );
  const type = schema && celTypeOfSchema(schema, true, gvk.kind);
  if (type?.kind !== 'object') return type;
  // References are not followed but for the one every kind has.
  const metadata = { name: 'metadata', type: celTypeOfKind(OBJECT_META) };
  return { ...type, field: name => (name === 'metadata' ? metadata : type.field(name)) };
}
