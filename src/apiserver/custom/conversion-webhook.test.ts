import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startTestExtension, type TestExtension } from '../extension/test-extension.ts';
import { applyPatch, type Caller, caller, type Json, mergePatch } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { definition, definitions, establish, widget, widgets } from './test-definition.ts';

let server: TestServer;
let call: Caller;
let hook: TestExtension;
let reviews: Json[] = [];
let answer: (review: Json) => Json;

/** `hostPort` of v1 is `host` and `port` in v2. */
function convert(object: Json, apiVersion: string): Json {
  const { hostPort, host, port, ...rest } = object;
  if (apiVersion.endsWith('/v2')) {
    const [h, p] = String(hostPort ?? '').split(':');
    return { ...rest, apiVersion, ...(hostPort ? { host: h, port: p } : {}) };
  }
  return { ...rest, apiVersion, ...(host ? { hostPort: `${host}:${port}` } : {}) };
}

const success = (review: Json): Json => ({
  uid: review.request.uid,
  convertedObjects: review.request.objects.map((o: Json) => convert(o, review.request.desiredAPIVersion)),
  result: { status: 'Success' },
});

before(async () => {
  server = await startTestServer();
  call = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
  hook = await startTestExtension((_, response, body) => {
    const review = JSON.parse(body);
    reviews.push(review);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ apiVersion: review.apiVersion, kind: review.kind, response: answer(review) }));
  });
});
after(async () => {
  call.close();
  await hook.stop();
  await server.stop();
});

async function make(group: string, selectable = false): Promise<Json> {
  answer = success;
  const schema = (fields: readonly string[]) => ({
    type: 'object',
    properties: Object.fromEntries(fields.map(f => [f, { type: 'string' }])),
  });
  const conversion = {
    strategy: 'Webhook',
    webhook: {
      clientConfig: { url: `${hook.url}/convert`, caBundle: hook.caBundle },
      conversionReviewVersions: ['v1', 'v1beta1'],
    },
  };
  const version = (name: string, fields: readonly string[]) => ({
    name,
    schema: schema(fields),
    ...(selectable ? { more: { selectableFields: fields.map(f => ({ jsonPath: `.${f}` })) } } : {}),
  });
  const versions = [version('v1', ['hostPort']), { ...version('v2', ['host', 'port']), storage: false }];
  const crd = await establish(call, definition(group, versions, { conversion }));
  reviews = [];
  return crd;
}

test('[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin] should be able to convert from CR v1 to CR v2', async () => {
  const group = 'convert.example.com';
  await make(group);
  await call.expect(201, 'POST', widgets(group), widget(group, 'a', { hostPort: 'localhost:8080' }));
  assert.equal(reviews.length, 0, 'the stored version needs no conversion');
  const shown = await call.expect(200, 'GET', `${widgets(group, 'v2')}/a`);
  assert.deepEqual(
    [shown.apiVersion, shown.host, shown.port, shown.hostPort],
    [`${group}/v2`, 'localhost', '8080', undefined],
  );
  const { request, apiVersion } = reviews[0];
  assert.equal(apiVersion, 'apiextensions.k8s.io/v1');
  assert.deepEqual([request.desiredAPIVersion, request.objects[0].hostPort], [`${group}/v2`, 'localhost:8080']);
  const made = await call.expect(201, 'POST', widgets(group, 'v2'), widget(group, 'b', { host: 'h', port: '1' }, 'v2'));
  assert.deepEqual([made.host, made.port], ['h', '1']);
  assert.equal((await call.expect(200, 'GET', `${widgets(group)}/b`)).hostPort, 'h:1');
  const patched = await call.expect(200, 'PATCH', `${widgets(group, 'v2')}/b`, { port: '2' }, mergePatch);
  assert.equal(patched.port, '2');
  assert.equal((await call.expect(200, 'GET', `${widgets(group)}/b`)).hostPort, 'h:2');
});

test('[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin] should be able to convert a non homogeneous list of CRs', async () => {
  const group = 'mixed.example.com';
  const crd = await make(group);
  await call.expect(201, 'POST', widgets(group), widget(group, 'a', { hostPort: 'a:1' }));
  for (const v of crd.spec.versions) v.storage = !v.storage;
  await call.expect(200, 'PUT', `${definitions}/widgets.${group}`, crd);
  await call.expect(201, 'POST', widgets(group, 'v2'), widget(group, 'b', { host: 'b', port: '2' }, 'v2'));
  const first = await call.expect(200, 'GET', widgets(group));
  assert.deepEqual(
    first.items.map((i: Json) => i.hostPort),
    ['a:1', 'b:2'],
  );
  const second = await call.expect(200, 'GET', widgets(group, 'v2'));
  assert.deepEqual(
    second.items.map((i: Json) => `${i.host}:${i.port}`),
    ['a:1', 'b:2'],
  );
});

test('[sig-api-machinery] CustomResourceFieldSelectors [Privileged:ClusterAdmin] CustomResourceFieldSelectors MUST list and watch custom resources matching the field selector', async () => {
  const group = 'selected.example.com';
  await make(group, true);
  const [v1, v2] = ['v1', 'v2'].map(v => `${widgets(group, v)}?fieldSelector=`);
  const everywhere = `/apis/${group}/v2/widgets?fieldSelector=`;
  const early = await call.watch(`${v2}host=host1&watch=1`);
  const first = await call.watch(`${v1}hostPort=host1:80&watch=1`);
  for (const [name, hostPort] of Object.entries({ a: 'host1:80', b: 'host1:8080', c: 'host2:80' }))
    await call.expect(201, 'POST', widgets(group), widget(group, name, { hostPort }));
  const names = async (query: string) =>
    (await call.expect(200, 'GET', query)).items.map((i: Json) => i.metadata.name).join();
  assert.equal(await names(`${v2}host=host1`), 'a,b');
  assert.equal(await names(`${everywhere}host=host1`), 'a,b');
  assert.equal(await names(`${v2}host=host1,port=80`), 'a');
  assert.equal(await names(`${v2}host!=host1`), 'c');
  assert.equal(await names(`${v1}hostPort=host1:80`), 'a');
  await call.expect(400, 'GET', `${v1}host=host1`);
  const late = await call.watch(`${v2}host=host1&watch=1`);
  await call.expect(200, 'PATCH', `${widgets(group)}/b`, { hostPort: 'host3:8080' }, mergePatch);
  await call.expect(200, 'DELETE', `${widgets(group)}/a`);
  for (const watching of [early, late]) {
    await watching.next(e => e.type === 'DELETED' && e.object.metadata.name === 'a');
    const seen = watching.events.map(e => `${e.type} ${e.object.metadata.name} ${e.object.host}`);
    assert.deepEqual(seen, ['ADDED a host1', 'ADDED b host1', 'DELETED b host1', 'DELETED a host1']);
  }
  await first.next(e => e.type === 'DELETED');
  const seen = first.events.map(e => `${e.type} ${e.object.metadata.name} ${e.object.hostPort}`);
  assert.deepEqual(seen, ['ADDED a host1:80', 'DELETED a host1:80']);
  await call.expect(200, 'DELETE', `${v2}host=host2`);
  assert.equal(await names(widgets(group)), 'b');
});

test('an apply in another version answers with fields in order', async () => {
  const group = 'applied.example.com';
  await make(group);
  const apply = (version: string, more: object) =>
    call.send('PATCH', `${widgets(group, version)}/a?fieldManager=a`, widget(group, 'a', more, version), applyPatch);
  await apply('v1', { hostPort: 'h:1' });
  const { code, object } = await apply('v2', { port: '2', host: 'h' });
  assert.equal(code, 200);
  assert.deepEqual(Object.keys(object), ['apiVersion', 'host', 'kind', 'metadata', 'port']);
});

test('managers that wrote in a version that is gone: an apply is refused, who writes otherwise forgets them all', async () => {
  const group = 'gone.example.com';
  const crd = await make(group);
  const send = (name: string, manager: string, version: string, more: object, type: Record<string, string>) => {
    const body = type === applyPatch ? widget(group, name, more, version) : more;
    return call.send('PATCH', `${widgets(group, version)}/${name}?fieldManager=${manager}&force=true`, body, type);
  };
  for (const name of ['a', 'b']) await send(name, 'x', 'v2', { host: 'h', port: '1' }, applyPatch);
  crd.spec.versions = crd.spec.versions.filter((v: Json) => v.name === 'v1');
  await call.expect(200, 'PUT', `${definitions}/widgets.${group}`, crd);
  for (const manager of ['x', 'y']) {
    const { code, object } = await send('a', manager, 'v1', { hostPort: 'h:2' }, applyPatch);
    assert.equal(code, 500);
    assert.equal(object.message, `request to convert CR to an invalid group/version: ${group}/v2`);
  }
  const url = `${widgets(group)}/b`;
  for (const hostPort of ['h:1', 'h:2']) {
    const { metadata } = await call.expect(200, 'PATCH', url, { hostPort }, mergePatch);
    assert.equal(metadata.managedFields, undefined);
  }
});

test('watches show converted objects, in order', async () => {
  const group = 'watch.example.com';
  await make(group);
  await call.expect(201, 'POST', widgets(group), widget(group, 'a', { hostPort: 'h:0' }));
  const watching = await call.watch(`${widgets(group, 'v2')}?watch=1`);
  for (let i = 1; i <= 5; i++)
    await call.expect(200, 'PATCH', `${widgets(group)}/a`, { hostPort: `h:${i}` }, mergePatch);
  await watching.next(e => e.object.port === '5');
  assert.deepEqual(
    watching.events.map(e => [e.type, e.object.port]),
    [['ADDED', '0'], ...['1', '2', '3', '4', '5'].map(p => ['MODIFIED', p])],
  );
});

test('a webhook that fails or answers wrongly is told of', async () => {
  const group = 'broken.example.com';
  await make(group);
  await call.expect(201, 'POST', widgets(group), widget(group, 'a', { hostPort: 'h:0' }));
  const refused = async (how: (review: Json) => Json) => {
    answer = how;
    return (await call.expect(500, 'GET', `${widgets(group, 'v2')}/a`)).message;
  };
  const prefix = `conversion webhook for ${group}/v1, Kind=Widget`;
  assert.equal(
    await refused(r => ({ ...success(r), result: { status: 'Failed', message: 'no idea' } })),
    `${prefix} failed: no idea`,
  );
  assert.equal(
    await refused(r => ({ ...success(r), convertedObjects: [] })),
    `${prefix} returned 0 objects, expected 1`,
  );
  assert.match(await refused(r => ({ ...success(r), uid: 'x' })), /failed: expected response.uid=".*", got "x"/);
  const renamed = (r: Json) => ({
    ...success(r),
    convertedObjects: success(r).convertedObjects.map((o: Json) => ({ ...o, metadata: { ...o.metadata, name: 'b' } })),
  });
  assert.equal(await refused(renamed), `${prefix} returned invalid object: must have the same name: a != b`);
  const withMetadata = (more: object) => (r: Json) => ({
    ...success(r),
    convertedObjects: success(r).convertedObjects.map((o: Json) => ({ ...o, metadata: { ...o.metadata, ...more } })),
  });
  for (const [more, why] of [
    [{ labels: 3 }, 'metadata: invalid metadata.labels of type int64 in converted object'],
    [{ annotations: { a: 3 } }, 'metadata: metadata.annotations[a] must be a string, but is int64 in converted object'],
    [{ annotations: { 'A B': '' } }, 'metadata: metadata.annotation: Invalid value: "A B": name part must '],
    [{ namespace: 'x' }, 'object: must have the same namespace: default != x'],
  ] as const)
    assert.ok((await refused(withMetadata(more))).startsWith(`${prefix} returned invalid ${why}`), why);
  const made = (objects: Json[]) => (r: Json) => ({ ...success(r), convertedObjects: objects });
  assert.equal(await refused(made([null])), 'unexpected end of JSON input');
  assert.equal(
    await refused(r => ({ ...success(r), result: {} })),
    `${prefix} failed: response.result.status was '', not 'Success'`,
  );
  answer = success;
  assert.equal((await call.expect(200, 'GET', `${widgets(group, 'v2')}/a`)).host, 'h');
  const text = await server.server.metrics.text();
  for (const [succeeded, times] of [
    ['false', 10],
    ['true', 1],
  ])
    assert.ok(
      text.includes(
        `\napiserver_crd_webhook_conversion_duration_seconds_count{crd_name="widgets.${group}",from_version="v1",succeeded="${succeeded}",to_version="v2"} ${times}\n`,
      ),
      `${succeeded}`,
    );
});
