// Paths and methods that no handler knows, and watches from versions to come: recorded from the generic API server of
// Kubernetes 1.36.2, as k8s.io/apiextensions-apiserver and k8s.io/sample-apiserver are made of it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { definition, establish, widget, widgets } from './custom/test-definition.ts';
import { superuserOf } from './test-api.ts';
import { type Caller, mergePatch, type Reply, type SeenEvent } from './test-caller.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const [group, wide] = ['odd.example.com', 'wide.example.com'];
const subresources = { more: { subresources: { status: {} } } };
const far = 99_999_999;
const maps = '/api/v1/namespaces/default/configmaps';
const begin = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1';
let farList: Promise<Reply>;
let farWatch: Promise<SeenEvent>;
let server: TestServer;
let api: Caller;
before(async () => {
  server = await startTestServer();
  api = superuserOf(server);
  await establish(api, definition(group, [subresources]));
  await establish(api, definition(wide, [{}], { scope: 'Cluster' }));
  await api.expect(201, 'POST', widgets(group), widget(group, 'one'));
  // Both take three seconds, in which the other tests run.
  farList = api.send('GET', `/api/v1/nodes?resourceVersion=${far}`);
  farWatch = api.watch(`${maps}?watch=1&${begin}&resourceVersion=${far}`).then(w => w.next(e => e.type === 'ERROR'));
});
after(async () => {
  api.close();
  await server.stop();
});

const page = '404 page not found\n';
const path = 'the server could not find the requested resource';
const method = 'the server does not allow this method on the requested resource';

async function answers(code: number, message: string, requests: readonly string[], tellsCache = true): Promise<void> {
  for (const request of requests) {
    const [verb = '', url = ''] = request.split(' ');
    const body = verb === 'PUT' || verb === 'POST' || verb === 'PATCH' ? {} : undefined;
    const { code: got, object, headers } = await api.send(verb, url, body, verb === 'PATCH' ? mergePatch : {});
    assert.deepEqual([got, typeof object === 'string' ? object : object.message], [code, message], request);
    const isText = typeof object === 'string';
    assert.equal(headers['content-type'], isText ? 'text/plain; charset=utf-8' : 'application/json', request);
    assert.equal(headers['x-content-type-options'], isText ? 'nosniff' : undefined, request);
    assert.equal(headers['cache-control'], tellsCache ? 'no-cache, private' : undefined, request);
  }
}

test('what no handler knows is a page that is not found', async () => {
  await answers(
    404,
    page,
    [
      ...['/foo', '/foo/bar', '/apis/unknown', '/apis/unknown/v1', '/apis/unknown/v1/x', '//apis', '/apis//x'],
      ...[
        '/healthz/',
        '/healthz/x',
        '/healthz/%ff',
        '/readyz/x',
        '/metrics/',
        '/openapi',
        '/openapi/v2/',
        '/configz',
        '/swagger.json',
      ],
      ...[`/apis/${group}/v9`, `/apis/${group}/v9/widgets`, `/apis/${group}/v1/unknown`],
      ...[`/apis/${group}/v1/widgets/one`, `/apis/${group}/v1/namespaces/default`],
      ...[`/apis/${wide}/v1/namespaces/default/widgets`, `/apis/${wide}/v1/namespaces/default/widgets/x`],
    ].map(p => `GET ${p}`),
  );
  await answers(404, page, ['POST /foo', 'OPTIONS /foo', 'PATCH /apis/unknown/v1/x', 'TRACE /apis/unknown/v1/x']);
  await answers(404, page, [`POST /apis/${group}/v1/widgets`, `DELETE /apis/${group}/v1/widgets`]);
});

test('what a built-in group does not have is a Status', async () => {
  await answers(
    404,
    path,
    [
      ...['/api/v9', '/api/v1/unknown', '/api/v1/namespaces/x/unknown', '/apis/apps/v9', '/apis/apps/v9/deployments'],
      ...['/apis/apps/v1/unknown', '/api/v1/namespaces/x/nodes', '/api/v1/namespaces/x/namespaces', '/version/x'],
      ...['/api/v1/namespaces/default/unknown', '/api/v1/namespaces/default/status/x', '/api/v1/nodes/a/status/x'],
      '/apis/authentication.k8s.io/v1/tokenreviews/x',
    ].map(p => `GET ${p}`),
  );
  await answers(404, path, ['OPTIONS /apis/apps/v1/unknown', 'POST /api/v1/nodes/a/unknown']);
});

test('methods that a path does not have', async () => {
  await answers(405, method, [
    ...['POST /version', 'PUT /api', 'DELETE /api/v1', 'PATCH /apis/apps/v1', 'OPTIONS /apis/apps/v1'],
    ...[`PUT ${maps}`, `PATCH ${maps}`, `OPTIONS ${maps}`, `TRACE ${maps}/x`, `POST ${maps}/x`],
    ...['DELETE /api/v1/namespaces/x/status', 'POST /api/v1/namespaces/x/status', 'DELETE /api/v1/watch/nodes'],
    ...['GET /apis/authentication.k8s.io/v1/tokenreviews', 'PUT /api/v1/namespaces/default/pods/x/log'],
  ]);
  for (const url of ['/version', '/apis/apps/v1', maps, '/api/v1/namespaces/default/status'])
    assert.equal((await api.send('HEAD', url)).code, 405, url);
  for (const url of ['/apis', '/apis/apps', `/apis/${group}/v1`, '/healthz', '/'])
    assert.equal((await api.send('POST', url)).code, 200, url);
});

test('subresources of nobody', async () => {
  const nobody = [
    '/api/v1/namespaces/default/pods//status',
    '/api/v1/nodes//status',
    '/apis/apps/v1/namespaces/default/deployments//scale',
  ];
  await answers(400, 'name must be provided', [
    ...nobody.flatMap(p => [`GET ${p}`, `PUT ${p}`, `PATCH ${p}`]),
    `POST ${maps.replace('configmaps', 'pods')}//eviction`,
  ]);
  await answers(
    405,
    method,
    nobody.flatMap(p => [`DELETE ${p}`, `POST ${p}`]),
  );
});

test('methods and paths of custom resources', async () => {
  const one = `${widgets(group)}/one`;
  const unsupported = (verb: string) => `${verb} is not supported on resources of kind "widgets.${group}"`;
  await answers(405, unsupported('create'), [`POST ${one}/status`]);
  await answers(405, unsupported('delete'), [`DELETE ${one}/status`]);
  await answers(405, unsupported(''), [`OPTIONS ${one}`, `TRACE ${widgets(group)}`]);
  await answers(404, `widgets.${group} "one" not found`, [`GET ${one}/scale`, `POST ${one}/x`, `OPTIONS ${one}/x`]);
  await answers(400, 'name must be provided', [`PUT ${widgets(group)}`, `PATCH ${widgets(group)}`]);
  // A name in the path of what is made says nothing.
  const { metadata } = await api.expect(201, 'POST', `${widgets(group)}/other`, widget(group, 'two'));
  assert.equal(metadata.name, 'two');
  await api.expect(409, 'POST', `${widgets(group)}/other`, widget(group, 'one'));
  assert.equal((await api.send('HEAD', one)).code, 200);
});

test('a watch of nothing', async () => {
  const url = '/apis/apps/v1/watch?x=1';
  const why = 'failed to create RequestInfo: unable to determine kind and namespace from url, /apis/apps/v1/watch?x=1';
  // Before the filter that says what may be kept.
  await answers(500, `Internal Server Error: "${url}": ${why}\n`, [`GET ${url}`], false);
});

test('who may not is told without sniffing, and so is nobody else', async () => {
  for (const url of ['/', '/foo', '/api/v1/pods', '/apis/unknown/v1/x']) {
    const { code, headers, object } = await api.send('GET', url, undefined, { 'impersonate-user': 'joe' });
    assert.deepEqual([code, object.reason, headers['x-content-type-options']], [403, 'Forbidden', 'nosniff'], url);
  }
  // A refusal by admission is an answer like any other.
  const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const refused = await api.send('POST', '/api/v1/namespaces/gone/pods', pod);
  assert.deepEqual([refused.code, refused.headers['x-content-type-options']], [404, undefined]);
});

test('the index lists what has a path of its own', async () => {
  const { object, headers } = await api.send('GET', '/');
  for (const known of [
    '/apis/apps',
    '/apis/apps/v1',
    '/livez/ping',
    '/readyz/shutdown',
    '/version',
    `/apis/${group}/v1`,
  ])
    assert.ok(object.paths.includes(known), known);
  assert.ok(!object.paths.includes('/livez/shutdown'));
  assert.deepEqual(object.paths, [...object.paths].sort());
  assert.equal(headers['cache-control'], 'no-cache, private');
  assert.deepEqual((await api.send('GET', '/index.html')).object, object);
});

test('a list or a read at a version to come waits, and is refused', async () => {
  const { object, headers } = await farList;
  assert.match(object.message, /^Timeout: Too large resource version: 99999999, current: \d+$/);
  assert.deepEqual([object.details.retryAfterSeconds, headers['retry-after']], [1, '1']);
  for (const more of ['resourceVersionMatch=Exact', 'limit=1']) {
    const exact = await api.send('GET', `/api/v1/nodes?resourceVersion=${far}&${more}`);
    const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
    assert.deepEqual([exact.code, exact.object.details, exact.headers['retry-after']], [504, { causes }, undefined]);
  }
  const range =
    'resourceVersion: Invalid value: "18446744073709551616": strconv.ParseUint: parsing "18446744073709551616": value out of range';
  await answers(500, range, ['GET /api/v1/nodes?watch=1&resourceVersion=18446744073709551616']);
  await answers(400, `invalid resource version: ${range}`, ['GET /api/v1/nodes?resourceVersion=18446744073709551616']);
});

test('a watch from a version to come is open, and tells what is newer', async () => {
  const make = async (name: string) =>
    Number((await api.expect(201, 'POST', maps, { metadata: { name } })).metadata.resourceVersion);
  const now = await make('a');
  // b takes the next version, which is not newer than the one asked for.
  const watching = await api.watch(`${maps}?watch=1&resourceVersion=${now + 1}`);
  assert.equal(await make('b'), now + 1);
  await make('c');
  await watching.next(e => e.object.metadata.name === 'c');
  assert.deepEqual(
    watching.events.map(e => e.object.metadata.name),
    ['c'],
  );
  watching.stop();
});

test('a watch that begins with what exists waits for its version', async () => {
  const now = Number((await api.expect(201, 'POST', maps, { metadata: { name: 'd' } })).metadata.resourceVersion);
  const watching = await api.watch(`${maps}?watch=1&${begin}&resourceVersion=${now + 1}`);
  assert.equal(watching.events.length, 0);
  await api.expect(201, 'POST', maps, { metadata: { name: 'e' } });
  await watching.next(e => e.type === 'BOOKMARK');
  assert.ok(watching.events.some(e => e.type === 'ADDED' && e.object.metadata.name === 'e'));
  watching.stop();
  const { object } = await farWatch;
  assert.deepEqual([object.code, object.reason, object.details.retryAfterSeconds], [504, 'Timeout', 1]);
});
