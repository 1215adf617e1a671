// What every object's metadata must obey, and label selectors.
import { type FieldErrors, type FieldPath, path } from '../field-error.ts';
import type { KubeObject } from '../meta.ts';
import {
  IMMUTABLE,
  isDns1035Label,
  isDns1123Label,
  isDns1123Subdomain,
  isLabelValue,
  isPathSegmentName,
  isQualifiedName,
  NOT_NEGATIVE,
} from '../name-rule.ts';
import type { NameRule } from '../strategy.ts';
import type { LabelSelector, ObjectMeta, OwnerReference } from '../type/meta-v1.ts';
import { validateManagedFields } from './managed-fields.ts';

const METADATA = path('metadata');
const MAX_ANNOTATION_BYTES = 256 * 1024;
export const STANDARD_FINALIZERS = new Set(['kubernetes', 'orphan', 'foregroundDeletion']);

const NAME_CHECKS: Readonly<Record<NameRule, (name: string) => readonly string[]>> = {
  dnsSubdomain: isDns1123Subdomain,
  dnsLabel: isDns1123Label,
  dns1035Label: isDns1035Label,
  pathSegment: isPathSegmentName,
  any: () => [],
};

/** Complaints about a name (or, with `prefix`, about what generateName begins a name with). */
export function nameComplaints(rule: NameRule, name: string, prefix = false): readonly string[] {
  const check = NAME_CHECKS[rule];
  // A prefix may end in '-', which the generated suffix will follow.
  if (prefix && rule !== 'pathSegment' && name.length > 1 && name.endsWith('-')) return check(`${name.slice(0, -2)}a`);
  // With what is to follow it is no longer a step to a folder.
  if (prefix && rule === 'pathSegment') return check(`${name}a`);
  return check(name);
}

/**
 * Checks `metadata` of an object about to be stored. The registry calls it for every kind, with the strategy's
 * nameRule, before the strategy's `validate`.
 */
export function validateObjectMeta(
  object: KubeObject,
  namespaced: boolean,
  nameRule: NameRule | ((name: string, prefix: boolean) => readonly string[]),
  errors: FieldErrors,
  finalizers: 'kubernetes' | 'any' = 'kubernetes',
): void {
  validateMeta(object.metadata, namespaced, nameRule, METADATA, errors, finalizers);
}

/** As validateObjectMeta, for metadata that stands elsewhere (templates that are objects of their own). */
export function validateMeta(
  meta: ObjectMeta,
  namespaced: boolean,
  nameRule: NameRule | ((name: string, prefix: boolean) => readonly string[]),
  at: FieldPath,
  errors: FieldErrors,
  finalizers: 'kubernetes' | 'any' = 'kubernetes',
): void {
  const check =
    typeof nameRule === 'function'
      ? nameRule
      : (name: string, prefix: boolean) => nameComplaints(nameRule, name, prefix);
  if (meta.generateName) {
    for (const m of check(meta.generateName, true)) errors.invalid(at.child('generateName'), meta.generateName, m);
  }
  if (!meta.name) errors.required(at.child('name'), 'name or generateName is required');
  else for (const m of check(meta.name, false)) errors.invalid(at.child('name'), meta.name, m);
  if (namespaced) {
    if (!meta.namespace) errors.required(at.child('namespace'));
    else for (const m of isDns1123Label(meta.namespace)) errors.invalid(at.child('namespace'), meta.namespace, m);
  } else if (meta.namespace) errors.forbidden(at.child('namespace'), 'not allowed on this type');
  if (meta.generation !== undefined && meta.generation < 0)
    errors.invalid(at.child('generation'), meta.generation, NOT_NEGATIVE);
  validateMetaContent(meta, at, errors, finalizers);
}

function validateMetaContent(
  meta: ObjectMeta,
  at: FieldPath,
  errors: FieldErrors,
  finalizers: 'kubernetes' | 'any',
): void {
  if (meta.labels) validateLabels(meta.labels, at.child('labels'), errors);
  if (meta.annotations) validateAnnotations(meta.annotations, at.child('annotations'), errors);
  if (meta.ownerReferences) validateOwnerReferences(meta.ownerReferences, at.child('ownerReferences'), errors);
  if (meta.finalizers) validateFinalizers(meta.finalizers, at.child('finalizers'), errors, finalizers);
  if (meta.managedFields) validateManagedFields(meta.managedFields, at.child('managedFields'), errors);
}

/** Checks what an update may not do to metadata. Besides validateObjectMeta, not instead of it. */
export function validateObjectMetaUpdate(object: KubeObject, old: KubeObject, errors: FieldErrors): void {
  const meta = object.metadata;
  const before = old.metadata;
  if (before.deletionTimestamp) validateNoNewFinalizers(meta.finalizers, before.finalizers, errors);
  if (!meta.resourceVersion)
    errors.invalid(METADATA.child('resourceVersion'), meta.resourceVersion ?? '', 'must be specified for an update');
  if ((meta.generation ?? 0) < (before.generation ?? 0))
    errors.invalid(METADATA.child('generation'), meta.generation ?? 0, 'must not be decremented');
  for (const field of [
    'name',
    'namespace',
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ] as const) {
    const now = meta[field] ?? null;
    if (now !== (before[field] ?? null)) errors.invalid(METADATA.child(field), now, IMMUTABLE);
  }
}

function validateNoNewFinalizers(
  now: readonly string[] | undefined,
  before: readonly string[] | undefined,
  errors: FieldErrors,
): void {
  const extra = [...new Set(now ?? [])].filter(f => !before?.includes(f)).sort();
  if (extra.length === 0) return;
  const list = extra.map(f => JSON.stringify(f)).join(', ');
  errors.forbidden(
    METADATA.child('finalizers'),
    `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
  );
}

export function validateLabelName(key: string, at: FieldPath, errors: FieldErrors): void {
  for (const m of isQualifiedName(key)) errors.invalid(at, key, m);
}

export function validateLabels(labels: Readonly<Record<string, string>>, at: FieldPath, errors: FieldErrors): void {
  for (const key in labels) {
    validateLabelName(key, at, errors);
    const value = labels[key]!;
    for (const m of isLabelValue(value)) errors.invalid(at, value, m);
  }
}

const encoder = new TextEncoder();
const utf8Length = (text: string): number => encoder.encode(text).length;

export function validateAnnotations(
  annotations: Readonly<Record<string, string>>,
  at: FieldPath,
  errors: FieldErrors,
): void {
  let units = 0;
  for (const key in annotations) {
    for (const m of isQualifiedName(key.toLowerCase())) errors.invalid(at, key, m);
    units += key.length + annotations[key]!.length;
  }
  // A UTF-16 unit takes at most three bytes: count exactly only where it may matter.
  if (units * 3 <= MAX_ANNOTATION_BYTES) return;
  let bytes = 0;
  for (const key in annotations) bytes += utf8Length(key) + utf8Length(annotations[key]!);
  if (bytes > MAX_ANNOTATION_BYTES) errors.tooLong(at, MAX_ANNOTATION_BYTES);
}

function validateOwnerReferences(owners: readonly OwnerReference[], at: FieldPath, errors: FieldErrors): void {
  let controller: string | undefined;
  let shown: readonly object[] | undefined;
  for (const owner of owners) {
    // Kubernetes does not say which of them.
    validateOwnerReference(owner, at, errors);
    if (!owner.controller) continue;
    if (controller !== undefined) {
      shown ??= owners.map(inOrder);
      errors.invalid(
        at,
        shown,
        `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${owner.kind}/${owner.name}`,
      );
    } else controller = `${owner.kind}/${owner.name}`;
  }
}

/** With its fields in Kubernetes' order, which custom resources need not have. */
const inOrder = ({ apiVersion, kind, name, uid, controller, blockOwnerDeletion }: OwnerReference) => ({
  apiVersion,
  kind,
  name,
  uid,
  controller,
  blockOwnerDeletion,
});

function validateOwnerReference(owner: OwnerReference, at: FieldPath, errors: FieldErrors): void {
  const { apiVersion = '', kind = '', name = '', uid = '' } = owner;
  const parts = apiVersion.split('/');
  // What cannot be read has none either.
  if (parts.length > 2 || parts.at(-1) === '')
    errors.invalid(at.child('apiVersion'), apiVersion, 'version must not be empty');
  if (kind === '') errors.invalid(at.child('kind'), kind, 'must not be empty');
  if (name === '') errors.invalid(at.child('name'), name, 'must not be empty');
  if (uid === '') errors.invalid(at.child('uid'), uid, 'must not be empty');
  if (apiVersion === 'v1' && kind === 'Event')
    errors.invalid(at, inOrder(owner), '/v1, Kind=Event is disallowed from being an owner');
}

// Kinds of Kubernetes itself know their unqualified finalizers; other kinds may have any.
function validateFinalizers(
  finalizers: readonly string[],
  at: FieldPath,
  errors: FieldErrors,
  known: 'kubernetes' | 'any',
): void {
  for (const [i, finalizer] of finalizers.entries()) {
    for (const m of isQualifiedName(finalizer)) errors.invalid(at, finalizer, m);
    if (known === 'kubernetes' && !finalizer.includes('/') && !STANDARD_FINALIZERS.has(finalizer))
      errors.invalid(at.index(i), finalizer, 'name is neither a standard finalizer name nor is it fully qualified');
  }
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion'))
    errors.invalid(at, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set');
}

/** Checks a label selector; `undefined` is fine (what it selects is the caller's matter). */
export function validateLabelSelector(
  selector: LabelSelector | undefined,
  at: FieldPath,
  errors: FieldErrors,
  options: { readonly allowInvalidLabelValue?: boolean } = {},
): void {
  if (!selector) return;
  if (selector.matchLabels) validateLabels(selector.matchLabels, at.child('matchLabels'), errors);
  for (const [i, { key, operator, values = [] }] of (selector.matchExpressions ?? []).entries()) {
    const here = at.child('matchExpressions').index(i);
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0)
        errors.required(here.child('values'), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0)
        errors.forbidden(here.child('values'), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else errors.invalid(here.child('operator'), operator, 'not a valid selector operator');
    validateLabelName(key, here.child('key'), errors);
    if (options.allowInvalidLabelValue) continue;
    for (const [j, value] of values.entries())
      for (const m of isLabelValue(value)) errors.invalid(here.child('values').index(j), value, m);
  }
}

/** Has the selector no requirement at all? */
export const isEmptySelector = (selector: LabelSelector | undefined): boolean =>
  !selector || (!hasKeys(selector.matchLabels) && !selector.matchExpressions?.length);

export function hasKeys(record: object | undefined): boolean {
  if (record) for (const _ in record) return true;
  return false;
}
