// What the schema of a custom resource must obey to be structural: every field has one type, said in one place.
import { own } from '../../base/own.ts';
import { FieldErrors, type FieldPath, path } from '../field-error.ts';
import { cloneDeep } from '../meta.ts';
import { equalJson, isPlain } from '../patch/plain.ts';
import type { JSONSchemaProps } from '../type/apiextensions-v1.ts';
import { checkRules, checkTexts } from './cel-rule-check.ts';
import { fillDefaults } from './default.ts';
import { compilePattern } from './pattern.ts';
import { prunePart } from './prune.ts';
import { compileStructural } from './structural.ts';
import { compileValidator } from './value-rule.ts';

type Level = 'root' | 'item' | 'field';

/** What keeps a schema from being structural; '' when nothing does. */
export function structuralFaults(schema: JSONSchemaProps, at: FieldPath): string[] {
  const errors = new FieldErrors();
  checkStructure(schema, at, 'root', false, errors);
  checkForm(schema, at, errors);
  return errors.list.map(e => `${e.field}: ${e.message}`);
}

/**
 * Complains about a schema of a version: `spec.versions[0].schema.openAPIV3Schema`. What has no structure is told of
 * nothing else, defaults are looked at in a sound structure, and rules are compiled when all else is well.
 */
export function validateSchema(schema: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  const [structure, form] = [new FieldErrors(), new FieldErrors()];
  if (schema.nullable) structure.forbidden(at.child('nullable'), 'nullable cannot be true at the root');
  checkForm(schema, at, form);
  if (hasStructure(schema)) {
    checkStructure(schema, at, 'root', false, structure);
    if (structure.empty) checkDefaults(schema, at, structure);
  }
  errors.list.push(...structure.list, ...form.list);
  if (structure.empty && form.empty) checkRules(schema, at, errors);
}

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const scalars = ['boolean', 'integer', 'number', 'string'];

const unsupported = ['$ref', 'definitions', 'dependencies', 'id', 'patternProperties', 'additionalItems'] as const;
const preserve = 'x-kubernetes-preserve-unknown-fields';

/** Every schema below that stands for a part of the value. */
function parts(s: JSONSchemaProps, at: FieldPath): [schema: JSONSchemaProps, at: FieldPath, level: Level][] {
  const found: ReturnType<typeof parts> = Object.entries(s.properties ?? {}).map(([name, property]) => [
    property,
    at.child('properties').key(name),
    'field',
  ]);
  if (isSchema(s.items)) found.push([s.items, at.child('items'), 'item']);
  if (isSchema(s.additionalProperties)) found.push([s.additionalProperties, at.child('additionalProperties'), 'field']);
  return found;
}

/** What no schema may say, whatever stands around it. */
function checkForm(s: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  checkSupported(s, at, errors);
  const { type } = s;
  if (type && !types.includes(type)) errors.notSupported(at.child('type'), type, types);
  if (type === 'null') errors.forbidden(at.child('type'), 'type cannot be set to null, use nullable as an alternative');
  if (s[preserve] === false) errors.invalid(at.child(preserve), false, 'must be true or undefined');
  checkLists(s, at, errors);
  checkMapType(s, at, errors);
  for (const [i, rule] of (s['x-kubernetes-validations'] ?? []).entries())
    checkTexts(rule, s, at.child('x-kubernetes-validations').index(i), errors);
  for (const [child, where] of parts(s, at)) checkForm(child, where, errors);
}

/** Is there nothing in it that has no place in a structure at all? */
const hasStructure = (s: JSONSchemaProps): boolean =>
  !unsupported.some(field => s[field]) &&
  !Array.isArray(s.items) &&
  s[preserve] !== false &&
  parts(s, path('')).every(([child]) => hasStructure(child));

function checkStructure(s: JSONSchemaProps, at: FieldPath, level: Level, embedded: boolean, errors: FieldErrors): void {
  checkType(s, at, level, errors);
  checkEmbedded(s, at, errors);
  checkPattern(s, at, errors);
  if (level === 'root' && s.additionalProperties !== undefined)
    errors.forbidden(at.child('additionalProperties'), 'must not be used at the root');
  if (level === 'root' || embedded) checkMetadata(s, at, errors);
  for (const [child, where, below] of parts(s, at))
    checkStructure(child, where, below, child['x-kubernetes-embedded-resource'] === true, errors);
  checkComposites(s, s, at, errors);
}

const isSchema = (value: unknown): value is JSONSchemaProps => isPlain(value);

function checkSupported(s: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  for (const field of unsupported)
    if (s[field] !== undefined) errors.forbidden(at.child(field), `${field} is not supported`);
  if (s.uniqueItems)
    errors.forbidden(
      at.child('uniqueItems'),
      'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
    );
  if (Array.isArray(s.items)) errors.forbidden(at.child('items'), 'items must be a schema object and not an array');
  if (s.additionalProperties !== undefined && s.properties)
    errors.forbidden(at.child('additionalProperties'), 'additionalProperties and properties are mutual exclusive');
}

function checkPattern({ pattern }: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  if (!pattern) return;
  try {
    compilePattern(pattern);
  } catch (error) {
    const why = `must be a valid regular expression, but isn't: ${(error as Error).message}`;
    errors.invalid(at.child('pattern'), pattern, why);
  }
}

const emptyType: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

function checkType(s: JSONSchemaProps, at: FieldPath, level: Level, errors: FieldErrors): void {
  const here = at.child('type');
  const { type } = s;
  if (level === 'root') {
    if (!type) errors.required(here, emptyType.root);
    else if (type !== 'object') errors.invalid(here, type, 'must be object at the root');
  } else if (!type && !s['x-kubernetes-int-or-string'] && !s[preserve]) errors.required(here, emptyType[level]);
  if (type === 'array' && s.items === undefined && !s[preserve])
    errors.required(at.child('items'), 'must be specified');
}

function checkEmbedded(s: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  if (!s['x-kubernetes-embedded-resource']) return;
  const must = 'must be object if x-kubernetes-embedded-resource is true';
  if (!s.properties && !s[preserve])
    errors.required(
      at.child('properties'),
      `must not be empty if x-kubernetes-embedded-resource is true without ${preserve}`,
    );
  if (!s.type) errors.required(at.child('type'), must);
  else if (s.type !== 'object') errors.invalid(at.child('type'), s.type, must);
}

function checkMapType(s: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  const mapType = s['x-kubernetes-map-type'];
  if (mapType === undefined) return;
  if (mapType !== 'atomic' && mapType !== 'granular')
    errors.notSupported(at.child('x-kubernetes-map-type'), mapType, ['atomic', 'granular']);
  const must = 'must be object if x-kubernetes-map-type is specified';
  if (!s.type) errors.required(at.child('type'), must);
  else if (s.type !== 'object') errors.invalid(at.child('type'), s.type, must);
}

const listTypes = ['atomic', 'set', 'map'];

function checkLists(s: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  const listType = s['x-kubernetes-list-type'];
  const keys = s['x-kubernetes-list-map-keys'] ?? [];
  const here = at.child('x-kubernetes-list-type');
  if (listType !== undefined) {
    const must = 'must be array if x-kubernetes-list-type is specified';
    if (!s.type) errors.required(at.child('type'), must);
    else if (s.type !== 'array') errors.invalid(at.child('type'), s.type, must);
    if (!listTypes.includes(listType)) errors.notSupported(here, listType, listTypes);
  }
  const keysNeedMap = 'must be map if x-kubernetes-list-map-keys is non-empty';
  if (keys.length && listType === undefined) errors.required(here, keysNeedMap);
  else if (keys.length && listType !== 'map') errors.invalid(here, listType, keysNeedMap);
  if (listType === 'map') checkKeys(s, keys, at, errors);
  else if (listType === 'set' && isSchema(s.items)) checkSetItems(s.items, at.child('items'), errors);
}

function checkSetItems(items: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  const must = 'must be atomic as item of a list with x-kubernetes-list-type=set';
  if (items.nullable) errors.forbidden(at.child('nullable'), 'cannot be nullable when x-kubernetes-list-type is set');
  if (items.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic')
    errors.invalid(at.child('x-kubernetes-map-type'), items['x-kubernetes-map-type'], must);
  if (items.type === 'array' && !['atomic', undefined].includes(items['x-kubernetes-list-type']))
    errors.invalid(at.child('x-kubernetes-list-type'), items['x-kubernetes-list-type'], must);
}

function checkKeys(s: JSONSchemaProps, keys: readonly string[], at: FieldPath, errors: FieldErrors): void {
  const here = at.child('x-kubernetes-list-map-keys');
  if (!keys.length) errors.required(here, 'must not be empty if x-kubernetes-list-type is map');
  if (!isSchema(s.items)) {
    errors.required(at.child('items'), 'must have a schema if x-kubernetes-list-type is map');
    return;
  }
  const { items } = s;
  const below = at.child('items');
  if (items.type !== 'object') {
    const must = "must be object if parent array's x-kubernetes-list-type is map";
    errors.invalid(below.child('type'), items.type ?? '', must);
    return;
  }
  for (const key of new Set(keys)) checkKey(items, key, below, errors);
  if (new Set(keys).size < keys.length) errors.invalid(here, keys, 'must not contain duplicate entries');
  if (keys.some(k => !own(items.properties, k)))
    errors.invalid(here, keys, 'entries must all be names of item properties');
}

function checkKey(items: JSONSchemaProps, key: string, at: FieldPath, errors: FieldErrors): void {
  const property = own(items.properties, key);
  if (!property) return;
  const where = at.child('properties').key(key);
  if (!scalars.includes(property.type ?? '') && !property['x-kubernetes-int-or-string']) {
    const must = "must be a scalar type if parent array's x-kubernetes-list-type is map";
    errors.invalid(where.child('type'), property.type ?? '', must);
  }
  if (property.nullable)
    errors.forbidden(where.child('nullable'), 'cannot be nullable when x-kubernetes-list-type is map');
  if (property.default === undefined && !items.required?.includes(key)) {
    const must = 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
    errors.required(where.child('default'), must);
  }
}

function checkMetadata(s: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  const typeOf = (name: string, wanted: string) => {
    const property = own(s.properties, name);
    if (property && property.type !== wanted)
      errors.invalid(at.child('properties').key(name).child('type'), property.type ?? '', `must be ${wanted}`);
  };
  typeOf('kind', 'string');
  typeOf('apiVersion', 'string');
  const metadata = s.properties?.metadata;
  if (!metadata) return;
  typeOf('metadata', 'object');
  const { type: _, description: __, properties, ...more } = metadata;
  const names = Object.keys(properties ?? {});
  if (Object.keys(more).length || names.some(n => n !== 'name' && n !== 'generateName'))
    errors.forbidden(
      at.child('properties').key('metadata'),
      'must not specify anything other than name and generateName, but metadata is implicitly specified',
    );
}

type Structure = JSONSchemaProps | undefined;

/** Value validations refine what the structure has; they may not add to it. */
function checkComposites(s: JSONSchemaProps, structure: Structure, at: FieldPath, errors: FieldErrors): void {
  for (const kind of ['allOf', 'anyOf', 'oneOf'] as const)
    for (const [i, n] of (s[kind] ?? []).entries()) checkValueNode(n, structure, at.child(kind).index(i), at, errors);
  if (s.not) checkValueNode(s.not, structure, at.child('not'), at, errors);
}

const mustBeEmpty = ['type', 'title', 'description'] as const;
const mustBeUndefined = ['default', 'additionalProperties', 'x-kubernetes-list-type', 'x-kubernetes-map-type'] as const;
const mustBeFalse = [
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
] as const;

function checkValueNode(
  n: JSONSchemaProps,
  structure: Structure,
  at: FieldPath,
  home: FieldPath,
  errors: FieldErrors,
): void {
  const intOrString = structure?.['x-kubernetes-int-or-string'];
  for (const field of mustBeUndefined)
    if (n[field] !== undefined) errors.forbidden(at.child(field), 'must be undefined to be structural');
  for (const field of mustBeEmpty)
    if (n[field] && !(field === 'type' && intOrString))
      errors.forbidden(at.child(field), 'must be empty to be structural');
  for (const field of mustBeFalse) if (n[field]) errors.forbidden(at.child(field), 'must be false to be structural');
  if (n['x-kubernetes-list-map-keys']?.length)
    errors.forbidden(at.child('x-kubernetes-list-map-keys'), 'must be empty to be structural');
  for (const [name, property] of Object.entries(n.properties ?? {})) {
    const structural =
      own(structure?.properties, name) ??
      (isSchema(structure?.additionalProperties) ? structure.additionalProperties : undefined);
    const where = at.child('properties').key(name);
    const there = home.child('properties').key(name);
    if (!structural && !structure?.['x-kubernetes-preserve-unknown-fields'])
      errors.required(there, `because it is defined in ${where}`);
    checkValueNode(property, structural, where, there, errors);
  }
  if (isSchema(n.items)) {
    const own = isSchema(structure?.items) ? structure.items : undefined;
    if (!own) errors.required(home.child('items'), `because it is defined in ${at.child('items')}`);
    checkValueNode(n.items, own, at.child('items'), home.child('items'), errors);
  }
  checkComposites(n, structure, at, errors);
}

/** Defaults obey the schema they stand in, and name nothing it does not have. */
function checkDefaults(s: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  if (s.default !== undefined) checkDefault(s, at.child('default'), errors);
  for (const [name, property] of Object.entries(s.properties ?? {}))
    checkDefaults(property, at.child('properties').key(name), errors);
  if (isSchema(s.items)) checkDefaults(s.items, at.child('items'), errors);
  if (isSchema(s.additionalProperties)) checkDefaults(s.additionalProperties, at.child('additionalProperties'), errors);
}

function checkDefault(s: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  const structural = compileStructural(s);
  const value = cloneDeep(s.default) as unknown;
  prunePart(structural, value);
  if (!equalJson(value, s.default)) errors.invalid(at, s.default, 'must not have unknown fields');
  fillDefaults(structural, value);
  const found = new FieldErrors();
  compileValidator(s).validate(value, undefined, undefined, found);
  // The place is told before; within the message the value is all there is.
  for (const cause of found.list) {
    const below = cause.field === '<nil>' ? '' : cause.field;
    errors.list.push({ ...cause, field: `${at}${below && `.${below}`}` });
  }
}
