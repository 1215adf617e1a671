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
  if (crd.metadata.name !== wanted)
    errors.invalid(path('metadata').child('name'), crd.metadata.name, 'must be spec.names.plural+"."+spec.group');
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
      old?.spec.versions.find(v => v.name === version.name),
      errors,
    );
  }
  if (!unique) errors.invalid(at, versions, 'must contain unique version names');
  if (versions.filter(v => v.storage).length !== 1)
    errors.invalid(at, versions, 'must have exactly one version marked as storage version');
}

interface Places {
  readonly version: FieldPath;
  /** Undefined: said of an earlier version already. */
  place(part: Part): FieldPath | undefined;
}

type Part = 'schema' | 'subresources' | 'additionalPrinterColumns' | 'selectableFields';

// What is the same in all versions Kubernetes takes for a part of the whole definition, and complains of it there, once.
function placesOf(versions: readonly CustomResourceDefinitionVersion[], i: number, version: FieldPath): Places {
  const shared = (part: Part) => versions.every(v => equalJson(v[part], versions[0]?.[part]));
  return {
    version,
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
        `must only contain printable UTF-8 characters; non-printable character found at index ${text.indexOf(c)}`,
      );
      break;
    }
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];
const columnFormats = ['int32', 'int64', 'float', 'double', 'byte', 'date', 'date-time', 'password'];

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
  else if (!column.jsonPath.startsWith('.') && !column.jsonPath.startsWith('['))
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
    if (seen.has(jsonPath)) errors.duplicate(here, jsonPath);
    seen.add(jsonPath);
    const simple = simplePath(jsonPath);
    if (!simple) {
      errors.invalid(here, jsonPath, 'is an invalid path: must be a simple path of fields');
      continue;
    }
    if (simple[0] === 'metadata') {
      errors.invalid(here, jsonPath, 'must not point to fields in metadata');
      continue;
    }
    const target = schemaAtPath(version.schema?.openAPIV3Schema, simple);
    if (!target) errors.invalid(here, jsonPath, `is an invalid path: does not refer to a valid field`);
    else if (!['boolean', 'integer', 'string'].includes(target.type ?? ''))
      errors.invalid(
        here,
        jsonPath,
        'must point to a field of type boolean, string or integer. Enum string fields and strings with formats are allowed.',
      );
  }
}

function simplePath(jsonPath: string): readonly string[] | undefined {
  try {
    return jsonPath.startsWith('.') ? parseJsonPath(jsonPath).fields : undefined;
  } catch (error) {
    if (error instanceof JsonPathError) return undefined;
    throw error;
  }
}

function schemaAtPath(schema: JSONSchemaProps | undefined, fields: readonly string[]): JSONSchemaProps | undefined {
  let at = schema;
  for (const name of fields) at = own(at?.properties, name);
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
    const fields = simplePath(value);
    const prefixes = below.map(b => `.${b}`).join(' or ');
    if (!fields) errors.invalid(here.child(field), value, 'should be a json path without array notation');
    else if (!below.includes(fields[0]!) || fields.length < 2)
      errors.invalid(here.child(field), value, `should be a json path under ${prefixes}`);
  };
  check('specReplicasPath', ['spec']);
  check('statusReplicasPath', ['status']);
  check('labelSelectorPath', ['spec', 'status']);
}

const mixedCase = (wrong: readonly string[]) => `may have mixed case, but should otherwise match: ${wrong.join(',')}`;

export function validateNames(names: CustomResourceDefinitionNames, at: FieldPath, errors: FieldErrors): void {
  const label = (field: string, value: string) => {
    const wrong = isDns1035Label(value);
    if (wrong.length) errors.invalid(at.child(field), value, wrong.join(','));
  };
  label('plural', names.plural ?? '');
  if (names.singular) label('singular', names.singular);
  const kind = isDns1035Label((names.kind ?? '').toLowerCase());
  if (kind.length) errors.invalid(at.child('kind'), names.kind ?? '', mixedCase(kind));
  const listKind = names.listKind ? isDns1035Label(names.listKind.toLowerCase()) : [];
  if (listKind.length) errors.invalid(at.child('listKind'), names.listKind, mixedCase(listKind));
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
  if (stored.length === 0) errors.invalid(at, stored, 'must have at least one stored version');
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
  const storage = versions.find(v => v.storage)?.name;
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
