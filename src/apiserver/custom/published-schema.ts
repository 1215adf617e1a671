// The schema of a custom kind as OpenAPI documents show it.
import { isPlain } from '../../api/patch/plain.ts';
import type { CustomForm } from '../../api/structural/custom-form.ts';

type Json = Record<string, unknown>;

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const made = new WeakMap<CustomForm, Map<2 | 3, Json>>();

/** With kind, apiVersion and metadata. Made once for each form. */
export function publishedSchema(form: CustomForm, openApi: 2 | 3): Json {
  let known = made.get(form);
  if (!known) {
    known = new Map();
    made.set(form, known);
  }
  let schema = known.get(openApi);
  if (!schema) {
    const own = (openApi === 2 ? forVersion2(form.schema as Json, true) : form.schema) as Json;
    schema = withTypeMeta(withEmbedded(own, openApi), openApi);
    known.set(openApi, schema);
  }
  return schema;
}

// People and the official suite look for how these begin in what kubectl explains.
const typeMeta: Json = {
  apiVersion: {
    type: 'string',
    description: 'APIVersion defines the form the object is written in: its group and version.',
  },
  kind: { type: 'string', description: 'Name of the REST resource the object stands for.' },
};

function withTypeMeta(schema: Json, openApi: 2 | 3): Json {
  const ref = { $ref: `#/${openApi === 2 ? 'definitions' : 'components/schemas'}/${objectMeta}` };
  const description = "Standard object's metadata.";
  const metadata = openApi === 2 ? { description, ...ref } : { description, allOf: [ref] };
  const properties = isPlain(schema.properties) ? schema.properties : {};
  return { ...schema, properties: { ...properties, ...typeMeta, metadata } };
}

function withEmbedded(schema: Json, openApi: 2 | 3): Json {
  let out = mapChildren(schema, child => withEmbedded(child, openApi));
  if (schema['x-kubernetes-embedded-resource'] === true) out = withTypeMeta(out, openApi);
  return out;
}

function mapChildren(schema: Json, change: (child: Json) => Json): Json {
  const out: Json = { ...schema };
  if (isPlain(schema.properties))
    out.properties = Object.fromEntries(
      Object.entries(schema.properties).map(([k, v]) => [k, isPlain(v) ? change(v) : v]),
    );
  if (isPlain(schema.items)) out.items = change(schema.items);
  if (isPlain(schema.additionalProperties)) out.additionalProperties = change(schema.additionalProperties);
  return out;
}

// Version 2 has neither composites nor null.
function forVersion2(schema: Json, root = false): Json {
  const { allOf: _, anyOf: __, oneOf: ___, not: ____, nullable, ...rest } = schema;
  if (nullable === true && !root) {
    const { type: _type, properties: _properties, items: _items, ...bare } = rest;
    return bare;
  }
  return mapChildren(rest, child => forVersion2(child));
}
