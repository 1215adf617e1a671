// Restart policies and rules of single containers.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import type { Container } from '../../type/core-v1.ts';

const POLICIES = ['Always', 'Never', 'OnFailure'];
const ACTIONS = ['Restart', 'RestartAllContainers'];
const OPERATORS = ['In', 'NotIn'];
const MAX_RULES = 20;
const MAX_EXIT_CODES = 255;

export function validateRestartRules(container: Container, init: boolean, at: FieldPath, errors: FieldErrors): void {
  const { restartPolicy: policy, restartPolicyRules: rules } = container;
  if (policy !== undefined && !POLICIES.includes(policy))
    errors.notSupported(at.child('restartPolicy'), policy, POLICIES);
  if (!rules?.length) return;
  const here = at.child('restartPolicyRules');
  if (policy === undefined)
    errors.required(at.child('restartPolicy'), 'must specify restartPolicy when restart rules are used');
  else if (init && policy === 'Always')
    errors.forbidden(here, 'restartPolicyRules are not allowed for init containers with restart policy Always');
  if (rules.length > MAX_RULES) errors.tooMany(here, rules.length, MAX_RULES);
  for (const [i, { action, exitCodes }] of rules.entries()) {
    const rule = here.index(i);
    if (!action) errors.required(rule.child('action'));
    else if (!ACTIONS.includes(action)) errors.notSupported(rule.child('action'), action, ACTIONS);
    if (!exitCodes) {
      errors.required(rule.child('exitCodes'), 'must be specified');
      continue;
    }
    const codes = rule.child('exitCodes');
    if (!exitCodes.operator) errors.required(codes.child('operator'));
    else if (!OPERATORS.includes(exitCodes.operator))
      errors.notSupported(codes.child('operator'), exitCodes.operator, OPERATORS);
    const count = exitCodes.values?.length ?? 0;
    if (count === 0) errors.required(codes.child('values'), 'must be specified');
    if (count > MAX_EXIT_CODES) errors.tooMany(codes.child('values'), count, MAX_EXIT_CODES);
  }
}
