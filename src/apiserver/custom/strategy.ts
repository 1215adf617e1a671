// The rules of a custom kind, made from its schema.

import { FieldErrors } from '../../api/field-error.ts';
import type { KubeObject, Mutable } from '../../api/meta.ts';
import { isPlain } from '../../api/patch/plain.ts';
import type { Strategy } from '../../api/strategy.ts';
import { validateRules } from '../../api/structural/cel-rule.ts';
import { validateEmbedded } from '../../api/structural/embedded.ts';
import { validateListTypes } from '../../api/structural/list-type.ts';
import type { Structural } from '../../api/structural/structural.ts';
import { compileValidator, type ValueValidator } from '../../api/structural/value-rule.ts';
import { append } from '../../base/append.ts';
import type { ServedForm } from './form.ts';
import { AccessorError, textAt, wholeAt } from './value-at.ts';

type Plain = Record<string, unknown>;

/** `timed` does the validation by rules and counts how long it takes. */
export function customStrategy(
  form: ServedForm,
  hasStatus: boolean,
  timed: (validate: () => void) => void = validate => validate(),
): Strategy {
  let validator: ValueValidator | undefined;
  // What an object may go on breaking, between its validation and the warnings.
  const tolerated = new WeakMap<KubeObject, readonly string[]>();
  return {
    allowUnconditionalUpdate: false,
    hasGeneration: true,
    prepareForCreate(object) {
      form.settle(object);
      if (hasStatus) delete (object as unknown as Plain).status;
    },
    prepareForUpdate(object, old, { subresource }) {
      form.settle(object);
      if (subresource === 'status' && hasStatus) keepMetadata(object, old);
      else if (!hasStatus && changed(object as unknown as Plain, old as unknown as Plain, 'status'))
        (object.metadata as { generation?: number }).generation = Number(old.metadata.generation ?? 0) + 1;
    },
    warnings: (object, old) => [...finalizerWarnings(object, old), ...(tolerated.get(object) ?? [])],
    validate(object, errors, { old }) {
      const { structural } = form;
      validator ??= compileValidator(form.schema);
      validator.validate(named(object), undefined, old && { value: old }, errors);
      validateEmbedded(structural, object, undefined, errors);
      checkListTypes(structural, object, old, errors);
      if (form.scale) validateScale(form.scale, object as unknown as Plain, errors);
      if (!structural.hasRules) return;
      if (errors.list.some(e => blocking.has(e.reason ?? ''))) errors.add('FieldValueInvalid', '<nil>', unchecked);
      else {
        const broken = new FieldErrors();
        timed(() => validateRules(structural, object, old && { value: old }, errors, broken));
        if (!broken.empty)
          tolerated.set(
            object,
            broken.list.map(e => `${e.field}: ${e.message}`),
          );
      }
    },
  };
}

/** A name that is missing is told of already; schemas may say something of one that is there. */
function named(object: KubeObject): KubeObject {
  if (object.metadata.name) return object;
  const { name: _, ...metadata } = object.metadata;
  return { ...object, metadata: metadata as KubeObject['metadata'] };
}

/** What was no set or map before need not become one. */
function checkListTypes(schema: Structural, object: unknown, old: unknown, errors: Errors): void {
  const [found, before] = [new FieldErrors(), new FieldErrors()];
  validateListTypes(schema, object, found);
  if (old && !found.empty) validateListTypes(schema, old, before);
  if (before.empty) append(errors.list, found.list);
}

const standard = new Set(['orphan', 'foregroundDeletion', 'kubernetes']);

function finalizerWarnings({ metadata }: KubeObject, old: KubeObject | undefined): string[] {
  const known = new Set(old?.metadata.finalizers ?? []);
  return (metadata.finalizers ?? [])
    .filter(f => !f.includes('/') && !known.has(f) && !standard.has(f))
    .map(
      f =>
        `metadata.finalizers: ${JSON.stringify(f)}: prefer a domain-qualified finalizer name ${f.includes('.') ? 'including a path (/) ' : ''}to avoid accidental conflicts with other finalizer writers`,
    );
}

// Rules are written for values of the right form.
const blocking = new Set([
  'FieldValueRequired',
  'FieldValueNotSupported',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);
const unchecked =
  'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

const changed = (a: Plain, b: Plain, key: string) => JSON.stringify(a[key]) !== JSON.stringify(b[key]);

// A status update changes nothing of metadata but who manages what.
function keepMetadata(object: Mutable<KubeObject>, old: KubeObject): void {
  const { managedFields, resourceVersion } = object.metadata;
  object.metadata = { ...old.metadata, resourceVersion } as Mutable<KubeObject>['metadata'];
  if (managedFields) object.metadata.managedFields = managedFields;
  else delete object.metadata.managedFields;
}

type Errors = Parameters<NonNullable<Strategy['validate']>>[1];
type Scale = NonNullable<ServedForm['scale']>;

function validateScale(scale: Scale, object: Plain, errors: Errors): void {
  const wrong = (jsonPath: string, shown: unknown, why: string) =>
    errors.add('FieldValueInvalid', jsonPath, `Invalid value: ${shown}: ${why}`);
  const read = <T>(at: (object: Plain, jsonPath: string) => T, jsonPath: string, shown: unknown): T | undefined => {
    try {
      return at(object, jsonPath);
    } catch (error) {
      if (!(error instanceof AccessorError)) throw error;
      wrong(jsonPath, shown, error.message);
      return undefined;
    }
  };
  const count = (jsonPath: string) => {
    const value = read(wholeAt, jsonPath, 0);
    if (value === undefined) return;
    if (value < 0) wrong(jsonPath, value, 'should be a non-negative integer');
    else if (value > 2147483647) wrong(jsonPath, value, 'should be less than or equal to 2147483647');
  };
  count(scale.specReplicasPath);
  if (isPlain(object.status)) count(scale.statusReplicasPath);
  if (scale.labelSelectorPath) read(textAt, scale.labelSelectorPath, '""');
}
