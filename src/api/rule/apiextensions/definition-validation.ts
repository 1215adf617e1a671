// What a CustomResourceDefinition must obey.
import { append } from '../../../base/append.ts';
import { jsonText } from '../../../base/json-text.ts';
import { own } from '../../../base/own.ts';
import { printable } from '../../../base/quote.ts';
import { FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { IMMUTABLE, isDns1035Label, isDns1123Subdomain } from '../../name-rule.ts';
import { equalJson, isPlain } from '../../patch/plain.ts';
import type { RuleContext } from '../../strategy.ts';
import { validateSchema } from '../../structural/structural-rule.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from '../../type/apiextensions-v1.ts';
import { validateConversion } from './conversion-validation.ts';
import { internalVersion, type VersionPart, versionParts } from './internal-version.ts';

type Crd = CustomResourceDefinition;

const SPEC = path('spec');
const STATUS = path('status');
const approval = 'api-approved.kubernetes.io';

export function validateDefinition(crd: Crd, errors: FieldErrors, context: RuleContext): void {
  const old = context.old as Crd | undefined;
  const { spec } = crd;
  const wanted = `${spec.names?.plural ?? ''}.${spec.group ?? ''}`;
  for (const field of old ? [] : (['generateName', 'name'] as const)) {
    const given = crd.metadata[field];
    if (given && given !== wanted)
      errors.invalid(path('metadata').child(field), given, 'must be spec.names.plural+"."+spec.group');
  }
  validateGroup(spec.group ?? '', errors);
  validateScope(spec.scope, errors);
  if (spec.preserveUnknownFields && !old?.spec.preserveUnknownFields)
    errors.invalid(
      SPEC.child('preserveUnknownFields'),
      true,
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
    );
  validateVersions(crd, old, errors);
  validateNames(spec.names ?? { plural: '', kind: '' }, SPEC.child('names'), errors);
  validateConversion(spec.conversion, SPEC.child('conversion'), errors);
  validateApproval(crd, old, errors);
}

function validateGroup(group: string, errors: FieldErrors): void {
  const at = SPEC.child('group');
  if (!group) errors.required(at);
  else {
    const wrong = isDns1123Subdomain(group);
    if (wrong.length) errors.invalid(at, group, wrong.join(','));
    else if (group.split('.').length < 2) errors.invalid(at, group, 'should be a domain with at least one dot');
  }
}

function validateScope(scope: string | undefined, errors: FieldErrors): void {
  const at = SPEC.child('scope');
  if (!scope) errors.required(at);
  else if (scope !== 'Cluster' && scope !== 'Namespaced') errors.notSupported(at, scope, ['Cluster', 'Namespaced']);
}

function validateVersions({ spec }: Crd, old: Crd | undefined, errors: FieldErrors): void {
  const at = SPEC.child('versions');
  const versions = spec.versions ?? [];
  for (const [i, { schema }] of versions.entries())
    if (!schema?.openAPIV3Schema) errors.required(at.index(i).child('schema', 'openAPIV3Schema'));
  const names = new Set<string>();
  let unique = true;
  const known = new Map(old?.spec.versions?.toReversed().map(v => [v.name, v]));
  const before = (version: CustomResourceDefinitionVersion) => known.get(version.name);
  const shared = sharedParts(versions);
  for (const [i, version] of versions.entries()) {
    if (names.has(version.name)) unique = false;
    names.add(version.name);
    validateVersion(version, at.index(i), errors);
    validateParts(version, shared, at.index(i), before(version), errors);
  }
  const shown = () => (spec.versions ? versions.map(v => internalVersion(v, part => shared.has(part))) : null);
  if (!unique) errors.invalid(at, shown(), 'must contain unique version names');
  if (versions.filter(v => v.storage).length !== 1)
    errors.invalid(at, shown(), 'must have exactly one version marked as storage version');
  // Within, the first version is that of the definition, and what all versions share is the definition's too.
  const first = versions[0];
  const wrong = first?.name ? isDns1035Label(first.name) : [];
  if (wrong.length) errors.invalid(SPEC.child('version'), first!.name, wrong.join(','));
  if (first) validateParts(first, shared, undefined, before(first), errors);
}

type Versions = readonly CustomResourceDefinitionVersion[];

/** What is the same in all versions. */
const sharedParts = (versions: Versions): ReadonlySet<VersionPart> =>
  new Set(versionParts.filter(part => versions.every(v => equalJson(v[part], versions[0]?.[part]))));

function validateVersion(version: CustomResourceDefinitionVersion, at: FieldPath, errors: FieldErrors): void {
  const wrong = isDns1035Label(version.name ?? '');
  if (wrong.length) errors.invalid(at.child('name'), version.name ?? '', wrong.join(','));
  const { deprecationWarning } = version;
  if (deprecationWarning !== undefined) validateDeprecation(version, deprecationWarning, at, errors);
}

/** What a version at `at` has alone, or without a place what all have; the latter is told of the definition. */
function validateParts(
  version: CustomResourceDefinitionVersion,
  shared: ReadonlySet<VersionPart>,
  at: FieldPath | undefined,
  old: CustomResourceDefinitionVersion | undefined,
  errors: FieldErrors,
): void {
  const isHere = (part: VersionPart) => version[part] !== undefined && shared.has(part) === (at === undefined);
  const place = at ?? SPEC;
  const schema = isHere('schema') ? version.schema?.openAPIV3Schema : undefined;
  if (schema && !equalJson(schema, old?.schema?.openAPIV3Schema))
    validateSchema(schema, place.child(at ? 'schema' : 'validation', 'openAPIV3Schema'), errors);
  if (isHere('subresources')) validateSubresources(version, place.child('subresources'), errors);
  if (isHere('additionalPrinterColumns'))
    for (const [j, column] of (version.additionalPrinterColumns ?? []).entries())
      validateColumn(column, place.child('additionalPrinterColumns').index(j), errors);
  if (!isHere('selectableFields') || !version.selectableFields?.length) return;
  const fields = place.child('selectableFields');
  if (schema) validateSelectable(version, fields, errors);
  else
    errors.invalid(
      fields,
      '',
      at
        ? 'may only be set when `version.schema.openAPIV3Schema` is not included'
        : 'may only be set when validations.schema is included',
    );
}

function validateDeprecation(
  version: CustomResourceDefinitionVersion,
  text: string,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const here = at.child('deprecationWarning');
  // The text is told as JSON.
  const invalid = (why: string) => errors.add('FieldValueInvalid', here, `Invalid value: ${jsonText(text)}: ${why}`);
  if (!version.deprecated) {
    invalid('can only be set for deprecated versions');
    return;
  }
  if (Buffer.byteLength(text) > 256) invalid('must be <= 256 characters long');
  if (!text) invalid('must not be an empty string');
  const stray = [...text].find(c => !printable.test(c));
  if (stray === undefined) return;
  const index = Buffer.byteLength(text.slice(0, text.indexOf(stray)));
  invalid(`must only contain printable UTF-8 characters; non-printable character found at index ${index}`);
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const columnFormats = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password'];

function validateColumn(
  column: NonNullable<CustomResourceDefinitionVersion['additionalPrinterColumns']>[number],
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (!column.name) errors.required(at.child('name'));
  if (!column.type) errors.required(at.child('type'), `must be one of ${columnTypes.join(',')}`);
  else if (!columnTypes.includes(column.type))
    errors.invalid(at.child('type'), column.type, `must be one of ${columnTypes.join(',')}`);
  if (column.format && !columnFormats.includes(column.format))
    errors.invalid(at.child('format'), column.format, `must be one of ${columnFormats.join(',')}`);
  if (!column.jsonPath) errors.required(at.child('JSONPath'));
  else if (!column.jsonPath.startsWith('.'))
    errors.invalid(at.child('JSONPath'), column.jsonPath, `must be a simple json path starting with .`);
}

const maxSelectableFields = 8;

function validateSelectable(version: CustomResourceDefinitionVersion, at: FieldPath, errors: FieldErrors): void {
  const fields = version.selectableFields ?? [];
  const seen = new Set<string>();
  for (const [i, { jsonPath }] of fields.entries()) {
    const here = at.index(i).child('jsonPath');
    if (!jsonPath) {
      errors.required(here);
      continue;
    }
    const wrong = selectableFault(version, jsonPath);
    if (wrong) errors.invalid(here, jsonPath, wrong);
    else if (seen.has(jsonPath)) errors.duplicate(here, jsonPath);
    else seen.add(jsonPath);
  }
  if (seen.size > maxSelectableFields) errors.tooMany(at, fields.length, maxSelectableFields);
}

function selectableFault(version: CustomResourceDefinitionVersion, jsonPath: string): string | undefined {
  const wrong = (why: string) => `is an invalid path: ${why}`;
  if (!/^[.[]/.test(jsonPath)) return wrong(`expected [ or . but got: ${/^[^.[]+/.exec(jsonPath)?.[0] ?? ''}`);
  if (jsonPath.includes('[')) return wrong('array notation is not allowed');
  if (jsonPath.endsWith('.')) return wrong('unexpected end of JSON path');
  const fields = jsonPath.slice(1).split('.');
  const target = schemaAtPath(version.schema?.openAPIV3Schema, fields);
  if (!target) return wrong('does not refer to a valid field');
  if (fields[0] === 'metadata') return 'must not point to fields in metadata';
  if (['boolean', 'integer', 'string'].includes(target.type ?? '')) return undefined;
  return 'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.';
}

function schemaAtPath(schema: JSONSchemaProps | undefined, fields: readonly string[]): JSONSchemaProps | undefined {
  let at = schema;
  for (const name of fields) {
    const more = at?.additionalProperties;
    at = own(at?.properties, name) ?? (isPlain(more) ? (more as JSONSchemaProps) : undefined);
  }
  return at;
}

function validateSubresources(
  { subresources }: CustomResourceDefinitionVersion,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const scale = subresources?.scale;
  if (!scale) return;
  const here = at.child('scale');
  const check = (field: 'specReplicasPath' | 'statusReplicasPath' | 'labelSelectorPath', below: readonly string[]) => {
    const value = scale[field];
    if (!value) {
      if (field !== 'labelSelectorPath') errors.required(here.child(field));
      return;
    }
    const at = here.child(field);
    const prefixes = below.map(b => `.${b}`);
    if (!value.startsWith('.')) errors.invalid(at, value, 'must be a simple json path starting with .');
    else if (!prefixes.some(p => value.startsWith(`${p}.`)))
      errors.invalid(
        at,
        value,
        `should be a json path under ${below.length > 1 ? 'either ' : ''}${prefixes.join(' or ')}`,
      );
  };
  check('specReplicasPath', ['spec']);
  check('statusReplicasPath', ['status']);
  check('labelSelectorPath', ['spec', 'status']);
}

const mixedCase = (wrong: readonly string[]) => `may have mixed case, but should otherwise match: ${wrong.join(',')}`;

function validateNames(names: CustomResourceDefinitionNames, at: FieldPath, errors: FieldErrors): void {
  const check = (field: 'plural' | 'singular' | 'kind' | 'listKind', word: (wrong: readonly string[]) => string) => {
    const value = names[field];
    if (!value) errors.required(at.child(field));
    const wrong = value ? isDns1035Label(word === mixedCase ? value.toLowerCase() : value) : [];
    if (wrong.length) errors.invalid(at.child(field), value, word(wrong));
  };
  const joined = (wrong: readonly string[]) => wrong.join(',');
  check('plural', joined);
  check('singular', joined);
  check('kind', mixedCase);
  check('listKind', mixedCase);
  for (const [i, name] of (names.shortNames ?? []).entries()) {
    const wrong = isDns1035Label(name);
    if (wrong.length) errors.invalid(at.child('shortNames').index(i), name, wrong.join(','));
  }
  if (names.kind && names.kind === names.listKind)
    errors.invalid(at.child('listKind'), names.listKind, 'kind and listKind may not be the same');
  for (const [i, name] of (names.categories ?? []).entries()) {
    const wrong = isDns1035Label(name);
    if (wrong.length) errors.invalid(at.child('categories').index(i), name, wrong.join(','));
  }
}

function validateApproval(crd: Crd, old: Crd | undefined, errors: FieldErrors): void {
  if (!/(^|\.)(k8s\.io|kubernetes\.io)$/.test(crd.spec.group ?? '')) return;
  const value = crd.metadata.annotations?.[approval];
  if (old && old.metadata.annotations?.[approval] === value) return;
  const at = path('metadata').child('annotations').key(approval);
  const where = 'see https://github.com/kubernetes/enhancements/pull/1111';
  if (!value) errors.required(at, `protected groups must have approval annotation "${approval}", ${where}`);
  else if (!value.startsWith('unapproved') && !/^[a-z][a-z0-9+.-]*:\/\/[^\s/]+/i.test(value))
    errors.invalid(
      at,
      value,
      `protected groups must have approval annotation "${approval}" with either a URL or a reason starting with "unapproved", ${where}`,
    );
}

/** Of a status, once others write it: names may be missing, not wrong. */
export function validateAcceptedNames({ status }: Crd, errors: FieldErrors): void {
  const found = new FieldErrors();
  if (status?.acceptedNames) validateNames(status.acceptedNames, STATUS.child('acceptedNames'), found);
  append(
    errors.list,
    found.list.filter(e => e.reason !== 'FieldValueRequired'),
  );
}

export function validateStoredVersions({ spec, status }: Crd, errors: FieldErrors): void {
  const stored = status?.storedVersions ?? [];
  // Of a body it may be null.
  const versions = spec.versions ?? [];
  const names = new Set(versions.map(v => v.name));
  const at = STATUS.child('storedVersions');
  if (stored.length === 0) errors.invalid(at, null, 'must have at least one stored version');
  for (const [i, v] of stored.entries())
    if (!names.has(v))
      errors.invalid(
        at.index(i),
        v,
        'missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions'.replaceAll(
          'v1',
          v,
        ),
      );
  const storage = versions.findLast(v => v.storage)?.name;
  if (storage && stored.length && !stored.includes(storage))
    errors.invalid(at, stored, `must have the storage version ${storage}`);
}

export function validateDefinitionUpdate(crd: Crd, old: Crd, errors: FieldErrors): void {
  const fixed = (field: FieldPath, now: unknown, was: unknown) => {
    if (!equalJson(now, was)) errors.invalid(field, now, IMMUTABLE);
  };
  const established = old.status?.conditions?.some(c => c.type === 'Established' && c.status === 'True');
  if (established) {
    fixed(SPEC.child('scope'), crd.spec.scope, old.spec.scope);
    fixed(SPEC.child('names', 'kind'), crd.spec.names.kind, old.spec.names.kind);
  }
  fixed(SPEC.child('group'), crd.spec.group, old.spec.group);
  fixed(SPEC.child('names', 'plural'), crd.spec.names.plural, old.spec.names.plural);
}
