// OpenAPI schemas of API types, made from the type facts.
import type { Describer } from '../../api/description.ts';
import { type FieldSchema, type Scalar, schemaOf, type TypeRef } from '../../api/schema.ts';
import { registeredGroupVersions } from './registered.ts';

export type Json = Record<string, unknown>;

/** How one document writes schemas. */
export interface SchemaForm {
  readonly openApi: 2 | 3;
  readonly describe: Describer;
  /** Told of every type that is referred to. */
  see(typeName: string): void;
}

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';
const named: Partial<Record<Scalar, string>> = {
  Time: `${meta}Time`,
  MicroTime: `${meta}MicroTime`,
  Duration: `${meta}Duration`,
  Quantity: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
  IntOrString: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
  RawExtension: 'io.k8s.apimachinery.pkg.runtime.RawExtension',
};

const plain: Partial<Record<Scalar, Json>> = {
  string: { type: 'string' },
  int32: { type: 'integer', format: 'int32' },
  int64: { type: 'integer', format: 'int64' },
  bool: { type: 'boolean' },
  double: { type: 'number', format: 'double' },
  bytes: { type: 'string', format: 'byte' },
  object: { type: 'object' },
  any: {},
};

export const refTo = (name: string, { openApi }: SchemaForm): Json => ({
  $ref: `#/${openApi === 2 ? 'definitions' : 'components/schemas'}/${name}`,
});

/** A property, or the item of a list or map. `around` are its siblings: description, default, extensions. */
function valueSchema(type: TypeRef, form: SchemaForm, around: Json = {}): Json {
  const name = type.kind === 'struct' ? type.name : refName(type);
  if (name) {
    form.see(name);
    const ref = refTo(name, form);
    // A reference has no siblings in OpenAPI 3.
    if (form.openApi === 2) return { ...around, ...ref };
    return Object.keys(around).length ? { ...around, allOf: [ref] } : ref;
  }
  if (type.kind === 'list') return { ...around, type: 'array', items: valueSchema(type.item, form) };
  if (type.kind === 'map') return { ...around, type: 'object', additionalProperties: valueSchema(type.value, form) };
  return { ...around, ...(type.kind === 'scalar' ? plain[type.scalar] : {}) };
}

function refName(type: TypeRef): string | undefined {
  if (type.kind === 'scalar') return type.via ?? named[type.scalar];
  return type.kind === 'list' ? type.via : undefined;
}

function fieldSchema(typeName: string, f: FieldSchema, form: SchemaForm): Json {
  const description = form.describe.field(typeName, f.name);
  const around: Json = {
    ...(description ? { description } : {}),
    ...(f.default === undefined ? {} : { default: f.default }),
    ...(f.enum.length ? { enum: f.enum } : {}),
    ...(f.listType ? { 'x-kubernetes-list-type': f.listType } : {}),
    ...(f.keys.length ? { 'x-kubernetes-list-map-keys': f.keys } : {}),
    ...(f.mapType ? { 'x-kubernetes-map-type': f.mapType } : {}),
    ...(f.structType ? { 'x-kubernetes-map-type': f.structType } : {}),
    ...(f.patchStrategies.length ? { 'x-kubernetes-patch-strategy': f.patchStrategies.join(',') } : {}),
    ...(f.patchMergeKey ? { 'x-kubernetes-patch-merge-key': f.patchMergeKey } : {}),
  };
  const schema = valueSchema(f.type, form, around);
  const inner = (schema.items ?? schema.additionalProperties) as Json | undefined;
  if (inner && (f.itemDefault !== undefined || f.itemEnum.length)) {
    const extra = {
      ...(f.itemDefault === undefined ? {} : { default: f.itemDefault }),
      ...(f.itemEnum.length ? { enum: f.itemEnum } : {}),
    };
    const whole =
      form.openApi === 3 && inner.$ref ? { ...extra, allOf: [{ $ref: inner.$ref }] } : { ...extra, ...inner };
    schema[schema.items ? 'items' : 'additionalProperties'] = whole;
  }
  return schema;
}

const bare = (typeName: string, form: SchemaForm): Json => {
  const short = typeName.slice(typeName.lastIndexOf('.') + 1);
  switch (short) {
    case 'Time':
    case 'MicroTime':
      return { type: 'string', format: 'date-time' };
    case 'Duration':
      return { type: 'string' };
    case 'Quantity':
      return form.openApi === 2 ? { type: 'string' } : { oneOf: [{ type: 'string' }, { type: 'number' }] };
    case 'IntOrString':
      return form.openApi === 2
        ? { type: 'string', format: 'int-or-string' }
        : { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] };
    case 'FieldsV1':
    case 'RawExtension':
      return { type: 'object' };
    default:
      return {};
  }
};

/** The definition of a type. */
export function definitionOf(typeName: string, form: SchemaForm): Json {
  const schema = schemaOf(typeName);
  const text = form.describe.type(typeName);
  const description = text ? { description: text } : {};
  if (schema.alias) {
    const own = schema.alias.kind === 'list' ? { type: 'array', items: valueSchema(schema.alias.item, form) } : {};
    return { ...description, ...bare(typeName, form), ...own };
  }
  const properties: Json = {};
  for (const f of schema.fields) properties[f.name] = fieldSchema(typeName, f, form);
  const required = schema.fields.filter(f => f.required).map(f => f.name);
  const gvk =
    schema.gvk === '*'
      ? registeredGroupVersions().map(({ group, version }) => ({ group, kind: schema.shortName, version }))
      : schema.gvk.map(([group, version, kind]) => ({ group, kind, version }));
  return {
    ...description,
    type: 'object',
    ...(schema.fields.length ? { properties } : {}),
    ...(required.length ? { required } : {}),
    ...(gvk.length ? { 'x-kubernetes-group-version-kind': gvk } : {}),
    ...(schema.structType ? { 'x-kubernetes-map-type': schema.structType } : {}),
    ...(schema.unions.length ? { 'x-kubernetes-unions': schema.unions } : {}),
  };
}

/** Definitions of these types and of all they refer to. */
export function definitions(typeNames: Iterable<string>, form: Omit<SchemaForm, 'see'>): Map<string, Json> {
  const out = new Map<string, Json>();
  addDefinitions(out, typeNames, form);
  return new Map([...out].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Those of them that are not there yet. */
export function addDefinitions(
  to: Map<string, Json>,
  typeNames: Iterable<string>,
  form: Omit<SchemaForm, 'see'>,
): void {
  const due = [...typeNames];
  const full: SchemaForm = { ...form, see: name => void due.push(name) };
  for (let name = due.pop(); name !== undefined; name = due.pop()) {
    if (to.has(name)) continue;
    to.set(name, {});
    to.set(name, definitionOf(name, full));
  }
}
