// Scales that are none, are of something else or ask for too little: recorded from k8s.io/apiextensions-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definition, establish, widget, widgets } from './custom/test-definition.ts';
import { mergePatch } from './test-caller.ts';
import { fileServer } from './test-file-server.ts';

const group = 'scales.example.com';
const one = `${widgets(group)}/one`;
const paths = {
  specReplicasPath: '.spec.replicas',
  statusReplicasPath: '.status.replicas',
  labelSelectorPath: '.status.s',
};
const on = fileServer(async api => {
  await establish(api, definition(group, [{ more: { subresources: { status: {}, scale: paths } } }]));
  await api.expect(201, 'POST', widgets(group), widget(group, 'one', { spec: { replicas: 1 } }));
});
const scale = (spec: unknown, metadata: object = { name: 'one' }) => ({
  kind: 'Scale',
  apiVersion: 'autoscaling/v1',
  metadata,
  spec,
});

async function refusal(method: string, path: string, body: unknown, headers = {}): Promise<[number, string]> {
  const { object } = await on.api.send(method, path, body, headers);
  return [object.code, object.message];
}

const invalid = (why: string): [number, string] => [422, `Widget.${group} "one" is invalid: ${why}`];

test('what does not decode as a Scale is of no kind a custom resource knows', async () => {
  const none = [400, 'no kind is registered for the type v1.Scale in scheme "pkg/runtime/scheme.go:111"'];
  for (const body of [
    ...[scale({ replicas: 'x' }), scale({ replicas: 1.5 }), scale({ replicas: 3_000_000_000 }), widget(group, 'one')],
    ...['{', '', '[]', { ...scale({}), status: { replicas: 'x' } }, { ...scale({}), apiVersion: 'autoscaling/v2' }],
  ])
    assert.deepEqual(await refusal('PUT', `${one}/scale`, body), none, JSON.stringify(body));
  assert.deepEqual(await refusal('PUT', `${one}/scale?fieldValidation=Strict`, { ...scale({}), foo: 1 }), none);
  const nameless = 'the name of the object (one based on URL) was undeterminable: name must be provided';
  assert.deepEqual(await refusal('PUT', `${one}/scale`, 'null'), [400, nameless]);
});

test('fewer replicas than none are what the object may not have', async () => {
  const wrong = (n: number) => invalid(`.spec.replicas: Invalid value: ${n}: should be a non-negative integer`);
  assert.deepEqual(await refusal('PUT', `${one}/scale`, scale({ replicas: -1 })), wrong(-1));
  assert.deepEqual(await refusal('PATCH', `${one}/scale`, { spec: { replicas: -4 } }, mergePatch), wrong(-4));
});

test('a scale is read at a version, as its object is', async () => {
  await on.api.expect(201, 'POST', '/apis/apps/v1/namespaces/default/deployments', {
    metadata: { name: 'one' },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  for (const path of [one, '/apis/apps/v1/namespaces/default/deployments/one']) {
    const wrong = 'resourceVersion: Invalid value: "bad": strconv.ParseUint: parsing "bad": invalid syntax';
    assert.deepEqual(await refusal('GET', `${path}/scale?resourceVersion=bad`, undefined), [500, wrong]);
    assert.equal((await on.api.send('GET', `${path}/scale?resourceVersion=999999&timeout=50ms`)).code, 504);
    await on.api.expect(200, 'GET', `${path}/scale?resourceVersion=0`);
  }
});

test('of which object a Scale is, is told before whether there is one', async () => {
  const elsewhere = [400, 'the namespace of the provided object does not match the namespace sent on the request'];
  const away = { name: 'one', namespace: 'x' };
  assert.deepEqual(await refusal('PUT', `${one}/scale`, scale({}, away)), elsewhere);
  assert.deepEqual(await refusal('PATCH', `${one}/scale`, { metadata: { namespace: 'x' } }, mergePatch), elsewhere);
  const other = [400, 'the name of the object (b) does not match the name on the URL (none)'];
  const deployments = '/apis/apps/v1/namespaces/default/deployments';
  for (const path of [widgets(group), deployments])
    assert.deepEqual(await refusal('PUT', `${path}/none/scale`, scale({}, { name: 'b' })), other);
});

test('values of other types where the definition looks for those of the scale', async () => {
  const accessor = (path: string, shown: string, why: string) =>
    invalid(`${path}: Invalid value: ${shown}: ${path} accessor error: ${why}`);
  const patch = (path: string, body: object) => refusal('PATCH', path, body, mergePatch);
  assert.deepEqual(
    await patch(`${one}/status`, { status: { s: 5 } }),
    accessor('.status.s', '""', '5 is of the type int64, expected string'),
  );
  assert.deepEqual(
    await patch(one, { spec: 5 }),
    accessor('.spec.replicas', '0', '5 is of the type int64, expected map[string]interface{}'),
  );
  assert.deepEqual(
    await patch(one, { spec: { replicas: 1.5 } }),
    accessor('.spec.replicas', '0', '1.5 is of the type float64, expected int64'),
  );
});

test('bodies of calls of built-in resources', async () => {
  const pods = '/api/v1/namespaces/default/pods/x';
  for (const [path, kind] of [
    [`${pods}/binding`, 'Binding'],
    [`${pods}/eviction`, 'Eviction'],
    ['/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', 'SelfSubjectAccessReview'],
  ] as const) {
    const unrecognized = `the object provided is unrecognized (must be of type ${kind}): couldn't get version/kind; json parse error:`;
    assert.deepEqual(await refusal('POST', path, '{'), [400, `${unrecognized} unexpected end of JSON input ({)`]);
    const [, message] = await refusal('POST', path, '[]');
    assert.match(message, /^the object provided is unrecognized .* cannot unmarshal array .* \(5b5d\)$/);
  }
});
