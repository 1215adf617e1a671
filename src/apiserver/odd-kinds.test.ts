// Bodies of another kind, without a name, and for no namespace: recorded from k8s.io/apiextensions-apiserver and
// k8s.io/sample-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../api/resource.ts';
import { definition, establish, widgets } from './custom/test-definition.ts';
import { fileServer } from './test-file-server.ts';

const group = 'kinds.example.com';
const maps = '/api/v1/namespaces/default/configmaps';
const autoscalers = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers';
const metadata = { name: 'x' };
const on = fileServer(async api => {
  await establish(api, definition(group));
  await api.expect(201, 'POST', maps, { metadata: { name: 'one' } });
});

async function refusal(method: string, path: string, body: unknown): Promise<[code: number, message: string]> {
  const { object } = await on.api.send(method, path, body);
  return [object.code, object.message];
}

const handled = (kind: string, version: string, as: string, why: string): [number, string] => [
  400,
  `${kind} in version "${version}" cannot be handled as a ${as}: ${why}`,
];
const unregistered = (kind: string, apiVersion: string) =>
  `no kind "${kind}" is registered for version "${apiVersion}" in scheme "pkg/runtime/scheme.go:111"`;
const otherVersion = (given: string, expected: string): [number, string] => [
  400,
  `the API version in the data (${given}) does not match the expected API version (${expected})`,
];

test('built-in kinds in place of another', async () => {
  const into = (from: string) => `converting (${from}) to (core.ConfigMap): unknown conversion`;
  const cases: [body: object, answer: [number, string]][] = [
    [{ kind: 'Pod', apiVersion: 'v1', metadata }, handled('Pod', 'v1', 'ConfigMap', into('v1.Pod'))],
    [{ kind: 'Pod' }, handled('Pod', 'v1', 'ConfigMap', into('v1.Pod'))],
    [{ kind: 'Deployment', apiVersion: 'apps/v1' }, handled('Deployment', 'v1', 'ConfigMap', into('v1.Deployment'))],
    [
      { kind: 'ConfigMapList', apiVersion: 'v1' },
      handled('ConfigMapList', 'v1', 'ConfigMap', into('v1.ConfigMapList')),
    ],
    [
      { kind: 'DeleteOptions', apiVersion: 'v1' },
      handled('DeleteOptions', 'v1', 'ConfigMap', into('v1.DeleteOptions')),
    ],
    [{ kind: 'Status', apiVersion: 'apps/v1' }, handled('Status', 'v1', 'ConfigMap', into('v1.Status'))],
    [{ kind: 'Foo', metadata }, handled('Foo', 'v1', 'ConfigMap', unregistered('Foo', 'v1'))],
    [
      { apiVersion: 'apps/v1', metadata },
      handled('ConfigMap', 'v1', 'ConfigMap', unregistered('ConfigMap', 'apps/v1')),
    ],
    [{ kind: 'Widget', apiVersion: '/v2' }, handled('Widget', 'v2', 'ConfigMap', unregistered('Widget', 'v2'))],
    [
      { kind: 'ConfigMap', apiVersion: 'v1/' },
      handled(
        'ConfigMap',
        '',
        'ConfigMap',
        `Object 'apiVersion' is missing in '{"kind":"ConfigMap","apiVersion":"v1/"}'`,
      ),
    ],
    [
      { apiVersion: 'a/b/c' },
      [
        400,
        'the object provided is unrecognized (must be of type ConfigMap): unexpected GroupVersion string: a/b/c ({"apiVersion":"a/b/c"})',
      ],
    ],
  ];
  for (const [body, answer] of cases) {
    assert.deepEqual(await refusal('POST', maps, body), answer);
    // Before whether there is one.
    assert.deepEqual(await refusal('PUT', `${maps}/none`, body), answer);
  }
  // What is one kind within is of another version only.
  const autoscaler = { kind: 'HorizontalPodAutoscaler', apiVersion: 'autoscaling/v2', metadata };
  assert.deepEqual(await refusal('POST', autoscalers, autoscaler), otherVersion('autoscaling/v2', 'autoscaling/v1'));
  const event = { kind: 'Event', apiVersion: 'events.k8s.io/v1', metadata };
  const events = maps.replace('configmaps', 'events');
  assert.deepEqual(await refusal('POST', events, event), otherVersion('events.k8s.io/v1', 'v1'));
  await on.api.expect(201, 'POST', `${maps}?dryRun=All`, { kind: 'ConfigMap', apiVersion: '/', metadata });
});

test('a Deployment for a Scale', async () => {
  const path = '/apis/apps/v1/namespaces/default/deployments';
  const labels = { a: 'b' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const spec = { selector: { matchLabels: labels }, template };
  const deployment = { kind: 'Deployment', apiVersion: 'apps/v1', metadata: { name: 'd' }, spec };
  await on.api.expect(201, 'POST', path, deployment);
  assert.deepEqual(
    await refusal('PUT', `${path}/d/scale`, deployment),
    handled('Deployment', 'v1', 'Scale', 'converting (v1.Deployment) to (autoscaling.Scale): unknown conversion'),
  );
});

test('versions of custom resources', async () => {
  const post = (apiVersion: string) => refusal('POST', widgets(group), { kind: 'Widget', apiVersion, metadata });
  assert.deepEqual(await post('/'), otherVersion('', `${group}/v1`));
  assert.deepEqual(await post('/v1'), otherVersion('v1', `${group}/v1`));
  const [code, message] = await post('a/b/c');
  assert.equal(code, 400);
  assert.match(
    message,
    /^the object provided is unrecognized \(must be of type Widget\): unexpected GroupVersion string: a\/b\/c \(\{"kind"/,
  );
});

test('what has no name is told with all else that is wrong', async () => {
  const causes = async (path: string, body: object) =>
    (await on.api.expect(422, 'POST', path, body)).details.causes.map((c: { field: string }) => c.field);
  const services = maps.replace('configmaps', 'services');
  assert.deepEqual(await causes(services, {}), ['metadata.name', 'spec.ports']);
  const { message, details } = await on.api.expect(422, 'POST', maps, { data: { 'a/b': '' } });
  assert.match(
    message,
    /^ConfigMap "" is invalid: \[metadata.name: Required value: name or generateName is required, data\[a\/b\]: /,
  );
  assert.equal(details.name, undefined);
});

test('no kind fails for want of a name', async () => {
  const rubbish = { spec: { template: {} }, status: {}, data: {}, rules: [], subjects: [] };
  for (const { group, version, resource, namespaced, verbs } of builtinResources().resources) {
    if (!verbs.includes('create')) continue;
    const path = `${group ? `/apis/${group}` : '/api'}/${version}${namespaced ? '/namespaces/default' : ''}/${resource}`;
    for (const body of [{}, { metadata: {} }, rubbish]) {
      const { code } = await on.api.send('POST', `${path}?dryRun=All&fieldValidation=Ignore`, body);
      assert.ok(code < 500, `${path}: ${code}`);
    }
  }
});

test('what is made in no namespace', async () => {
  const message = (name: string, why: string): [number, string] => [422, `ConfigMap "${name}" is invalid: ${why}`];
  const required = 'metadata.namespace: Required value';
  const nowhere = '/api/v1/namespaces//configmaps';
  assert.deepEqual(await refusal('POST', nowhere, { metadata }), message('x', required));
  const placed = { metadata: { ...metadata, namespace: 'default' } };
  assert.deepEqual(await refusal('POST', nowhere, placed), message('x', required));
  const nameless = `[metadata.name: Required value: name or generateName is required, ${required}]`;
  assert.deepEqual(await refusal('POST', nowhere, {}), message('', nameless));
});

test('what applies nothing owns nothing, of what is there neither', async () => {
  const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
  const lease = { kind: 'Lease', apiVersion: 'coordination.k8s.io/v1', metadata: { name: 'bare' } };
  const made = await on.api.expect(201, 'POST', leases, lease);
  const type = { 'content-type': 'application/apply-patch+yaml' };
  for (const more of [{}, { metadata: {} }]) {
    const applied = await on.api.expect(
      200,
      'PATCH',
      `${leases}/bare?fieldManager=m`,
      { ...lease, metadata: {}, ...more },
      type,
    );
    assert.deepEqual(applied, made);
  }
  // Cleared, it was made as it is by nobody known; but for what every object of the kind has.
  const clear = [{ op: 'add', path: '/metadata/managedFields', value: [{}] }];
  const patch = { 'content-type': 'application/json-patch+json' };
  await on.api.expect(
    200,
    'PATCH',
    `${leases}/bare`,
    { metadata: { labels: { a: 'b' } } },
    { 'content-type': 'application/merge-patch+json' },
  );
  await on.api.expect(200, 'PATCH', `${leases}/bare`, clear, patch);
  const config = { ...lease, metadata: { labels: { c: 'd' } } };
  const { metadata: after } = await on.api.expect(200, 'PATCH', `${leases}/bare?fieldManager=m`, config, type);
  assert.deepEqual(
    after.managedFields.map((f: { manager: string; fieldsV1: object }) => [f.manager, f.fieldsV1]),
    [
      ['m', { 'f:metadata': { 'f:labels': { 'f:c': {} } } }],
      ['before-first-apply', { 'f:metadata': { 'f:labels': { '.': {}, 'f:a': {} } } }],
    ],
  );
});
