import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ask, kubectlFor } from '../test-request.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.stop());

const json = async (path: string) => JSON.parse((await ask(server, path)).body.toString());

test('the index leads to documents that may be cached for good', async () => {
  const { paths } = await json('/openapi/v3');
  assert.ok(paths['api/v1'] && paths['apis/apps/v1'] && paths['apis/rbac.authorization.k8s.io/v1']);
  const url = paths['apis/apps/v1'].serverRelativeURL as string;
  assert.match(url, /^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{128}$/);
  const first = await ask(server, url);
  assert.equal(first.code, 200);
  assert.match(String(first.headers['cache-control']), /immutable/);
  const again = await ask(server, url, { headers: { 'if-none-match': first.headers.etag! } });
  assert.equal(again.code, 304);
  const packed = await ask(server, url, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(packed.headers['content-encoding'], 'gzip');
  const stale = await ask(server, '/openapi/v3/apis/apps/v1?hash=ABC');
  assert.equal(stale.code, 301);
  assert.equal(stale.headers.location, url);
  assert.doesNotMatch(String((await ask(server, '/openapi/v3/apis/apps/v1')).headers['cache-control']), /immutable/);
  assert.equal((await ask(server, '/openapi/v3/apis/no.such/v1')).code, 404);
});

test('every document is whole: each reference has its schema, each served verb its operation', async () => {
  const { paths } = await json('/openapi/v3');
  let operations = 0;
  for (const id of Object.keys(paths)) {
    const document = await json(`/openapi/v3/${id}`);
    const text = JSON.stringify(document);
    for (const [, name] of text.matchAll(/#\/components\/schemas\/([^"]+)"/g))
      assert.ok(document.components.schemas[name!], `${id}: ${name}`);
    const ids = [...text.matchAll(/"operationId":"([^"]+)"/g)].map(m => m[1]);
    assert.equal(new Set(ids).size, ids.length, `${id}: operation ids repeat`);
    operations += ids.length;
  }
  assert.ok(operations > 700, `${operations} operations`);
});

test('schemas carry list types, merge keys, defaults, enums, formats and kinds', async () => {
  const { schemas } = (await json('/openapi/v3/api/v1')).components;
  const pod = schemas['io.k8s.api.core.v1.PodSpec'].properties;
  assert.equal(pod.containers['x-kubernetes-list-type'], 'map');
  assert.deepEqual(pod.containers['x-kubernetes-list-map-keys'], ['name']);
  assert.equal(pod.containers['x-kubernetes-patch-strategy'], 'merge');
  assert.equal(pod.containers['x-kubernetes-patch-merge-key'], 'name');
  assert.deepEqual(pod.containers.items.default, {});
  const container = schemas['io.k8s.api.core.v1.Container'];
  assert.deepEqual(container.required, ['name']);
  assert.deepEqual(container.properties.imagePullPolicy.enum, ['Always', 'IfNotPresent', 'Never']);
  assert.equal(schemas['io.k8s.api.core.v1.ContainerPort'].properties.protocol.default, 'TCP');
  assert.equal(schemas['io.k8s.api.core.v1.ContainerPort'].properties.hostPort.format, 'int32');
  assert.deepEqual(schemas['io.k8s.api.core.v1.Pod']['x-kubernetes-group-version-kind'], [
    { group: '', kind: 'Pod', version: 'v1' },
  ]);
});

test('schemas carry unions, and every group version that may have delete options', async () => {
  const { schemas } = (await json('/openapi/v3/api/v1')).components;
  assert.deepEqual(schemas['io.k8s.api.core.v1.SeccompProfile']['x-kubernetes-unions'], [
    { discriminator: 'type', 'fields-to-discriminateBy': { localhostProfile: 'LocalhostProfile' } },
  ]);
  const kinds: { group: string; kind: string; version: string }[] =
    schemas['io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions']['x-kubernetes-group-version-kind'];
  const of = (name: string) => kinds.filter(k => k.group === name).map(k => k.version);
  assert.deepEqual(
    [of(''), of('apps'), of('admission.k8s.io')],
    [['v1'], ['v1', 'v1beta1', 'v1beta2'], ['v1', 'v1beta1']],
  );
});

test('paths carry actions, kinds and parameters', async () => {
  const { paths } = await json('/openapi/v3/api/v1');
  const collection = paths['/api/v1/namespaces/{namespace}/pods'];
  assert.equal(collection.get['x-kubernetes-action'], 'list');
  assert.equal(collection.get.operationId, 'listCoreV1NamespacedPod');
  assert.equal(collection.delete['x-kubernetes-action'], 'deletecollection');
  assert.equal(paths['/api/v1/pods'].get.operationId, 'listCoreV1PodForAllNamespaces');
  const names = (list: { name: string }[]) => list.map(p => p.name);
  assert.ok(names(collection.get.parameters).includes('labelSelector'));
  const one = paths['/api/v1/namespaces/{namespace}/pods/{name}'];
  assert.ok(names(one.patch.parameters).includes('fieldValidation'));
  assert.ok(Object.hasOwn(one.patch.requestBody.content, 'application/apply-patch+yaml'));
  assert.equal(paths['/api/v1/namespaces/{namespace}/pods/{name}/exec'].post['x-kubernetes-action'], 'connect');
  assert.deepEqual(
    paths['/api/v1/namespaces/{namespace}/pods/{name}/eviction'].post['x-kubernetes-group-version-kind'],
    {
      group: 'policy',
      kind: 'Eviction',
      version: 'v1',
    },
  );
});

test('what all operations of a path take lies with the path, by name', async () => {
  const { paths } = await json('/openapi/v3/api/v1');
  const names = (list?: { name: string }[]) => list?.map(p => p.name);
  const pod = paths['/api/v1/namespaces/{namespace}/pods/{name}'];
  assert.deepEqual(names(pod.parameters), ['name', 'namespace', 'pretty']);
  assert.deepEqual(names(pod.patch.parameters), ['dryRun', 'fieldManager', 'fieldValidation', 'force']);
  const log = paths['/api/v1/namespaces/{namespace}/pods/{name}/log'];
  assert.equal(log.get.parameters, undefined);
  assert.ok(names(log.parameters)!.includes('tailLines') && !names(log.parameters)!.includes('sinceTime'));
  assert.equal(Object.keys(log.get.responses[200].content)[0], 'text/plain');
  const exec = paths['/api/v1/namespaces/{namespace}/pods/{name}/exec'];
  assert.deepEqual(Object.keys(exec.get.responses[200].content), ['*/*']);
});

test('groups, their resources, the version and keys of tokens are told of', async () => {
  const { paths } = await json('/openapi/v3');
  const roots: [id: string, path: string, operation: string, tag: string][] = [
    ['api', '/api/', 'getCoreAPIVersions', 'core'],
    ['api/v1', '/api/v1/', 'getCoreV1APIResources', 'core_v1'],
    ['apis', '/apis/', 'getAPIVersions', 'apis'],
    ['apis/apps', '/apis/apps/', 'getAppsAPIGroup', 'apps'],
    [
      'apis/rbac.authorization.k8s.io/v1',
      '/apis/rbac.authorization.k8s.io/v1/',
      'getRbacAuthorizationV1APIResources',
      'rbacAuthorization_v1',
    ],
    ['version', '/version/', 'getCodeVersion', 'version'],
    ['openid/v1/jwks', '/openid/v1/jwks', 'getServiceAccountIssuerOpenIDKeyset', 'openid'],
  ];
  const version2 = await json('/openapi/v2');
  for (const [id, path, operation, tag] of roots) {
    const document = await json(paths[id].serverRelativeURL);
    for (const { get } of [document.paths[path], version2.paths[path]])
      assert.deepEqual([get.operationId, get.tags], [operation, [tag]]);
  }
  assert.deepEqual(version2.paths['/version/'].get.consumes, ['application/json']);
});

test('clients may say which form they would have, and what they know', async () => {
  const [v2, v3] = [2, 3].map(v => `application/com.github.proto-openapi.spec.v${v}@v1.0+protobuf`);
  const type = async (path: string, accept: string) =>
    (await ask(server, path, { headers: { accept } })).headers['content-type'];
  assert.equal(await type('/openapi/v2', `application/json;q=0.1, ${v2}`), v2!.replace('@', '.'));
  assert.equal(await type('/openapi/v2', `${v2};q=0.1, application/json`), 'application/json');
  for (const path of ['/openapi/v2', '/openapi/v3/version']) {
    for (const accept of ['*/*', 'application/*', '']) assert.equal(await type(path, accept), 'application/json');
    for (const accept of ['text/html', 'application/yaml']) {
      const refused = await ask(server, path, { headers: { accept } });
      assert.deepEqual([refused.code, refused.body.length], [406, 0]);
    }
  }
  const index = await ask(server, '/openapi/v3');
  for (const known of [index.headers.etag!, '*'])
    assert.equal((await ask(server, '/openapi/v3', { headers: { 'if-none-match': known } })).code, 304);
  assert.equal((await ask(server, '/openapi/v3', { headers: { 'if-none-match': '"other"' } })).code, 200);
  assert.equal(await type('/openapi/v3/version', v3!), v3!.replace('@', '.'));
});

test('version 2 is whole as well', async () => {
  const document = await json('/openapi/v2');
  assert.equal(document.swagger, '2.0');
  for (const [, name] of JSON.stringify(document).matchAll(/#\/definitions\/([^"]+)"/g))
    assert.ok(document.definitions[name!], String(name));
  const post = document.paths['/apis/apps/v1/namespaces/{namespace}/deployments'].post;
  assert.equal(post.parameters[0].schema.$ref, '#/definitions/io.k8s.api.apps.v1.Deployment');
  const none = await ask(server, '/openapi/v2', { headers: { accept: 'text/html' } });
  assert.equal(none.code, 406);
});

test('kubectl explains from both versions and validates strictly', async () => {
  const kubectl = kubectlFor(server);
  try {
    const v3 = await kubectl.run(['explain', 'pod.spec.containers']);
    assert.match(
      v3.out,
      /FIELD: containers <\[\]Container>[\s\S]*\n {2}image\t<string>[\s\S]*\n {2}name\t<string> -required-/,
      v3.err,
    );
    assert.match(v3.out, /\n {2}image\t<string>\n {4}Image to run\.\n/);
    const all = await kubectl.run(['explain', 'deploy', '--recursive']);
    assert.match(all.out, /\n {6}rollingUpdate\t<RollingUpdateDeployment>\n {8}maxSurge\t<IntOrString>/, all.err);
    const v2 = await kubectl.run(['explain', 'deploy.spec.strategy', '--output', 'plaintext-openapiv2', '--recursive']);
    assert.match(v2.out, /RESOURCE: strategy <Object>[\s\S]*rollingUpdate\t<Object>\n {6}maxSurge\t<string>/, v2.err);
    const wrong = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, dta: {} };
    const strict = await kubectl.run(['create', '--validate=strict', '-f', '-'], JSON.stringify(wrong));
    assert.equal(strict.code, 1);
    assert.match(strict.err, /strict decoding error: unknown field "dta"/);
    const words = await kubectl.run(['__complete', 'get', 'deploy']);
    assert.match(words.out, /^deployments.apps$/m);
  } finally {
    kubectl.cleanup();
  }
});
