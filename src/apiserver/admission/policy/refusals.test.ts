// What policies answer when they refuse or fail: texts, codes and reasons as apiextensions-apiserver gives them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { definition, establish, widget, widgets } from '../../custom/test-definition.ts';
import { type Caller, caller, type Json } from '../../test-caller.ts';
import { startTestServer, type TestServer } from '../../test-server.ts';

const group = 'refusals.example';
const path = widgets(group);
const text = { type: 'string' };
const schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        colour: text,
        'dash-name': text,
        size: { type: 'integer', default: 3 },
        list: { type: 'array', items: text },
        set: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' },
        items: {
          type: 'array',
          items: { type: 'object', required: ['name'], properties: { name: text, value: text } },
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
        },
      },
    },
  },
};
const base = '/apis/admissionregistration.k8s.io/v1/';
const atoms = (list: readonly number[]) => list.map(i => `x${i}`);

let server: TestServer;
let api: Caller;
let count = 0;

before(async () => {
  server = await startTestServer();
  api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
  await establish(api, definition(group, [{ schema }]));
});
after(async () => {
  api.close();
  await server.stop();
});

/** The answer to a new widget that one policy is about. */
async function judged(kind: 'validating' | 'mutating', spec: object, more: { binding?: object; spec?: object } = {}) {
  const name = `p${++count}`;
  const rule = { operations: ['CREATE'], apiGroups: [group], apiVersions: ['v1'], resources: ['widgets'] };
  const selected = { resourceRules: [rule], objectSelector: { matchLabels: { for: name } } };
  await api.expect(201, 'POST', `${base}${kind}admissionpolicies`, {
    metadata: { name },
    spec: { matchConstraints: selected, ...(kind === 'mutating' ? { reinvocationPolicy: 'Never' } : {}), ...spec },
  });
  await api.expect(201, 'POST', `${base}${kind}admissionpolicybindings`, {
    metadata: { name: `b-${name}` },
    spec: { policyName: name, ...(kind === 'validating' ? { validationActions: ['Deny'] } : {}), ...more.binding },
  });
  const asked = widget(group, `w${count}`, { spec: { list: ['a'], ...more.spec } });
  const metadata = { name: `w${count}`, labels: { for: name } };
  const { code, object } = await api.send('POST', path, { ...asked, metadata });
  const by = {
    mutating: `policy '${name}' with binding 'b-${name}'`,
    validating: `'${name}' with binding 'b-${name}'`,
  };
  return { code, object, name, said: String(object.message).split(`${by[kind]} denied request: `).at(-1) };
}

const applied = (expression: string) => ({
  mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
});
const patched = (expression: string) => ({ mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression } }] });

test('a mutation that cannot be made is forbidden, as invalid', async () => {
  const { code, object, name } = await judged('mutating', applied('Object{spec: Object.spec{colour: object.nope}}'));
  const message = `policy '${name}' with binding 'b-${name}' denied request: expression 'Object{spec: Object.spec{colour: object.nope}}' resulted in error: no such key: nope`;
  assert.equal(code, 403);
  assert.deepEqual(object, {
    ...{ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason: 'Invalid' },
    details: { name: object.details.name, group, kind: 'widgets', causes: [{ message }] },
    code: 403,
  });
});

test('what fails keeps no other mutation, binding or policy from running: a refusal tells of all', async () => {
  const fails = (field: string) => applied(`Object{spec: Object.spec{colour: object.${field}}}`).mutations[0]!;
  const [a, b] = [await judged('mutating', { mutations: [fails('a'), fails('b')] }), 'c'];
  const constraints = (await api.expect(200, 'GET', `${base}mutatingadmissionpolicies/${a.name}`)).spec
    .matchConstraints;
  const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' };
  const more = { matchConstraints: constraints, reinvocationPolicy: 'Never', mutations: [fails(b)] };
  for (const [name, spec, binding] of [
    ['z1', more, {}],
    ['z2', { ...more, paramKind }, { paramRef: { name: 'none', parameterNotFoundAction: 'Deny' } }],
    ['z3', { ...more, failurePolicy: 'Ignore' }, {}],
  ] as const) {
    await api.expect(201, 'POST', `${base}mutatingadmissionpolicies`, { metadata: { name }, spec });
    const bound = { metadata: { name: `b-${name}` }, spec: { policyName: name, ...binding } };
    await api.expect(201, 'POST', `${base}mutatingadmissionpolicybindings`, bound);
  }
  const asked = widget(group, 'all', { spec: { list: ['a'] } });
  asked.metadata.labels = { for: a.name };
  const { code, object } = await api.send('POST', path, asked);
  const causes: string[] = object.details.causes.map((cause: { message: string }) => cause.message);
  const wrong = (field: string) => new RegExp(`resulted in error: no such key: ${field}$`);
  assert.deepEqual([code, object.reason, object.message], [403, 'Forbidden', causes[0]]);
  assert.match(causes[0]!, /^policy 'z2' with binding 'b-z2' denied request: failed to configure binding: no params/);
  for (const [i, by] of [
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
  ] as const)
    assert.match(causes[i]!, wrong(by));
  assert.equal(causes.length, 4);
  assert.deepEqual(
    a.object.details.causes.map((cause: { message: string }) => cause.message.at(-1)),
    ['a', 'b'],
  );
});

test('an applied configuration has to fit the schema', async () => {
  const unfit = 'error applying patch: failed to convert patch object to typed object: ';
  const faults: readonly [expression: string, why: string][] = [
    ["Object{spec: Object.spec{bogus: 'x'}}", `${unfit}.spec.bogus: field not declared in schema`],
    [
      "Object{spec: Object.spec{dash__dash__name: 'x'}}",
      `${unfit}.spec.dash__dash__name: field not declared in schema`,
    ],
    ["Object{spec: Object.spec{size: 'x'}}", `${unfit}.spec.size: expected numeric (int or float), got string`],
    ["Object{spec: Object.spec{set: ['b', 'b']}}", `${unfit}.spec.set: duplicate entries for key [="b"]`],
    [
      "Object{spec: Object.spec{items: [Object.spec.items{value: 'x'}]}}",
      `${unfit}.spec.items: element 0: associative list with keys has an element that omits all key fields ["name"] (and doesn't have default values for any key fields)`,
    ],
    [
      "Object{spec: Object.spec{list: ['z']}}",
      'error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.list',
    ],
    [
      'Object{spec: Object.items{colour: Object.size{}}}',
      'type mismatch: unexpected type name "Object.items", expected "Object.spec", which matches field name path from root Object type\nunexpected type name "Object.size", expected "Object.spec.colour", which matches field name path from root Object type',
    ],
  ];
  for (const [expression, why] of faults) {
    const { code, said } = await judged('mutating', applied(expression));
    assert.deepEqual([code, said], [403, why]);
  }
});

test('a JSON patch that does not apply says so', async () => {
  const faults: readonly [expression: string, why: string][] = [
    [
      "[JSONPatch{op: 'remove', path: '/x'}]",
      "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
    ],
    ["[JSONPatch{op: 'add', value: 'x'}]", 'add operation does not apply: doc is missing path: "": missing value'],
    ["[JSONPatch{path: '/x', value: 'x'}]", 'Unexpected kind: '],
  ];
  for (const [expression, why] of faults) {
    const { code, said } = await judged('mutating', patched(expression));
    assert.deepEqual([code, said], [403, `JSON Patch: ${why}`]);
  }
});

test('what a mutation leaves has to be the object that was asked for', async () => {
  const colour = 'spec.colour';
  const answers: readonly [expression: string, code: number, message: string][] = [
    [
      "[JSONPatch{op: 'replace', path: '/metadata/namespace', value: 'x'}]",
      400,
      'the namespace of the provided object does not match the namespace sent on the request',
    ],
    [
      "[JSONPatch{op: 'replace', path: '/kind', value: 'X'}]",
      422,
      `X.${group} "NAME" is invalid: kind: Invalid value: "X": must be Widget`,
    ],
    [
      "[JSONPatch{op: 'replace', path: '', value: {'a': 1}}]",
      500,
      `Internal error occurred: Object 'Kind' is missing in '{"a":1}'`,
    ],
    [
      "[JSONPatch{op: 'replace', path: '/apiVersion', value: 'x/v2'}]",
      500,
      `x/v2, Kind=Widget is unstructured and is not suitable for converting to "${group}/v1"`,
    ],
    [
      "[JSONPatch{op: 'add', path: '/metadata/resourceVersion', value: '7'}]",
      500,
      'resourceVersion should not be set on objects to be created',
    ],
    [
      "[JSONPatch{op: 'add', path: '/spec/colour'}]",
      422,
      `Widget.${group} "NAME" is invalid: ${colour}: Invalid value: "null": ${colour} in body must be of type string: "null"`,
    ],
  ];
  for (const [expression, code, message] of answers) {
    const answer = await judged('mutating', patched(expression));
    assert.deepEqual([answer.code, answer.object.message], [code, message.replace('NAME', `w${count}`)]);
  }
});

test('a policy with parameters of a kind that is not served cannot be used', async () => {
  const paramKind = { apiVersion: 'no.example/v1', kind: 'Nothing' };
  const binding = { paramRef: { name: 'p', parameterNotFoundAction: 'Deny' } };
  const why = `denied request: failed to configure policy: failed to find resource referenced by paramKind: 'no.example/v1, Kind=Nothing'`;
  const mutating = await judged('mutating', { paramKind, ...applied('Object{}') }, { binding });
  const { code, object } = mutating;
  assert.deepEqual([code, object.reason, object.message], [403, 'Forbidden', `policy "${mutating.name}" ${why}`]);
  const validating = await judged('validating', { paramKind, validations: [{ expression: 'true' }] }, { binding });
  const by = `widgets.${group} "w${count}" is forbidden: ValidatingAdmissionPolicy '${validating.name}'`;
  assert.deepEqual([validating.code, validating.object.message], [422, `${by} ${why}`]);
});

test('parameters that are missing forbid a mutation', async () => {
  const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' };
  const binding = { paramRef: { name: 'none', parameterNotFoundAction: 'Deny' } };
  const { code, object, said } = await judged('mutating', { paramKind, ...applied('Object{}') }, { binding });
  const why = 'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction';
  assert.deepEqual([code, object.reason, said], [403, 'Forbidden', why]);
});

test('out of budget, nothing but that counts', async () => {
  const nested =
    'object.spec.list.all(a, object.spec.list.all(b, object.spec.list.all(c, a == a && b == b && c == c)))';
  const validations = [
    { expression: 'false', message: 'first' },
    ...Array.from({ length: 15 }, () => ({ expression: nested })),
  ];
  const spec = { list: atoms([...Array(60).keys()]) };
  const { said } = await judged('validating', { validations }, { spec });
  assert.equal(said, 'validation failed due to running out of cost budget, no further validation rules will be run');
});

test('a computed message has no authorizer', async () => {
  const messageExpression = "string(authorizer.path('/x').check('get').allowed())";
  const { code, object } = await api.send('POST', `${base}validatingadmissionpolicies`, {
    metadata: { name: 'asks' },
    spec: {
      matchConstraints: {
        resourceRules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }],
      },
      validations: [{ expression: messageExpression.replace(/^string/, ''), messageExpression }],
    },
  });
  assert.equal(code, 422);
  const [cause, ...others] = object.details.causes;
  assert.deepEqual([cause.field, others], ['spec.validations[0].messageExpression', []]);
  assert.match(cause.message, /undeclared reference to 'authorizer' \(in container ''\)/);
});

test('what a request does not have is no field of it', async () => {
  for (const field of ['subResource', 'requestSubResource']) {
    const { said } = await judged('validating', { validations: [{ expression: `request.${field} == ''` }] });
    assert.equal(said, `expression 'request.${field} == ''' resulted in error: no such key: ${field}`);
  }
});

test('who validates sees the name that was made', async () => {
  const validations = [{ expression: 'false', messageExpression: "'request for ' + request.name" }];
  const { name } = await judged('validating', { validations });
  const metadata = { generateName: 'made-', labels: { for: name } };
  const { object }: Json = await api.send('POST', path, { ...widget(group, ''), metadata });
  assert.match(object.details.name, /^made-.....$/);
  assert.ok(object.message.endsWith(`request for ${object.details.name}`), object.message);
});

/** Lines of metrics about a policy, without what they begin and end with. */
async function countedOf(name: string): Promise<string[]> {
  const lines = (await server.server.metrics.text()).split('\n').filter(l => l.includes(`"${name}"`));
  return lines
    .filter(l => !/_(bucket|sum)\{/.test(l))
    .map(l => l.replace('apiserver_', '').replaceAll(`"${name}"`, 'P').replaceAll(`"b-${name}"`, 'B'));
}

test('what fails is counted, and mutations that worked, as apiextensions-apiserver counts them', async () => {
  const no = { validations: [{ expression: 'false' }, { expression: 'true' }] };
  const check = (kind: string, error: string, by = '', count = 1) =>
    ['total', 'duration_seconds_count'].map(
      what =>
        `${kind}_admission_policy_check_${what}{${by && `enforcement_action="${by}",`}error_type="${error}",policy=P,policy_binding=B} ${count}`,
    );
  const denied = await judged('validating', no, { binding: { validationActions: ['Deny', 'Audit'] } });
  assert.deepEqual((await countedOf(denied.name)).sort(), [
    ...['audit', 'deny'].map(by => check('validating', 'invalid_error', by)[1]!),
    ...['audit', 'deny'].map(by => check('validating', 'invalid_error', by)[0]!),
  ]);
  const failing = { validations: [{ expression: 'object.none == 1' }], failurePolicy: 'Ignore' };
  const ignored = await judged('validating', failing);
  assert.deepEqual(await countedOf(ignored.name), check('validating', 'invalid_error', 'allow'));
  const condition = (expression: string) => ({ matchConditions: [{ name: 'x', expression }] });
  const ofCondition = (what: string) =>
    `admission_match_condition_${what}{kind="policy",name=P,operation="CREATE",type="validate"} 1`;
  const undecided = await judged('validating', { ...condition('object.none == 1'), ...no });
  assert.deepEqual(await countedOf(undecided.name), [
    ...['evaluation_errors_total', 'evaluation_seconds_count'].map(ofCondition),
    ...check('validating', 'invalid_error', 'deny'),
  ]);
  const red = applied("Object{spec: Object.spec{colour: 'red'}}");
  const worked = await judged('mutating', { mutations: [...red.mutations, ...red.mutations] });
  assert.deepEqual(await countedOf(worked.name), check('mutating', 'no_error', '', 2));
  const broken = await judged('mutating', patched("[JSONPatch{op: 'remove', path: '/none'}]"));
  assert.deepEqual(await countedOf(broken.name), check('mutating', 'invalid_error'));
  const excluded = await judged('mutating', { ...condition('false'), ...red });
  assert.deepEqual(await countedOf(excluded.name), [ofCondition('evaluation_seconds_count')]);
});
