// What a CustomResourceDefinition must obey.
import { own } from '../../../base/own.ts';
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { IMMUTABLE, isDns1035Label, isDns1123Subdomain } from '../../name-rule.ts';
import { equalJson } from '../../patch/plain.ts';
import type { RuleContext } from '../../strategy.ts';
import { JsonPathError, parseJsonPath } from '../../structural/json-path.ts';
import { validateSchema } from '../../structural/structural-rule.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from '../../type/apiextensions-v1.ts';
import { validateConversion } from './conversion-validation.ts';

type Crd = CustomResourceDefinition;

const SPEC = path('spec');
const STATUS = path('status');
const approval = 'api-approved.kubernetes.io';

export function validateDefinition(crd: Crd, errors: FieldErrors, context: RuleContext): void {
  const old = context.old as Crd | undefined;
  const { spec } = crd;
  const wanted = `${spec.names?.plural ?? ''}.${spec.group ?? ''}`;
  for (const field of ['generateName', 'name'] as const) {
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
  const names = new Set<string>();
  let unique = true;
  for (const [i, version] of versions.entries()) {
    if (names.has(version.name)) unique = false;
    names.add(version.name);
    validateVersion(
      version,
      placesOf(versions, i, at.index(i)),
      old?.spec.versions?.find(v => v.name === version.name),
      errors,
    );
  }
  const shown = spec.versions ? versions.map((v, i) => internal(v, placesOf(versions, i, at))) : null;
  if (!unique) errors.invalid(at, shown, 'must contain unique version names');
  if (versions.filter(v => v.storage).length !== 1)
    errors.invalid(at, shown, 'must have exactly one version marked as storage version');
  // Within, the first version is that of the definition.
  const first = versions[0]?.name;
  const wrong = first ? isDns1035Label(first) : [];
  if (wrong.length) errors.invalid(SPEC.child('version'), first, wrong.join(','));
}

/** A version as Go's server has it within, which it tells: what all versions share is not there. */
function internal(version: CustomResourceDefinitionVersion, { isShared }: Places): object {
  const part = (name: Part) => (isShared(name) ? null : (version[name] ?? null));
  return {
    Name: version.name,
    Served: version.served,
    Storage: version.storage,
    Deprecated: version.deprecated ?? false,
    DeprecationWarning: version.deprecationWarning ?? null,
    Schema: part('schema'),
    Subresources: part('subresources'),
    AdditionalPrinterColumns: part('additionalPrinterColumns'),
    SelectableFields: part('selectableFields'),
  };
}

interface Places {
  readonly version: FieldPath;
  isShared(part: Part): boolean;
  /** Undefined: said of an earlier version already. */
  place(part: Part): FieldPath | undefined;
}

type Part = 'schema' | 'subresources' | 'additionalPrinterColumns' | 'selectableFields';

// What is the same in all versions Kubernetes takes for a part of the whole definition, and complains of it there, once.
function placesOf(versions: readonly CustomResourceDefinitionVersion[], i: number, version: FieldPath): Places {
  const shared = (part: Part) => versions.every(v => equalJson(v[part], versions[0]?.[part]));
  return {
    version,
    isShared: shared,
    place(part) {
      const below = (at: FieldPath, holder: string) =>
        part === 'schema' ? at.child(holder, 'openAPIV3Schema') : at.child(part);
      const own = below(version, 'schema');
      if (!versions[i]?.[part] || !shared(part)) return own;
      if (i > 0) return undefined;
      return below(SPEC, 'validation');
    },
  };
}

function validateVersion(
  version: CustomResourceDefinitionVersion,
  { version: at, place }: Places,
  old: CustomResourceDefinitionVersion | undefined,
  errors: FieldErrors,
): void {
  const wrong = isDns1035Label(version.name ?? '');
  if (wrong.length) errors.invalid(at.child('name'), version.name ?? '', wrong.join(','));
  const { deprecationWarning } = version;
  if (deprecationWarning !== undefined) validateDeprecation(version, deprecationWarning, at, errors);
  const schema = version.schema?.openAPIV3Schema;
  const here = place('schema');
  if (!schema) errors.required(at.child('schema', 'openAPIV3Schema'));
  else if (here && !equalJson(schema, old?.schema?.openAPIV3Schema)) validateSchema(schema, here, errors);
  const subresources = place('subresources');
  if (subresources) validateSubresources(version, subresources, errors);
  const columns = place('additionalPrinterColumns');
  if (columns)
    for (const [j, column] of (version.additionalPrinterColumns ?? []).entries())
      validateColumn(column, columns.index(j), errors);
  const selectable = place('selectableFields');
  if (selectable) validateSelectable(version, selectable, errors);
}

function validateDeprecation(
  version: CustomResourceDefinitionVersion,
  text: string,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const here = at.child('deprecationWarning');
  if (!version.deprecated) errors.invalid(here, text, 'can only be set for deprecated versions');
  if (text.length > 256) errors.tooLong(here, 256);
  if (!text) errors.invalid(here, text, 'must not be an empty string');
  for (const c of text)
    if (/\p{C}/u.test(c)) {
      errors.invalid(
        here,
        text,
        `must only contain printable UTF-8 characters; non-printable character found at index ${Buffer.byteLength(text.slice(0, text.indexOf(c)))}`,
      );
      break;
    }
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
  else
    try {
      parseJsonPath(column.jsonPath);
    } catch (error) {
      if (!(error instanceof JsonPathError)) throw error;
      errors.invalid(at.child('JSONPath'), column.jsonPath, `is an invalid JSONPath: ${error.message}`);
    }
}

const maxSelectableFields = 8;

function validateSelectable(version: CustomResourceDefinitionVersion, at: FieldPath, errors: FieldErrors): void {
  const fields = version.selectableFields ?? [];
  if (fields.length > maxSelectableFields) errors.tooMany(at, fields.length, maxSelectableFields);
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
    seen.add(jsonPath);
  }
}

function selectableFault(version: CustomResourceDefinitionVersion, jsonPath: string): string | undefined {
  const wrong = (why: string) => `is an invalid path: ${why}`;
  if (!/^[.[]/.test(jsonPath)) return wrong(`expected [ or . but got: ${/^[^.[]+/.exec(jsonPath)?.[0] ?? ''}`);
  if (jsonPath.includes('[')) return wrong('array notation is not allowed');
  if (jsonPath.endsWith('.')) return wrong('unexpected end of JSON path');
  const fields = jsonPath.slice(1).split('.');
  const target = fields[0] === 'metadata' ? undefined : schemaAtPath(version.schema?.openAPIV3Schema, fields);
  if (!target) return wrong('does not refer to a valid field');
  if (['boolean', 'integer', 'string'].includes(target.type ?? '')) return undefined;
  return 'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.';
}

function schemaAtPath(schema: JSONSchemaProps | undefined, fields: readonly string[]): JSONSchemaProps | undefined {
  let at = schema;
  for (const name of fields) at = own(at?.properties, name);
  return at;
}

/** Of what Go's server takes, what a scale can be read and written by. */
function isServed(jsonPath: string): boolean {
  try {
    return parseJsonPath(jsonPath).fields !== undefined;
  } catch (error) {
    if (error instanceof JsonPathError) return false;
    throw error;
  }
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
    else if (!isServed(value)) errors.invalid(at, value, 'should be a json path without array notation');
  };
  check('specReplicasPath', ['spec']);
  check('statusReplicasPath', ['status']);
  check('labelSelectorPath', ['spec', 'status']);
}

const mixedCase = (wrong: readonly string[]) => `may have mixed case, but should otherwise match: ${wrong.join(',')}`;

export function validateNames(names: CustomResourceDefinitionNames, at: FieldPath, errors: FieldErrors): void {
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

/** Checks on every update, of the object or of its status. */
export function validateDefinitionStatus({ spec, status }: Crd, errors: FieldErrors): void {
  const stored = status?.storedVersions ?? [];
  // Of a body it may be null.
  const versions = spec.versions ?? [];
  const at = STATUS.child('storedVersions');
  if (stored.length === 0) errors.invalid(at, null, 'must have at least one stored version');
  for (const [i, v] of stored.entries())
    if (!versions.some(s => s.name === v))
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
