import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import type { Draft } from '../../../api/meta.ts';
import { admissionregistrationV1, apiextensionsV1, appsV1, autoscalingV2, coreV1, rbacV1 } from '../../../api/refs.ts';
import type { Client } from '../../../client/client.ts';
import { refusal } from '../../test-refusal.ts';
import { startTestServer, type TestServer } from '../../test-server.ts';

let server: TestServer;
let client: Client;
let count = 0;
const { validatingadmissionpolicies, validatingadmissionpolicybindings } = admissionregistrationV1;
const { mutatingadmissionpolicies, mutatingadmissionpolicybindings } = admissionregistrationV1;

before(async () => {
  server = await startTestServer();
  client = server.server.client({ userAgent: 'test' });
  for (const [name, labels] of [
    ['a', { env: 'prod' }],
    ['b', { env: 'dev' }],
  ] as const)
    await client.create(coreV1.namespaces, { metadata: { name, labels } });
});
after(() => server.stop());
afterEach(async () => {
  for (const kind of [validatingadmissionpolicies, mutatingadmissionpolicies])
    await client.deleteCollection(kind as typeof validatingadmissionpolicies, {});
  for (const kind of [validatingadmissionpolicybindings, mutatingadmissionpolicybindings])
    await client.deleteCollection(kind as typeof validatingadmissionpolicybindings, {});
});

const CONFIG_MAPS = { operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] };
const rulesFor = (...rules: object[]) => ({ resourceRules: rules.length ? rules : [CONFIG_MAPS] });

async function validating(spec: object, binding: object = {}, name = 'p'): Promise<void> {
  await client.create(validatingadmissionpolicies, {
    metadata: { name },
    spec: { matchConstraints: rulesFor(), ...spec },
  } as never);
  await client.create(validatingadmissionpolicybindings, {
    metadata: { name: `${name}-b` },
    spec: { policyName: name, validationActions: ['Deny'], ...binding },
  } as never);
}

async function mutating(spec: object, binding: object = {}, name = 'm'): Promise<void> {
  await client.create(mutatingadmissionpolicies, {
    metadata: { name },
    spec: { matchConstraints: rulesFor(), ...spec },
  } as never);
  await client.create(mutatingadmissionpolicybindings, {
    metadata: { name: `${name}-b` },
    spec: { policyName: name, ...binding },
  } as never);
}

const configMap = (data: Record<string, string> = {}, over: object = {}) =>
  ({ metadata: { name: `c${++count}`, namespace: 'a', ...over }, data }) as Draft<{ metadata: object }> as never;

async function warningsOf(object: object, query = ''): Promise<string[]> {
  const { request } = await import('node:https');
  return new Promise((resolve, reject) => {
    const { certificatePem: cert, keyPem: key } = server.admin;
    const options = { method: 'POST', ca: server.ca, cert, key, headers: { 'content-type': 'application/json' } };
    const r = request(`${server.url}/api/v1/namespaces/a/configmaps${query}`, options, response => {
      response.resume();
      const warnings = response.headers.warning as string | undefined;
      response.on('end', () => resolve(warnings ? [warnings] : []));
    });
    r.on('error', reject);
    r.end(JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', ...object }));
  });
}

test('a policy denies, with its message, reason and code', async () => {
  await validating({
    validations: [
      { expression: "!has(object.data) || !('bad' in object.data)" },
      { expression: "object.metadata.name != 'named'", message: 'no such name', reason: 'Forbidden' },
      {
        expression: '!has(object.data) || object.data.size() < 3',
        messageExpression: "'too many: ' + string(object.data.size())",
      },
    ],
  });
  const denied = await refusal(client.create(coreV1.configmaps, configMap({ bad: '1' }, { name: 'x' })));
  assert.equal(
    denied.message,
    `configmaps "x" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p-b' denied request: failed expression: !has(object.data) || !('bad' in object.data)`,
  );
  assert.equal(denied.code, 422);
  assert.equal(denied.reason, 'Invalid');
  assert.match(denied.status.details!.causes![0]!.message!, /^ValidatingAdmissionPolicy 'p' with binding/);
  const named = await refusal(client.create(coreV1.configmaps, configMap({}, { name: 'named' })));
  assert.match(named.message, /denied request: no such name$/);
  assert.equal(named.code, 403);
  const many = await refusal(client.create(coreV1.configmaps, configMap({ a: '', b: '', c: '' })));
  assert.match(many.message, /denied request: too many: 3$/);
  await client.create(coreV1.configmaps, configMap({ a: '' }));
});

test('updates and deletions, dry runs too', async () => {
  await client.create(coreV1.configmaps, configMap({ a: '1' }, { name: 'kept' }));
  await validating({
    validations: [
      { expression: "request.operation != 'DELETE' || oldObject.metadata.name != 'kept'", message: 'stays' },
      { expression: "request.operation != 'UPDATE' || object.data.a == oldObject.data.a", message: 'immutable' },
      { expression: "!request.dryRun || !object.metadata.name.startsWith('dry')", message: 'no dry run' },
    ],
  });
  const http = await server.http();
  const key = { namespace: 'a', name: 'kept' };
  assert.match((await refusal(http.delete(coreV1.configmaps, key))).message, /stays$/);
  const patch = (a: string) => http.patch(coreV1.configmaps, key, { type: 'merge', body: { data: { a } } });
  assert.match((await refusal(patch('2'))).message, /immutable$/);
  await patch('1');
  const dry = configMap({}, { name: 'dry' });
  assert.match((await refusal(http.create(coreV1.configmaps, dry, { dryRun: true }))).message, /no dry run$/);
  await http.create(coreV1.configmaps, dry);
});

test('warnings instead of denials', async () => {
  await validating(
    { validations: [{ expression: 'false', message: 'think "again"' }] },
    { validationActions: ['Warn', 'Audit'] },
  );
  assert.deepEqual(await warningsOf({ metadata: { name: 'warned' } }, '?dryRun=All'), [
    `299 - "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'p-b': think \\"again\\""`,
  ]);
});

test('errors are for the failure policy', async () => {
  const validations = [{ expression: "object.data.missing == 'x'" }];
  await validating({ validations });
  assert.match(
    (await refusal(client.create(coreV1.configmaps, configMap({ a: '' })))).message,
    /denied request: expression 'object.data.missing == 'x'' resulted in error: no such key: missing$/,
  );
  await client.delete(validatingadmissionpolicies, { name: 'p' });
  await client.delete(validatingadmissionpolicybindings, { name: 'p-b' });
  await validating({ validations, failurePolicy: 'Ignore' });
  await client.create(coreV1.configmaps, configMap({ a: '' }));
});

test('an expression that costs too much is an error', async () => {
  const deep = 'object.data.all(a, object.data.all(b, object.data.all(c, object.data.all(d, a != "" && d != ""))))';
  await validating({ validations: [{ expression: deep }] });
  const data = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`k${i}`, 'v']));
  assert.match(
    (await refusal(client.create(coreV1.configmaps, configMap(data)))).message,
    /operation cancelled: actual cost limit exceeded$/,
  );
});

test('parameters by name and by selector, absent ones', async () => {
  const spec = {
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
    matchConstraints: rulesFor({ ...CONFIG_MAPS, resources: ['secrets'] }),
    validations: [{ expression: 'params == null || object.metadata.name.startsWith(params.data.prefix)' }],
  };
  const secret = (name: string) => ({ metadata: { name, namespace: 'a' } }) as never;
  const paramRef = { name: 'limits', namespace: 'b', parameterNotFoundAction: 'Deny' };
  await validating(spec, { paramRef });
  assert.match(
    (await refusal(client.create(coreV1.secrets, secret('s')))).message,
    /failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction$/,
  );
  const params = { metadata: { name: 'limits', namespace: 'b', labels: { limits: 'yes' } }, data: { prefix: 'ok-' } };
  await client.create(coreV1.configmaps, params as never);
  assert.match((await refusal(client.create(coreV1.secrets, secret('s')))).message, /failed expression/);
  await client.create(coreV1.secrets, secret('ok-1'));
  const bySelector = { selector: { matchLabels: { limits: 'yes' } }, namespace: 'b', parameterNotFoundAction: 'Allow' };
  await client.create(validatingadmissionpolicybindings, {
    metadata: { name: 'a-selecting' },
    spec: { policyName: 'p', validationActions: ['Deny'], paramRef: bySelector },
  } as never);
  assert.match(
    (await refusal(client.create(coreV1.secrets, secret('s')))).message,
    /with binding 'a-selecting' denied request/,
  );
  await client.delete(coreV1.configmaps, { namespace: 'b', name: 'limits' });
});

test('conditions, variables, the namespace and the authorizer', async () => {
  await validating({
    matchConditions: [{ name: 'prod', expression: "namespaceObject.metadata.labels['env'] == 'prod'" }],
    variables: [
      { name: 'data', expression: 'has(object.data) ? object.data : {}' },
      { name: 'count', expression: 'variables.data.size()' },
    ],
    validations: [
      { expression: 'variables.count <= 1', messageExpression: '"has " + string(variables.count)' },
      {
        expression:
          "!('secret' in variables.data) || authorizer.group('').resource('secrets').namespace('a').check('get').allowed()",
        message: 'may not',
      },
    ],
  });
  assert.match((await refusal(client.create(coreV1.configmaps, configMap({ a: '', b: '' })))).message, /has 2$/);
  await client.create(coreV1.configmaps, configMap({ a: '', b: '' }, { namespace: 'b' }));
  await client.create(coreV1.configmaps, configMap({ secret: '' }));
});

test('the rules of bindings narrow those of policies', async () => {
  await validating(
    { validations: [{ expression: 'false' }] },
    { matchResources: { namespaceSelector: { matchLabels: { env: 'dev' } } } },
  );
  await client.create(coreV1.configmaps, configMap());
  assert.equal((await refusal(client.create(coreV1.configmaps, configMap({}, { namespace: 'b' })))).code, 422);
});

test('policies that do not compile are refused', async () => {
  const error = await refusal(
    client.create(validatingadmissionpolicies, {
      metadata: { name: 'broken' },
      spec: {
        matchConstraints: rulesFor(),
        validations: [{ expression: 'object.x > ' }, { expression: 'params.x' }, { expression: "'text'" }],
        auditAnnotations: [{ key: 'k', valueExpression: '1' }],
      },
    } as never),
  );
  assert.equal(error.code, 422);
  const causes = error.status.details!.causes!.map(c => `${c.field}: ${c.message}`.split('\n')[0]);
  assert.match(
    causes[0]!,
    /^spec.validations\[0\].expression: Invalid value: "object.x > ": compilation failed: ERROR: <input>:1:12: Syntax error/,
  );
  assert.match(causes[1]!, /undeclared reference to 'params' \(in container ''\)/);
  assert.match(causes[2]!, /Invalid value: "'text'": must evaluate to bool$/);
  assert.match(causes[3]!, /must evaluate to one of \[string null_type\]$/);
});

test('policies never stand between an administrator and policies', async () => {
  const everything = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] };
  await validating({ matchConstraints: rulesFor(everything), validations: [{ expression: 'false' }] });
  assert.equal((await refusal(client.create(coreV1.configmaps, configMap()))).code, 422);
  await client.delete(validatingadmissionpolicybindings, { name: 'p-b' });
  await client.create(coreV1.configmaps, configMap());
});

test('a mutation by JSON patch', async () => {
  await mutating({
    mutations: [
      {
        patchType: 'JSONPatch',
        jsonPatch: {
          expression:
            "[JSONPatch{op: 'add', path: '/metadata/labels', value: {}}, JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('example.com/by'), value: 'policy'}]",
        },
      },
    ],
  });
  const made = await client.create(coreV1.configmaps, configMap());
  assert.deepEqual(made.metadata.labels, { 'example.com/by': 'policy' });
});

test('a patch whose test fails leaves the object as it is', async () => {
  const expression = `[
    JSONPatch{op: 'test', path: '/data/color', value: 'red'},
    JSONPatch{op: 'replace', path: '/data/color', value: 'green'},
  ]`;
  await mutating({ mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression } }] });
  assert.equal((await client.create(coreV1.configmaps, configMap({ color: 'red' }))).data?.color, 'green');
  assert.equal((await client.create(coreV1.configmaps, configMap({ color: 'blue' }))).data?.color, 'blue');
});

test('policies may judge the configuration of webhooks', async () => {
  const rule = { ...CONFIG_MAPS, apiGroups: ['admissionregistration.k8s.io'], resources: ['*'] };
  await validating({
    matchConstraints: rulesFor(rule),
    validations: [{ expression: 'false', message: 'no webhooks' }],
  });
  const { validatingwebhookconfigurations } = admissionregistrationV1;
  const hooks = { metadata: { name: 'h' }, webhooks: [] } as never;
  assert.match((await refusal(client.create(validatingwebhookconfigurations, hooks))).message, /no webhooks$/);
});

const deployment = (name: string) =>
  ({
    metadata: { name, namespace: 'a' },
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'x' }] } },
    },
  }) as never;
const DEPLOYMENTS = { operations: ['CREATE'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'] };

test('a mutation by applying a configuration, defaulted afterwards', async () => {
  await mutating({
    matchConstraints: rulesFor(DEPLOYMENTS),
    mutations: [
      {
        patchType: 'ApplyConfiguration',
        applyConfiguration: {
          expression:
            "Object{spec: Object.spec{replicas: 3, template: Object.spec.template{spec: Object.spec.template.spec{initContainers: [Object.spec.template.spec.initContainers{name: 'side', image: 'car', restartPolicy: 'Always'}]}}}}",
        },
      },
    ],
  });
  const made = await client.create(appsV1.deployments, deployment('d'));
  assert.equal(made.spec.replicas, 3);
  const init = made.spec.template.spec!.initContainers![0]!;
  assert.equal(init.restartPolicy, 'Always');
  assert.equal(init.imagePullPolicy, 'Always');
  assert.equal(made.spec.template.spec!.containers[0]!.name, 'c');
});

test('configurations must leave atomic lists alone; what fails is for the failure policy', async () => {
  const mutations = [
    {
      patchType: 'ApplyConfiguration',
      applyConfiguration: {
        expression: "Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'b'}}}}",
      },
    },
  ];
  await mutating({ matchConstraints: rulesFor(DEPLOYMENTS), mutations });
  const error = await refusal(client.create(appsV1.deployments, deployment('e')));
  assert.match(
    error.message,
    /policy 'm' with binding 'm-b' denied request: .*may not mutate atomic arrays, maps or structs: \.spec\.selector/,
  );
  await client.deleteCollection(mutatingadmissionpolicies, {});
  await client.deleteCollection(mutatingadmissionpolicybindings, {});
  await mutating({ matchConstraints: rulesFor(DEPLOYMENTS), mutations, failurePolicy: 'Ignore' });
  await client.create(appsV1.deployments, deployment('e'));
});

test('the types of an applied configuration are those of its places', async () => {
  const applyConfiguration = { expression: "Object{data: Object.spec{a: 'b'}}" };
  await mutating({ mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration }] });
  assert.match(
    (await refusal(client.create(coreV1.configmaps, configMap()))).message,
    /denied request: type mismatch: unexpected type name "Object.spec", expected "Object.data", which matches field name path from root Object type$/,
  );
});

test('policies see what others made of the object, and again when they ask', async () => {
  const patch = (key: string, unless: string) => [
    {
      patchType: 'JSONPatch',
      jsonPatch: {
        expression: `${unless} in object.data && !('${key}' in object.data) ? [JSONPatch{op: 'add', path: '/data/${key}', value: 'yes'}] : []`,
      },
    },
  ];
  await mutating({ mutations: patch('first', "'second'"), reinvocationPolicy: 'IfNeeded' }, {}, 'a1');
  await mutating({ mutations: patch('second', "'start'") }, {}, 'b1');
  const made = await client.create(coreV1.configmaps, configMap({ start: '' }));
  assert.deepEqual(made.data, { start: '', second: 'yes', first: 'yes' });
});

test('who writes policies must be able to read their parameters', async () => {
  const rules = [{ apiGroups: ['admissionregistration.k8s.io'], resources: ['*'], verbs: ['*'] }];
  await client.create(rbacV1.clusterroles, { metadata: { name: 'policies' }, rules } as never);
  const subjects = [{ kind: 'User', name: 'eve', apiGroup: 'rbac.authorization.k8s.io' }];
  const roleRef = { kind: 'ClusterRole', name: 'policies', apiGroup: 'rbac.authorization.k8s.io' };
  await client.create(rbacV1.clusterrolebindings, { metadata: { name: 'eve' }, subjects, roleRef } as never);
  const eve = await server.http({ name: 'eve' });
  const spec = {
    matchConstraints: rulesFor(),
    paramKind: { apiVersion: 'v1', kind: 'Secret' },
    validations: [{ expression: "params.data['x'] == ''" }],
  };
  const error = await refusal(eve.create(validatingadmissionpolicies, { metadata: { name: 'leak' }, spec } as never));
  assert.match(
    error.message,
    /"leak" is invalid: spec.paramKind: Forbidden: user &\{eve {2}\[system:authenticated\] map\[.*\]\} must have "get" permission on all objects of the referenced paramKind \(kind=Secret, apiVersion=v1\)$/,
  );
  await validating(spec);
  const paramRef = { name: 's', namespace: 'a', parameterNotFoundAction: 'Allow' };
  const binding = { metadata: { name: 'leak' }, spec: { policyName: 'p', validationActions: ['Deny'], paramRef } };
  assert.match(
    (await refusal(eve.create(validatingadmissionpolicybindings, binding as never))).message,
    /spec.paramRef: Forbidden: user .* does not have "get" permission on the object referenced by paramRef$/,
  );
});

test('subresources, equivalent versions and custom resources', async () => {
  const scales = { operations: ['UPDATE'], apiGroups: ['apps'], apiVersions: ['*'], resources: ['deployments/scale'] };
  await validating({
    matchConstraints: rulesFor(scales),
    validations: [{ expression: "request.subResource == 'scale' && object.spec.replicas <= 5", message: 'too many' }],
  });
  await client.create(appsV1.deployments, deployment('scaled'));
  const key = { namespace: 'a', name: 'scaled' };
  const scale = (replicas: number) => ({
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name: 'scaled', namespace: 'a' },
    spec: { replicas },
  });
  assert.match(
    (await refusal(client.updateSubresource(appsV1.deployments, key, 'scale', scale(6)))).message,
    /denied request: too many$/,
  );
  await client.updateSubresource(appsV1.deployments, key, 'scale', scale(5));
  await validating(
    {
      matchConstraints: rulesFor({
        operations: ['CREATE'],
        apiGroups: ['autoscaling'],
        apiVersions: ['v1'],
        resources: ['horizontalpodautoscalers'],
      }),
      validations: [{ expression: 'object.spec.targetCPUUtilizationPercentage < 50', message: 'too hot' }],
    },
    {},
    'hpa',
  );
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' };
  const resource = { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } };
  const spec = { scaleTargetRef, maxReplicas: 2, metrics: [{ type: 'Resource', resource }] };
  const error = await refusal(
    client.create(autoscalingV2.horizontalpodautoscalers, { metadata: { name: 'h', namespace: 'a' }, spec } as never),
  );
  assert.match(error.message, /too hot$/);
});

test('a custom resource is judged and changed as others are', async () => {
  const names = { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' };
  const size = {
    type: 'object',
    properties: { size: { type: 'integer' }, tags: { type: 'array', items: { type: 'string' } } },
  };
  const openAPIV3Schema = { type: 'object', properties: { spec: size } };
  await client.create(apiextensionsV1.customresourcedefinitions, {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names,
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  } as never);
  const things = { group: 'example.com', version: 'v1', resource: 'things', kind: 'Thing', namespaced: true };
  await until(() => server.server.context.resources.has('example.com/v1/things'));
  const rules = rulesFor({ ...CONFIG_MAPS, apiGroups: ['example.com'], resources: ['things'] });
  await validating({ matchConstraints: rules, validations: [{ expression: 'object.spec.size < 5', message: 'big' }] });
  const applyConfiguration = {
    expression: 'Object{spec: Object.spec{size: has(object.spec.size) ? object.spec.size : 1}}',
  };
  await mutating({
    matchConstraints: rules,
    mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration }],
  });
  const thing = (name: string, spec: object) => ({ metadata: { name, namespace: 'a' }, spec }) as never;
  assert.match((await refusal(client.create(things as never, thing('big', { size: 7 })))).message, /big$/);
  const made = (await client.create(things as never, thing('small', {}))) as unknown as { spec: { size: number } };
  assert.equal(made.spec.size, 1);
});

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise(resolve => setImmediate(resolve));
}
