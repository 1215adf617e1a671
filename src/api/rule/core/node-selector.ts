// Node selectors: node affinity of pods, and of persistent volumes.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDns1123Subdomain, isLabelValue } from '../../name-rule.ts';
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm } from '../../type/core-v1.ts';
import { validateLabelName } from '../meta.ts';

export function validateNodeSelector(selector: NodeSelector, at: FieldPath, errors: FieldErrors): void {
  const terms = selector.nodeSelectorTerms ?? [];
  const here = at.child('nodeSelectorTerms');
  if (terms.length === 0) errors.required(here, 'must have at least one node selector term');
  for (const [i, term] of terms.entries()) validateNodeSelectorTerm(term, here.index(i), errors);
}

export function validateNodeSelectorTerm(term: NodeSelectorTerm, at: FieldPath, errors: FieldErrors): void {
  for (const [i, requirement] of (term.matchExpressions ?? []).entries())
    validateRequirement(requirement, at.child('matchExpressions').index(i), errors);
  for (const [i, requirement] of (term.matchFields ?? []).entries())
    validateFieldRequirement(requirement, at.child('matchFields').index(i), errors);
}

function validateRequirement(requirement: NodeSelectorRequirement, at: FieldPath, errors: FieldErrors): void {
  const { key, operator, values = [] } = requirement;
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0)
        errors.required(at.child('values'), "must be specified when `operator` is 'In' or 'NotIn'");
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0)
        errors.forbidden(at.child('values'), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1)
        errors.required(at.child('values'), "must be specified single value when `operator` is 'Lt' or 'Gt'");
      break;
    default:
      errors.invalid(at.child('operator'), operator, 'not a valid selector operator');
  }
  validateLabelName(key, at.child('key'), errors);
  for (const [i, value] of values.entries())
    for (const m of isLabelValue(value)) errors.invalid(at.child('values').index(i), value, m);
}

function validateFieldRequirement(requirement: NodeSelectorRequirement, at: FieldPath, errors: FieldErrors): void {
  const { key, operator, values = [] } = requirement;
  if (operator !== 'In' && operator !== 'NotIn')
    errors.invalid(at.child('operator'), operator, 'not a valid selector operator');
  else if (values.length !== 1)
    errors.required(
      at.child('values'),
      "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
    );
  if (key !== 'metadata.name') {
    errors.invalid(at.child('key'), key, 'not a valid field selector key');
    return;
  }
  for (const [i, value] of values.entries())
    for (const m of isDns1123Subdomain(value)) errors.invalid(at.child('values').index(i), value, m);
}
