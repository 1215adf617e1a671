// Selectors inside access reviews: their validation, and their requirements in one form.
import type { FieldErrors, FieldPath } from '../../api/field-error.ts';
import { type FieldSelector, type FieldTerm, fieldSelectorOf, parseFieldSelector } from '../../api/field-selector.ts';
import { parseLabelSelector, type Selector, selectorFromLabelSelector } from '../../api/label-selector.ts';
import type { ResourceAttributes } from '../../api/type/authorization-v1.ts';
import type { FieldSelectorRequirement, LabelSelectorRequirement } from '../../api/type/meta-v1.ts';
import { messageOf } from '../../base/assert.ts';

interface ReviewedSelector {
  readonly rawSelector?: string;
  readonly requirements?: readonly (FieldSelectorRequirement | LabelSelectorRequirement)[];
}

export function validateSelectors(attributes: ResourceAttributes, at: FieldPath, errors: FieldErrors): void {
  if (attributes.fieldSelector) validateSelector(attributes.fieldSelector, at.child('fieldSelector'), errors);
  if (attributes.labelSelector) validateSelector(attributes.labelSelector, at.child('labelSelector'), errors);
}

function validateSelector(selector: ReviewedSelector, at: FieldPath, errors: FieldErrors): void {
  const { rawSelector, requirements = [] } = selector;
  if (rawSelector && requirements.length)
    errors.invalid(at.child('rawSelector'), rawSelector, 'may not specified at the same time as requirements');
  if (!rawSelector && !requirements.length)
    errors.required(at.child('requirements'), `when ${at} is specified, requirements or rawSelector is required`);
  requirements.forEach((r, i) => {
    const here = at.child('requirements').index(i);
    if (!r.key) errors.required(here.child('key'), 'must be specified');
    if (r.operator === 'In' || r.operator === 'NotIn') {
      if (!r.values?.length)
        errors.required(here.child('values'), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (r.operator === 'Exists' || r.operator === 'DoesNotExist') {
      if (r.values?.length)
        errors.forbidden(here.child('values'), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else errors.invalid(here.child('operator'), r.operator, 'not a valid selector operator');
  });
}

export interface ResolvedSelectors {
  readonly fieldSelector?: FieldSelector;
  readonly labelSelector?: Selector;
  readonly errors: readonly string[];
}

/** What cannot be understood is left out, which only makes the question wider; `errors` tells of it. */
export function resolveSelectors(attributes: ResourceAttributes): ResolvedSelectors {
  const errors: string[] = [];
  const attempt = <T extends { readonly empty: boolean }>(parse: () => T): T | undefined => {
    try {
      const selector = parse();
      return selector.empty ? undefined : selector;
    } catch (error) {
      errors.push(messageOf(error));
      return undefined;
    }
  };
  const { fieldSelector: f, labelSelector: l } = attributes;
  const fieldSelector =
    f &&
    attempt(() =>
      f.requirements?.length ? fromTerms(f.requirements, errors) : parseFieldSelector(f.rawSelector ?? ''),
    );
  const labelSelector =
    l &&
    attempt(() =>
      l.requirements?.length
        ? selectorFromLabelSelector({ matchExpressions: l.requirements })
        : parseLabelSelector(l.rawSelector ?? ''),
    );
  return { ...(fieldSelector ? { fieldSelector } : {}), ...(labelSelector ? { labelSelector } : {}), errors };
}

function fromTerms(requirements: readonly FieldSelectorRequirement[], errors: string[]): FieldSelector {
  const terms: FieldTerm[] = [];
  for (const { key, operator, values } of requirements) {
    if ((operator === 'In' || operator === 'NotIn') && values?.length === 1)
      terms.push({ field: key, op: operator === 'In' ? '=' : '!=', value: values[0]! });
    else
      errors.push(
        `operator ${JSON.stringify(operator)} with ${values?.length ?? 0} values is not supported for a field selector`,
      );
  }
  return fieldSelectorOf(terms);
}
