// The essence of the official suite's tests of discovery, tables and the checking of fields: nothing but the API server is needed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespaces, testApi } from './test-api.ts';
import { applyPatch, type Json } from './test-caller.ts';

const api = testApi();
const namespace = namespaces(api);

test('[sig-api-machinery] Servers with support for Table transformation should return a 406 for a backend which does not implement metadata', async () => {
  const review = { spec: { nonResourceAttributes: { path: '/', verb: 'get' } } };
  const accept = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  const refused = await api.expect(
    406,
    'POST',
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    review,
    accept,
  );
  assert.equal(refused.reason, 'NotAcceptable');
});

test('[sig-api-machinery] server version should find the server version', async () => {
  const version = await api.expect(200, 'GET', '/version');
  assert.equal(version.major, '1');
  assert.match(version.minor, /^\d+$/);
  assert.match(version.gitVersion, /^v1\.36\./);
});

test('[sig-api-machinery] Discovery should validate PreferredVersion for each APIGroup', async () => {
  const { groups } = await api.expect(200, 'GET', '/apis');
  assert.ok(groups.length > 15);
  for (const { name, preferredVersion } of groups) {
    const group = await api.expect(200, 'GET', `/apis/${name}`);
    assert.deepEqual(group.preferredVersion, preferredVersion);
    assert.ok(
      group.versions.some((v: Json) => v.groupVersion === preferredVersion.groupVersion),
      name,
    );
    assert.equal(preferredVersion.groupVersion, `${name}/${preferredVersion.version}`);
  }
});

test('[sig-api-machinery] Discovery should locate the groupVersion and a resource within each APIGroup', async () => {
  for (const [group, version, kind] of [
    ['apiregistration.k8s.io', 'v1', 'APIService'],
    ['apps', 'v1', 'Deployment'],
    ['authentication.k8s.io', 'v1', 'TokenReview'],
    ['authorization.k8s.io', 'v1', 'SelfSubjectAccessReview'],
    ['autoscaling', 'v1', 'HorizontalPodAutoscaler'],
    ['autoscaling', 'v2', 'HorizontalPodAutoscaler'],
    ['batch', 'v1', 'CronJob'],
    ['certificates.k8s.io', 'v1', 'CertificateSigningRequest'],
    ['coordination.k8s.io', 'v1', 'Lease'],
    ['discovery.k8s.io', 'v1', 'EndpointSlice'],
    ['events.k8s.io', 'v1', 'Event'],
    ['networking.k8s.io', 'v1', 'IngressClass'],
    ['node.k8s.io', 'v1', 'RuntimeClass'],
    ['policy', 'v1', 'PodDisruptionBudget'],
    ['rbac.authorization.k8s.io', 'v1', 'Role'],
    ['scheduling.k8s.io', 'v1', 'PriorityClass'],
    ['storage.k8s.io', 'v1', 'StorageClass'],
  ]) {
    const list = await api.expect(200, 'GET', `/apis/${group}/${version}`);
    assert.equal(list.kind, 'APIResourceList');
    assert.equal(list.groupVersion, `${group}/${version}`);
    assert.ok(
      list.resources.some((r: Json) => r.kind === kind),
      `${kind}`,
    );
  }
});

const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

test('[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers', async () => {
  for (const path of ['/api', '/apis']) {
    const { code, headers, object } = await api.send('GET', path, undefined, {
      accept: `${aggregatedType},application/json`,
    });
    assert.equal(code, 200);
    assert.equal(headers['content-type'], aggregatedType);
    assert.equal(object.kind, 'APIGroupDiscoveryList');
    assert.equal(object.apiVersion, 'apidiscovery.k8s.io/v2');
    const plain = await api.send('GET', path, undefined, { accept: 'application/json' });
    assert.equal(plain.object.kind, path === '/api' ? 'APIVersions' : 'APIGroupList');
    assert.ok(headers.etag);
    const same = await api.send('GET', path, undefined, {
      accept: aggregatedType,
      'if-none-match': String(headers.etag),
    });
    assert.equal(same.code, 304);
  }
});

test('[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface', async () => {
  const items: Json[] = [];
  for (const path of ['/api', '/apis'])
    items.push(...(await api.expect(200, 'GET', path, undefined, { accept: aggregatedType })).items);
  for (const [group, version, resource] of [
    [undefined, 'v1', 'namespaces'],
    ['admissionregistration.k8s.io', 'v1', 'validatingwebhookconfigurations'],
    ['apiextensions.k8s.io', 'v1', 'customresourcedefinitions'],
    ['apiregistration.k8s.io', 'v1', 'apiservices'],
    ['apps', 'v1', 'deployments'],
    ['autoscaling', 'v2', 'horizontalpodautoscalers'],
    ['batch', 'v1', 'jobs'],
    ['certificates.k8s.io', 'v1', 'certificatesigningrequests'],
    ['networking.k8s.io', 'v1', 'ingresses'],
    ['policy', 'v1', 'poddisruptionbudgets'],
    ['resource.k8s.io', 'v1', 'resourceclaims'],
    ['storage.k8s.io', 'v1', 'csinodes'],
  ]) {
    const found = items.find(i => i.metadata.name === group)?.versions.find((v: Json) => v.version === version);
    const described = found?.resources.find((r: Json) => r.resource === resource);
    assert.ok(described, `${group}/${version} ${resource}`);
    assert.equal(described.responseKind.version, version);
    assert.ok(described.verbs.includes('list'));
  }
});

test('[sig-api-machinery] FieldValidation should detect unknown and duplicate fields of a typed object', async () => {
  const path = `/apis/apps/v1/namespaces/${await namespace()}/deployments`;
  const body =
    '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"unknown1":"v","unknownDupe":"v","unknownDupe":"w","paused":true,"paused":false,"selector":{"matchLabels":{"app":"a"}},"template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}';
  const strict = await api.expect(400, 'POST', `${path}?fieldValidation=Strict`, body);
  assert.equal(
    strict.message,
    'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.unknown1", unknown field "spec.unknownDupe", duplicate field "spec.paused"',
  );
  const warned = await api.send('POST', `${path}?fieldValidation=Warn`, body);
  assert.equal(warned.code, 201);
  assert.match(String(warned.headers.warning), /unknown field \\"spec.unknown1\\"/);
  assert.match(String(warned.headers.warning), /duplicate field \\"spec.paused\\"/);
  const ignored = await api.send('PUT', `${path}/d?fieldValidation=Ignore`, body);
  assert.equal(ignored.code, 200);
  assert.equal(ignored.headers.warning, undefined);
});

test('[sig-api-machinery] FieldValidation should detect unknown metadata fields of a typed object', async () => {
  const path = `/apis/apps/v1/namespaces/${await namespace()}/deployments`;
  const body = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', unknownMeta: 'v' },
    spec: {
      selector: { matchLabels: { app: 'a' } },
      template: { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  };
  const made = await api.expect(400, 'POST', `${path}?fieldValidation=Strict`, body);
  assert.match(made.message, /unknown field "metadata\.unknownMeta"/);
  const applied = await api.send('PATCH', `${path}/d?fieldValidation=Strict&fieldManager=m`, body, applyPatch);
  assert.ok(applied.code === 400 || applied.code === 500, JSON.stringify(applied.object));
  assert.match(
    applied.object.message,
    /metadata\.unknownMeta: field not declared in schema|unknown field "metadata\.unknownMeta"/,
  );
});
