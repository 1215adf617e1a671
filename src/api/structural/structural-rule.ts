// What the schema of a custom resource must obey to be structural: every field has one type, said in one place.
import { append } from '../../base/append.ts';
import { own } from '../../base/own.ts';
import { FieldErrors, type FieldPath } from '../field-error.ts';
import { cloneDeep } from '../meta.ts';
import { equalJson, isPlain } from '../patch/plain.ts';
import type { JSONSchemaProps } from '../type/apiextensions-v1.ts';
import { validateDefaultRules } from './cel-rule.ts';
import { checkRules, checkTexts } from './cel-rule-check.ts';
import { embeddedFault, validateEmbedded } from './embedded.ts';
import { compilePattern } from './pattern.ts';
import { prunePart } from './prune.ts';
import { compileStructural } from './structural.ts';
import { hasTuple, isSchema, type Level, parts, preserve, structureFault, unsupported } from './structure.ts';
import { compileValidator } from './value-rule.ts';

/** What keeps a schema that has a structure from being structural. */
export const structuralFaults = (schema: JSONSchemaProps, at: FieldPath): string[] =>
  structureErrors(schema, at).map(textOf);

/**
 * Complains about a schema of a version: `spec.versions[0].schema.openAPIV3Schema`. What has no structure is told of
 * nothing else, defaults are looked at in a sound structure, and rules are compiled when all else is well.
 */
export function validateSchema(schema: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  const [structure, form] = [new FieldErrors(), new FieldErrors()];
  if (schema.nullable) structure.forbidden(at.child('nullable'), 'nullable cannot be true at the root');
  checkForm(schema, at, form);
  if (structureFault(schema) === undefined) {
    append(structure.list, structureErrors(schema, at));
    const sound = structure.empty;
    checkImplicitDefaults(schema, at, structure);
    if (sound) checkDefaults(schema, at, structure, true);
  } else if (structure.empty && form.empty)
    structure.add('FieldValueInvalid', at, `Invalid value: "": OpenAPIV3Schema 'schema' is not supported`);
  append(errors.list, structure.list);
  append(errors.list, form.list);
  if (structure.empty && form.empty) checkRules(schema, at, errors);
}

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

/** Every schema that says more about the value itself. */
function composites(s: JSONSchemaProps, at: FieldPath): [schema: JSONSchemaProps, at: FieldPath][] {
  const found: ReturnType<typeof composites> = s.not ? [[s.not, at.child('not')]] : [];
  for (const kind of ['allOf', 'oneOf', 'anyOf'] as const)
    append(
      found,
      (s[kind] ?? []).map((n, i): (typeof found)[number] => [n, at.child(kind).index(i)]),
    );
  return found;
}

/** What no schema may say, whatever stands around it. */
function checkForm(s: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  const { type } = s;
  if (type && !types.includes(type)) errors.notSupported(at.child('type'), type, types);
  if (type === 'null') errors.forbidden(at.child('type'), 'type cannot be set to null, use nullable as an alternative');
  checkSupported(s, at, errors);
  const [below, items] = [parts(s, at), [] as ReturnType<typeof parts>];
  for (const part of below)
    if (part[2] === 'item') items.push(part);
    else checkForm(part[0], part[1], errors);
  for (const [n, where] of composites(s, at)) checkForm(n, where, errors);
  for (const [item, where] of items) checkForm(item, where, errors);
  if (s[preserve] === false) errors.invalid(at.child(preserve), false, 'must be true or undefined');
  checkMapType(s, at, errors);
  checkLists(s, at, errors);
  for (const [i, rule] of (s['x-kubernetes-validations'] ?? []).entries())
    checkTexts(rule, s, at.child('x-kubernetes-validations').index(i), errors);
}

const textOf = (e: { readonly field?: string; readonly message: string }) => `${e.field}: ${e.message}`;

/** In the order of their texts. */
function structureErrors(schema: JSONSchemaProps, at: FieldPath): FieldErrors['list'] {
  const errors = new FieldErrors();
  checkStructure(schema, at, 'root', errors);
  checkComplete(schema, schema, at, at, errors);
  return errors.list.sort((a, b) => (textOf(a) < textOf(b) ? -1 : textOf(a) > textOf(b) ? 1 : 0));
}

function checkStructure(s: JSONSchemaProps, at: FieldPath, level: Level, errors: FieldErrors): void {
  const resource = level === 'root' || s['x-kubernetes-embedded-resource'] === true;
  checkType(s, at, level, errors);
  checkEmbedded(s, at, errors);
  checkPattern(s, at, errors);
  if (level === 'root' && s.additionalProperties !== undefined)
    errors.forbidden(at.child('additionalProperties'), 'must not be used at the root');
  if (resource) checkMetadata(s, at, level === 'root', errors);
  for (const [child, where, below] of parts(s, at)) checkStructure(child, where, below, errors);
  const typed = typedAlternatives(s);
  for (const [n, where] of composites(s, at)) checkValueNode(n, where, resource, typed, errors);
}

function checkSupported(s: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  for (const [field, isThere] of unsupported)
    if (isThere(s)) errors.forbidden(at.child(field), `${field} is not supported`);
  if (hasTuple(s)) errors.forbidden(at.child('items'), 'items must be a schema object and not an array');
  if (s.uniqueItems)
    errors.forbidden(
      at.child('uniqueItems'),
      'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
    );
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
  if (!type && !s['x-kubernetes-int-or-string'] && !s[preserve]) errors.required(here, emptyType[level]);
  if (type && type !== 'object' && level === 'root') errors.invalid(here, type, 'must be object at the root');
  if (type === 'array' && !isSchema(s.items) && !hasTuple(s) && !s[preserve])
    errors.required(at.child('items'), 'must be specified');
}

function checkEmbedded(s: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  if (s['x-kubernetes-int-or-string'])
    for (const field of [preserve, 'x-kubernetes-embedded-resource'] as const)
      if (s[field]) errors.invalid(at.child(field), true, 'must be false if x-kubernetes-int-or-string is true');
  if (!s['x-kubernetes-embedded-resource']) return;
  const must = 'must be object if x-kubernetes-embedded-resource is true';
  if (s.additionalProperties !== undefined)
    errors.forbidden(at.child('additionalProperties'), 'must not be used if x-kubernetes-embedded-resource is set');
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
  const must = 'must be object if x-kubernetes-map-type is specified';
  if (!s.type) errors.required(at.child('type'), must);
  else if (s.type !== 'object') errors.invalid(at.child('type'), s.type, must);
  if (mapType !== 'atomic' && mapType !== 'granular')
    errors.notSupported(at.child('x-kubernetes-map-type'), mapType, ['atomic', 'granular']);
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
  // It is the list type of the item that is told.
  if (items.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic')
    errors.invalid(at.child('x-kubernetes-map-type'), items['x-kubernetes-list-type'], must);
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
  } else {
    const before = new Set<string>();
    for (const key of keys) {
      const property = own(items.properties, key);
      if (!property) errors.invalid(here, keys, 'entries must all be names of item properties');
      else if (property.type === 'array' || property.type === 'object')
        errors.invalid(
          below.child('properties').key(key).child('type'),
          items.type,
          "must be a scalar type if parent array's x-kubernetes-list-type is map",
        );
      if (before.has(key)) errors.invalid(here, keys, 'must not contain duplicate entries');
      before.add(key);
    }
  }
  if (items.nullable)
    errors.forbidden(below.child('nullable'), 'cannot be nullable when x-kubernetes-list-type is map');
  const required = new Set(items.required);
  for (const key of new Set(keys)) checkKey(items, key, required, below, errors);
}

function checkKey(
  items: JSONSchemaProps,
  key: string,
  required: ReadonlySet<string>,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const property = own(items.properties, key);
  if (!property) return;
  const where = at.child('properties').key(key);
  if (property.default === undefined && !required.has(key)) {
    const must = 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
    errors.required(where.child('default'), must);
  }
  if (property.nullable)
    errors.forbidden(
      where.child('nullable'),
      'this property is in x-kubernetes-list-map-keys, so it cannot be nullable',
    );
}

const implicit = ['apiVersion', 'kind', 'metadata'] as const;

function checkMetadata(s: JSONSchemaProps, at: FieldPath, root: boolean, errors: FieldErrors): void {
  for (const name of implicit) {
    const property = own(s.properties, name);
    const wanted = name === 'metadata' ? 'object' : 'string';
    if (property && property.type !== wanted)
      errors.invalid(at.child('properties').key(name).child('type'), property.type ?? '', `must be ${wanted}`);
  }
  const metadata = own(s.properties, 'metadata');
  if (!root || !metadata) return;
  const { type: _, default: __, properties, ...more } = metadata;
  const names = Object.keys(properties ?? {});
  if (Object.keys(more).length || names.some(n => n !== 'name' && n !== 'generateName'))
    errors.forbidden(
      at.child('properties').key('metadata'),
      'must not specify anything other than name and generateName, but metadata is implicitly specified',
    );
}

/** What every resource has is filled in by whoever makes it. */
function checkImplicitDefaults(schema: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  const check = (s: JSONSchemaProps, here: FieldPath, name: string): void => {
    if (s.default !== undefined) errors.forbidden(here.child('default'), `must not be set in top-level ${name}`);
    for (const [child, where] of parts(s, here)) check(child, where, name);
  };
  for (const name of implicit) {
    const property = own(schema.properties, name);
    if (property) check(property, at.child('properties').key(name), name);
  }
}

export const eitherType = [{ type: 'integer' }, { type: 'string' }];

/** Where it may be said that something is a number or a text, also of what has a type. */
function typedAlternatives({ anyOf, allOf }: JSONSchemaProps): readonly JSONSchemaProps[] {
  const isEither = (n: JSONSchemaProps['anyOf']) => equalJson(n, eitherType);
  return [isEither(anyOf) ? anyOf : [], isEither(allOf?.[0]?.anyOf) ? allOf?.[0]?.anyOf : []].flatMap(n => n ?? []);
}

const mustBeEmpty = ['type', 'title', 'description'] as const;
const mustBeUndefined = ['default', 'x-kubernetes-list-type', 'x-kubernetes-map-type'] as const;
const mustBeFalse = [
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
] as const;
const mustHaveNone = ['x-kubernetes-list-map-keys', 'x-kubernetes-validations'] as const;

/** Value validations refine what the structure has and are none themselves. `typed`: those that may state a type. */
function checkValueNode(
  n: JSONSchemaProps,
  at: FieldPath,
  resource: boolean,
  typed: readonly JSONSchemaProps[],
  errors: FieldErrors,
): void {
  checkPattern(n, at, errors);
  for (const field of mustBeUndefined)
    if (n[field] !== undefined) errors.forbidden(at.child(field), 'must be undefined to be structural');
  if (n.additionalProperties !== undefined && n.additionalProperties !== false)
    errors.forbidden(at.child('additionalProperties'), 'must be undefined to be structural');
  for (const field of mustBeEmpty)
    if (n[field] && !(field === 'type' && typed.includes(n)))
      errors.forbidden(at.child(field), 'must be empty to be structural');
  for (const field of mustBeFalse) if (n[field]) errors.forbidden(at.child(field), 'must be false to be structural');
  for (const field of mustHaveNone)
    if (n[field]?.length) errors.forbidden(at.child(field), 'must be empty to be structural');
  for (const [name, property] of Object.entries(n.properties ?? {})) {
    const where = at.child('properties').key(name);
    if (resource && name === 'metadata') errors.forbidden(where, 'must not be specified in a nested context');
    checkValueNode(property, where, false, typed, errors);
  }
  if (isSchema(n.items)) checkValueNode(n.items, at.child('items'), false, typed, errors);
  for (const [child, where] of composites(n, at)) checkValueNode(child, where, resource, typed, errors);
}

/** What the value validations of the root name, the structure has: `s` at `home`, their node at `at`. */
function checkComplete(
  n: JSONSchemaProps,
  s: JSONSchemaProps,
  at: FieldPath,
  home: FieldPath,
  errors: FieldErrors,
): void {
  if (n !== s) {
    const below = (
      child: JSONSchemaProps,
      structure: JSONSchemaProps | undefined,
      step: (p: FieldPath) => FieldPath,
    ) =>
      structure
        ? checkComplete(child, structure, step(at), step(home), errors)
        : errors.required(step(home), `because it is defined in ${step(at)}`);
    for (const [name, property] of Object.entries(n.properties ?? {}))
      below(property, own(s.properties, name), p => p.child('properties').key(name));
    if (isSchema(n.items)) below(n.items, isSchema(s.items) ? s.items : undefined, p => p.child('items'));
  }
  for (const [child, where] of composites(n, at)) checkComplete(child, s, where, home, errors);
}

/** Defaults obey the schema they stand in, and name nothing it does not have. Maps' values have none that count. */
function checkDefaults(s: JSONSchemaProps, at: FieldPath, errors: FieldErrors, root = false): void {
  if (s.default !== undefined) checkDefault(s, at.child('default'), root, errors);
  for (const [name, property] of Object.entries(s.properties ?? {}))
    checkDefaults(property, at.child('properties').key(name), errors);
  if (isSchema(s.items)) checkDefaults(s.items, at.child('items'), errors);
}

function checkDefault(s: JSONSchemaProps, at: FieldPath, root: boolean, errors: FieldErrors): void {
  const structural = compileStructural(root ? { ...s, 'x-kubernetes-embedded-resource': true } : s);
  const given = sortedJson(s.default);
  const coerced = embeddedFault(structural, given, at);
  if (coerced) {
    errors.list.push(coerced);
    return;
  }
  const value = cloneDeep(given);
  prunePart(structural, value);
  if (!equalJson(value, given)) errors.invalid(at, given, 'must not have unknown fields');
  validateEmbedded(structural, given, at, errors);
  const found = new FieldErrors();
  // Only what was declared a type counts: a number or a text is anything here.
  compileValidator(s, true).validate(value, undefined, undefined, found);
  // The place is told before; within the message the value is all there is.
  for (const cause of found.list) {
    const below = cause.field === '<nil>' ? '' : cause.field;
    errors.list.push({ ...cause, field: `${at}${below && `.${below}`}` });
  }
  if (found.empty) validateDefaultRules(structural, value, at, errors);
}

/** With sorted keys, as Go prints maps. */
function sortedJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedJson);
  if (!isPlain(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map(key => [key, sortedJson(value[key])]),
  );
}
