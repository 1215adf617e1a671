// The official suite's tests of admission policies, written in the common expression language, that judge and change Deployments.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admissionregistrationV1, appsV1, coreV1 } from '../api/refs.ts';
import { conformanceBench } from './test-conformance.ts';

type Any = any;

const { client, until, namespace } = conformanceBench('policy', 36);
const { validatingadmissionpolicies, validatingadmissionpolicybindings } = admissionregistrationV1;
const { mutatingadmissionpolicies, mutatingadmissionpolicybindings } = admissionregistrationV1;

const matchConstraints = (ns: string, operations = ['CREATE', 'UPDATE']) => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': ns } },
  resourceRules: [{ apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'], operations }],
});
const deployment = (namespace: string, name: string, replicas: number, annotations?: object): Any => ({
  metadata: { namespace, name, ...(annotations ? { annotations } : {}) },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  },
});
const create = (ns: string, name: string, replicas: number, annotations?: object): Promise<Any> =>
  client.create(appsV1.deployments, deployment(ns, name, replicas, annotations));

/** In force once the types of its expressions are checked, without complaints. */
async function validating(ns: string, spec: object): Promise<string> {
  const name = `${ns}.policy.example.com`;
  await client.create(validatingadmissionpolicies, {
    metadata: { name },
    spec: { failurePolicy: 'Fail', matchConstraints: matchConstraints(ns), ...spec },
  });
  const { typeChecking, observedGeneration } = await until(async () => {
    const { status } = await client.get(validatingadmissionpolicies, { name });
    return status?.typeChecking && status;
  });
  assert.deepEqual([typeChecking, observedGeneration], [{}, 1]);
  await client.create(validatingadmissionpolicybindings, {
    metadata: { name: `${name}-binding` },
    spec: { policyName: name, validationActions: ['Deny'] },
  });
  return name;
}

async function mutating(ns: string, mutations: object[], more: object = {}): Promise<void> {
  const name = `${ns}.policy.example.com`;
  const spec = {
    failurePolicy: 'Fail',
    reinvocationPolicy: 'IfNeeded',
    matchConstraints: matchConstraints(ns, ['CREATE']),
    mutations,
    ...more,
  };
  await client.create(mutatingadmissionpolicies, { metadata: { name }, spec });
  const binding = { metadata: { name: `${name}-binding` }, spec: { policyName: name } };
  await client.create(mutatingadmissionpolicybindings, binding);
}

const refusal = (name: string, policy: string, why: string) => ({
  code: 422,
  reason: 'Invalid',
  message: `deployments.apps "${name}" is forbidden: ValidatingAdmissionPolicy '${policy}' with binding '${policy}-binding' denied request: ${why}`,
});

test('[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should validate against a Deployment', async () => {
  const ns = await namespace();
  const policy = await validating(ns, {
    validations: [
      {
        expression: 'object.spec.replicas > 1',
        messageExpression: "'wants replicas > 1, got ' + string(object.spec.replicas)",
      },
      { expression: 'namespaceObject.metadata.name == request.namespace', message: 'wrong namespace' },
    ],
  });
  await create(ns, 'replicated', 2);
  await assert.rejects(create(ns, 'single', 1), refusal('single', policy, 'wants replicas > 1, got 1'));
  const scaledDown = client.patch(
    appsV1.deployments,
    { namespace: ns, name: 'replicated' },
    { type: 'merge', body: { spec: { replicas: 0 } } },
  );
  await assert.rejects(scaledDown, refusal('replicated', policy, 'wants replicas > 1, got 0'));
  // What a policy lets pass works as ever, and other namespaces are none of its business.
  await until(
    async () => (await client.get(appsV1.deployments, { namespace: ns, name: 'replicated' })).status.replicas,
  );
  await create(await namespace(), 'single', 1);
});

test('[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should allow expressions to refer variables.', async () => {
  const ns = await namespace();
  const policy = await validating(ns, {
    variables: [
      { name: 'replicas', expression: 'object.spec.replicas' },
      { name: 'oddReplicas', expression: 'variables.replicas % 2 == 1' },
    ],
    validations: [
      { expression: 'variables.replicas > 1' },
      { expression: 'variables.oddReplicas', message: 'wants an odd number' },
    ],
  });
  await create(ns, 'replicated', 3);
  const failed = 'failed expression: variables.replicas > 1';
  await assert.rejects(create(ns, 'single', 1), refusal('single', policy, failed));
  await assert.rejects(create(ns, 'even', 2), refusal('even', policy, 'wants an odd number'));
});

test('[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should mutate a Deployment', async () => {
  const ns = await namespace();
  const expression = 'Object{ spec: Object.spec{ replicas: object.spec.replicas + 2 } }';
  await mutating(ns, [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }], {
    matchConditions: [{ name: 'few', expression: 'object.spec.replicas < 3' }],
  });
  assert.equal((await create(ns, 'single', 1)).spec.replicas, 3);
  assert.equal((await create(ns, 'many', 5)).spec.replicas, 5);
  await until(async () => (await client.list(coreV1.pods, { namespace: ns })).items.length === 8);
  assert.equal((await create(await namespace(), 'single', 1)).spec.replicas, 1);
});

test('[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should mutate a Deployment with annotations', async () => {
  const ns = await namespace();
  const applied = 'Object{ metadata: Object.metadata{ annotations: {"my-foo-annotation": variables.greeting} } }';
  const added =
    '[JSONPatch{ op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey("example.com/foo"), value: "myJSONPatch" }]';
  await mutating(
    ns,
    [
      { patchType: 'ApplyConfiguration', applyConfiguration: { expression: applied } },
      { patchType: 'JSONPatch', jsonPatch: { expression: added } },
    ],
    { variables: [{ name: 'greeting', expression: '"to " + object.metadata.name' }] },
  );
  const annotations = { 'my-foo-annotation': 'to a', 'example.com/foo': 'myJSONPatch' };
  assert.deepEqual((await create(ns, 'a', 1)).metadata.annotations, annotations);
  const kept = await create(ns, 'b', 1, { own: 'x' });
  assert.deepEqual(kept.metadata.annotations, { ...annotations, 'my-foo-annotation': 'to b', own: 'x' });
});

test('what others say of a policy stays beside what its types say', async () => {
  const ns = await namespace();
  const name = await validating(ns, { validations: [{ expression: 'object.spec.replicas > 1' }] });
  const condition = {
    type: 'Tested',
    status: 'True',
    reason: 'E2E',
    message: 'Set from e2e test',
    observedGeneration: 1,
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  const patch = { type: 'merge', body: { status: { conditions: [condition] } } };
  await client.patch(validatingadmissionpolicies, { name }, patch, { subresource: 'status' });
  const changed = { type: 'merge', body: { spec: { validations: [{ expression: "object.spec.replicas > '1'" }] } } };
  await client.patch(validatingadmissionpolicies, { name }, changed);
  const { typeChecking, conditions } = await until(async () => {
    const { status } = await client.get(validatingadmissionpolicies, { name });
    return status.observedGeneration === 2 && status;
  });
  const [{ fieldRef, warning }] = typeChecking.expressionWarnings;
  assert.equal(fieldRef, 'spec.validations[0].expression');
  assert.match(
    warning,
    /^apps\/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '\(int, string\)'/,
  );
  assert.deepEqual(conditions, [condition]);
  const updated = await client.get(validatingadmissionpolicies, { name });
  const said = { ...updated.status, conditions: [{ ...condition, status: 'False' }] };
  assert.equal(
    (await client.updateStatus(validatingadmissionpolicies, { ...updated, status: said })).status.conditions[0].status,
    'False',
  );
});

test('a message that cannot be made gives way to the expression', async () => {
  const ns = await namespace();
  const name = `${ns}.policy.example.com`;
  const validations = [
    { expression: 'object.spec.replicas > 1', messageExpression: "'wants replicas > 1, got ' + object.spec.replicas" },
  ];
  const spec = { failurePolicy: 'Fail', matchConstraints: matchConstraints(ns), validations };
  await client.create(validatingadmissionpolicies, { metadata: { name }, spec });
  const binding = { metadata: { name: `${name}-binding` }, spec: { policyName: name, validationActions: ['Deny'] } };
  await client.create(validatingadmissionpolicybindings, binding);
  const failed = 'failed expression: object.spec.replicas > 1';
  await assert.rejects(create(ns, 'single', 1), refusal('single', name, failed));
});
