import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFaults, create, validated, wording } from '../testing.ts';
import { mutatingPolicyStrategy, validatingPolicyStrategy } from './policy.ts';
import { validatingPolicyBindingStrategy } from './policy-binding.ts';
import { validatingWebhookStrategy } from './webhook-configuration.ts';

const metadata = { name: 'x' };
const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const hook = {
  ...{ name: 'a.b.io', sideEffects: 'None', admissionReviewVersions: ['v1'], rules: [rule] },
  clientConfig: { url: 'https://a.io' },
};
const hookFaults = (more: object) =>
  create(validatingWebhookStrategy, { metadata, webhooks: [{ ...hook, ...more }] }).errors;

test('which requests a webhook is asked about', () => {
  const at = 'webhooks[0].rules[0]';
  const both = (...resources: string[]) => ({ resources });
  checkFaults(
    {
      whole: [{}],
      'no operation': [{ operations: [] }, `${at}.operations: Required value`],
      'all operations and one': [
        { operations: ['*', 'CREATE'] },
        `${at}.operations: Invalid value: ["*","CREATE"]: if '*' is present, must not specify other operations`,
      ],
      operation: [
        { operations: ['READ'] },
        `${at}.operations[0]: Unsupported value: "READ": supported values: "*", "CONNECT", "CREATE", "DELETE", "UPDATE"`,
      ],
      'no group': [{ apiGroups: [] }, `${at}.apiGroups: Required value`],
      'all groups and one': [
        { apiGroups: ['*', 'a.io'] },
        `${at}.apiGroups: Invalid value: ["*","a.io"]: if '*' is present, must not specify other API groups`,
      ],
      'no version': [{ apiVersions: [] }, `${at}.apiVersions: Required value`],
      'empty version': [{ apiVersions: ['v1', ''] }, `${at}.apiVersions[1]: Required value`],
      'all versions and one': [
        { apiVersions: ['*', 'v1'] },
        `${at}.apiVersions: Invalid value: ["*","v1"]: if '*' is present, must not specify other API versions`,
      ],
      'no resource': [both(), `${at}.resources: Required value`],
      'empty resource': [both('pods', ''), `${at}.resources[1]: Required value`],
      'all and one': [
        both('*/*', 'pods'),
        `${at}.resources: Invalid value: ["*/*","pods"]: if '*/*' is present, must not specify other resources`,
      ],
      'all whole ones and one': [
        both('*', 'pods'),
        `${at}.resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources without subresources`,
      ],
      'all subresources and one': [
        both('pods/*', 'pods/status'),
        `${at}.resources[1]: Invalid value: "pods/status": if 'pods/*' is present, must not specify pods/status`,
      ],
      'a subresource of all and of one': [
        both('*/status', 'pods/status'),
        `${at}.resources[1]: Invalid value: "pods/status": if '*/status' is present, must not specify pods/status`,
      ],
      'one whole and its subresources': [both('pods', 'pods/*')],
      scope: [
        { scope: 'World' },
        `${at}.scope: Unsupported value: "World": supported values: "*", "Cluster", "Namespaced"`,
      ],
    },
    more => hookFaults({ rules: [{ ...rule, ...more }] }),
  );
});

test('webhooks', () => {
  const at = 'webhooks[0]';
  const condition = { name: 'c', expression: 'true' };
  const many = Array.from({ length: 65 }, (_, i) => ({ name: `c${i}`, expression: 'true' }));
  checkFaults(
    {
      'no name': [{ name: '' }, `${at}.name: Required value`],
      'short name': [
        { name: 'a.b' },
        `${at}.name: Invalid value: "a.b": should be a domain with at least three segments separated by dots`,
      ],
      'side effects': [
        { sideEffects: 'Some' },
        `${at}.sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"`,
      ],
      'no word of side effects': [
        { sideEffects: undefined },
        `${at}.sideEffects: Required value: must specify one of None, NoneOnDryRun`,
      ],
      'no version': [
        { admissionReviewVersions: [] },
        `${at}.admissionReviewVersions: Required value: must specify one of v1, v1beta1`,
      ],
      'version twice': [
        { admissionReviewVersions: ['v1', 'v1'] },
        `${at}.admissionReviewVersions[1]: Invalid value: "v1": duplicate version`,
      ],
      'patience of a minute': [
        { timeoutSeconds: 60 },
        `${at}.timeoutSeconds: Invalid value: 60: the timeout value must be between 1 and 30 seconds`,
      ],
      'too many conditions': [
        { matchConditions: many },
        `${at}.matchConditions: Too many: 65: must have at most 64 items`,
      ],
      'condition without name': [
        { matchConditions: [{ ...condition, name: '' }] },
        `${at}.matchConditions[0].name: Required value`,
      ],
      'name of a condition': [
        { matchConditions: [{ ...condition, name: '-' }] },
        `${at}.matchConditions[0].name: Invalid value: "-": ${wording.qualified}`,
      ],
      'empty condition': [
        { matchConditions: [{ ...condition, expression: ' ' }] },
        `${at}.matchConditions[0].expression: Required value`,
      ],
      'condition twice': [
        { matchConditions: [condition, condition] },
        `${at}.matchConditions[1].name: Duplicate value: "c"`,
      ],
    },
    hookFaults,
  );
});

const constraints = { resourceRules: [rule] };
const validation = { expression: 'true' };
const policyFaults = (more: object) =>
  create(validatingPolicyStrategy, {
    metadata,
    spec: { matchConstraints: constraints, validations: [validation], ...more },
  }).errors;

test('validating policies', () => {
  const kind = (apiVersion: string, of = 'Kind') => ({ paramKind: { apiVersion, kind: of } });
  const version = 'spec.paramKind.apiVersion: Invalid value';
  const variable = { name: 'v', expression: 'true' };
  const annotation = { key: 'k', valueExpression: "'v'" };
  const first = (more: object) => ({ validations: [{ ...validation, ...more }] });
  const named = (more: object) => ({ matchConstraints: { resourceRules: [{ ...rule, ...more }] } });
  checkFaults(
    {
      whole: [{ ...kind('a.io/v1'), variables: [variable], auditAnnotations: [annotation] }],
      'too many parts': [kind('a/b/v1'), `${version}: "a/b/v1": unexpected GroupVersion string: a/b/v1`],
      'group of parameters': [kind('A/v1'), `${version}: "A": ${wording.subdomain}`],
      'version of parameters': [kind('a.io/1'), `${version}: "1": ${wording.label1035}`],
      'no version of parameters': [kind('a.io/'), `${version}: "a.io/": version must be specified`],
      'no group or version': [kind(''), 'spec.paramKind.apiVersion: Required value'],
      'no kind of parameters': [kind('v1', ''), 'spec.paramKind.kind: Required value'],
      'kind of parameters': [
        kind('v1', '1'),
        `spec.paramKind.kind: Invalid value: "1": may have mixed case, but should otherwise match: ${wording.label1035}`,
      ],
      'variable without name': [
        { variables: [{ ...variable, name: '' }] },
        'spec.variables[0].name: Required value: name is not specified',
      ],
      'name of a variable': [
        { variables: [{ ...variable, name: 'a-b' }] },
        'spec.variables[0].name: Invalid value: "a-b": name is not a valid CEL identifier',
      ],
      'variable twice': [{ variables: [variable, variable] }, 'spec.variables[1].name: Duplicate value: "v"'],
      'empty variable': [
        { variables: [{ ...variable, expression: '' }] },
        'spec.variables[0].expression: Required value: expression is not specified',
      ],
      'empty expression': [
        first({ expression: ' ' }),
        'spec.validations[0].expression: Required value: expression is not specified',
      ],
      'empty message': [
        first({ message: ' ' }),
        'spec.validations[0].message: Invalid value: " ": message must be non-empty if specified',
      ],
      'message of two lines': [
        first({ message: 'a\nb' }),
        'spec.validations[0].message: Invalid value: "a\\nb": message must not contain line breaks',
      ],
      'message of two old lines': [
        first({ message: 'a\rb' }),
        'spec.validations[0].message: Invalid value: "a\\rb": message must not contain line breaks',
      ],
      'expression of two lines': [
        first({ expression: 'true\n|| false' }),
        'spec.validations[0].message: Required value: message must be specified if expression contains line breaks',
      ],
      'empty message expression': [
        first({ messageExpression: ' ' }),
        'spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified',
      ],
      reason: [
        first({ reason: 'Because' }),
        'spec.validations[0].reason: Unsupported value: "Because": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"',
      ],
      'key of an annotation': [
        { auditAnnotations: [{ ...annotation, key: '-' }] },
        `spec.auditAnnotations[0].key: Invalid value: "x/-": ${wording.qualified}`,
      ],
      'no key of an annotation': [
        { auditAnnotations: [{ ...annotation, key: '' }] },
        'spec.auditAnnotations[0].key: Invalid value: "x/": name part must be non-empty',
        `spec.auditAnnotations[0].key: Invalid value: "x/": ${wording.qualified}`,
      ],
      'long key': [
        { auditAnnotations: [{ ...annotation, key: 'k'.repeat(64) }] },
        `spec.auditAnnotations[0].key: Invalid value: "x/${'k'.repeat(64)}": name part must be no more than 63 bytes`,
      ],
      'key twice': [
        { auditAnnotations: [annotation, annotation] },
        'spec.auditAnnotations[1].key: Duplicate value: "k"',
      ],
      'empty value': [
        { auditAnnotations: [{ ...annotation, valueExpression: '' }] },
        'spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified',
      ],
      'long value': [
        { auditAnnotations: [{ ...annotation, valueExpression: `'${'v'.repeat(5119)}'` }] },
        'spec.auditAnnotations[0].valueExpression: Required value: must not exceed 5120 bytes in length',
      ],
      'name of a resource': [
        named({ resourceNames: ['a/b'] }),
        'spec.matchConstraints.resourceRules[0].resourceNames[0]: Invalid value: "a/b": may not contain \'/\'',
      ],
      'name twice': [
        named({ resourceNames: ['a', 'a'] }),
        'spec.matchConstraints.resourceRules[0].resourceNames[1]: Duplicate value: "a"',
      ],
      'nothing to check': [
        { validations: [] },
        'spec.validations: Required value: validations or auditAnnotations must be non-empty',
        'spec.auditAnnotations: Required value: validations or auditAnnotations must be non-empty',
      ],
      'no constraints': [{ matchConstraints: undefined }, 'spec.matchConstraints: Required value'],
      'no rules': [{ matchConstraints: {} }, 'spec.matchConstraints.resourceRules: Required value'],
    },
    policyFaults,
  );
  // Should defaults ever not fill them in.
  const bare = { metadata, spec: { matchConstraints: constraints, validations: [validation] } };
  assert.deepEqual(validated(validatingPolicyStrategy, bare), [
    'spec.matchConstraints.namespaceSelector: Required value',
    'spec.matchConstraints.objectSelector: Required value',
    'spec.matchConstraints.matchPolicy: Required value',
    'spec.failurePolicy: Required value',
  ]);
});

test('mutating policies and bindings', () => {
  const mutating = (mutations: object[]) =>
    create(mutatingPolicyStrategy, { metadata, spec: { matchConstraints: constraints, mutations } }).errors;
  assert.deepEqual(mutating([]), ['spec.mutations: Required value: mutations must contain at least one item']);
  assert.deepEqual(mutating([{}]), ['spec.mutations[0].patchType: Required value']);
  assert.deepEqual(mutating([{ patchType: 'Odd', applyConfiguration: { expression: 'Object{}' } }]), [
    'spec.mutations[0].patchType: Unsupported value: "Odd": supported values: "ApplyConfiguration", "JSONPatch"',
  ]);
  assert.deepEqual(mutating([{ patchType: 'JSONPatch' }]), [
    'spec.mutations[0].jsonPatch.expression: Required value: expression is not specified',
  ]);
  const param = (more: object) => ({ paramRef: { name: 'p', parameterNotFoundAction: 'Deny', ...more } });
  checkFaults(
    {
      whole: [param({ name: 'system:p' })],
      'no policy': [{ policyName: '' }, 'spec.policyName: Required value'],
      policy: [{ policyName: 'A' }, `spec.policyName: Invalid value: "A": ${wording.subdomain}`],
      'name of parameters': [param({ name: 'a/b' }), 'spec.paramRef.name: Invalid value: "a/b": may not contain \'/\''],
      'name and selector': [
        param({ selector: {} }),
        'spec.paramRef.name: Forbidden: name and selector are mutually exclusive',
        'spec.paramRef.selector: Forbidden: name and selector are mutually exclusive',
      ],
      'no parameters': [
        param({ name: '' }),
        'spec.paramRef: Required value: one of name or selector must be specified',
      ],
      'parameters that are missing': [
        param({ parameterNotFoundAction: undefined }),
        'spec.paramRef.parameterNotFoundAction: Required value',
      ],
      'no action': [
        { validationActions: [] },
        'spec.validationActions: Required value: at least one validation action is required',
      ],
      'action twice': [
        { validationActions: ['Audit', 'Audit'] },
        'spec.validationActions[1]: Duplicate value: "Audit"',
      ],
    },
    more =>
      create(validatingPolicyBindingStrategy, {
        metadata,
        spec: { policyName: 'p', validationActions: ['Deny'], ...more },
      }).errors,
  );
});
