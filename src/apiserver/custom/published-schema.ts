// The schema of a custom kind as OpenAPI documents show it.
import { equalJson, isPlain } from '../../api/patch/plain.ts';
import type { CustomForm } from '../../api/structural/custom-form.ts';
import { eitherType } from '../../api/structural/structural-rule.ts';

type Json = Record<string, unknown>;

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const preserves = 'x-kubernetes-preserve-unknown-fields';
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
    schema = openApi === 2 ? makeVersion2(form.schema as Json) : makeVersion3(form.schema as Json);
    known.set(openApi, schema);
  }
  return schema;
}

// People and the official suite look for how these begin in what kubectl explains.
export const typeMeta: Json = {
  apiVersion: {
    type: 'string',
    description: 'APIVersion defines the form the object is written in: its group and version.',
  },
  kind: { type: 'string', description: 'Name of the REST resource the object stands for.' },
};

const makeVersion3 = (schema: Json): Json => withTypeMeta(withEmbedded(withEitherType(schema), 3), 3);

/** What may be a number or a text says so in words that every client knows. */
function withEitherType(schema: Json): Json {
  const out = mapChildren(schema, withEitherType);
  if (schema['x-kubernetes-int-or-string'] !== true) return out;
  const { anyOf } = schema;
  const allOf = Array.isArray(schema.allOf) ? schema.allOf : [];
  if (equalJson(anyOf, eitherType) || equalJson(allOf[0]?.anyOf, eitherType)) return out;
  return anyOf ? { ...out, allOf: [{ anyOf: eitherType }, ...allOf] } : { ...out, anyOf: eitherType };
}

// A property that is told of would make clients of version 2 refuse all others.
function makeVersion2(schema: Json): Json {
  if (schema[preserves] === true) return { type: 'object' };
  return withTypeMeta(withEmbedded(forVersion2(schema, true), 2), 2);
}

function withTypeMeta(schema: Json, openApi: 2 | 3): Json {
  const ref = { $ref: `#/${openApi === 2 ? 'definitions' : 'components/schemas'}/${objectMeta}` };
  const description = "Standard object's metadata.";
  const metadata = openApi === 2 ? { description, ...ref } : { description, allOf: [ref] };
  const properties = isPlain(schema.properties) ? schema.properties : {};
  return { ...schema, properties: { ...properties, ...typeMeta, metadata } };
}

function withEmbedded(schema: Json, openApi: 2 | 3): Json {
  const out = mapChildren(schema, child => withEmbedded(child, openApi));
  if (schema['x-kubernetes-embedded-resource'] !== true || (openApi === 2 && schema[preserves] === true)) return out;
  const required = Array.isArray(schema.required) ? schema.required : [];
  const missing = ['kind', 'apiVersion'].filter(name => !required.includes(name));
  return { ...withTypeMeta(out, openApi), required: [...required, ...missing] };
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

// Version 2 has neither composites nor null, and its clients take what is described for all there may be.
function forVersion2(schema: Json, root = false): Json {
  const { allOf: _, anyOf: __, oneOf: ___, not: ____, nullable, ...rest } = schema;
  const maybeNull = nullable === true && !root;
  if (maybeNull || rest[preserves] === true) {
    delete rest.properties;
    delete rest.items;
    if (maybeNull || rest.type === 'object' || rest.type === 'array') delete rest.type;
  } else if (Array.isArray(rest.required)) {
    const properties = isPlain(rest.properties) ? rest.properties : {};
    rest.required = rest.required.filter(name => !isNullable(properties[name]));
    if (isNullable(rest.additionalProperties) || !(rest.required as unknown[]).length) delete rest.required;
  }
  return mapChildren(rest, child => forVersion2(child));
}

const isNullable = (schema: unknown): boolean => isPlain(schema) && schema.nullable === true;
