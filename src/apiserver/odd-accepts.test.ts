// What clients say they accept, and in which form they are answered: recorded from k8s.io/apiextensions-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { request } from 'node:https';
import { test } from 'node:test';
import { definition, establish, widget, widgets } from './custom/test-definition.ts';
import { negotiate } from './negotiation.ts';
import { fileServer } from './test-file-server.ts';

const group = 'accepts.example.com';
const path = widgets(group);
const watch = `${path}?watch=1&timeoutSeconds=1&resourceVersion=0`;
const [json, yaml, protobuf] = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'] as const;
const table = 'as=Table;g=meta.k8s.io;v=v1';
const on = fileServer(async api => {
  await establish(api, definition(group));
  await api.expect(201, 'POST', path, widget(group, 'one'));
});

function get(url: string, accept: string): Promise<{ code: number; type: string; text: string }> {
  const { ca, admin } = on.server;
  const options = { ca, cert: admin.certificatePem, key: admin.keyPem, headers: { accept } };
  const target = url.startsWith('/') ? `${on.server.url}${url}` : on.server.url;
  return new Promise((resolve, reject) => {
    const sent = request(target, { ...options, ...(url.startsWith('/') ? {} : { path: url }) }, async message => {
      let text = '';
      for await (const chunk of message.setEncoding('utf8')) text += chunk;
      resolve({ code: message.statusCode ?? 0, type: String(message.headers['content-type']), text });
    });
    sent.on('error', reject);
    sent.end();
  });
}

async function answers(url: string, cases: Readonly<Record<string, readonly [code: number, type: string]>>) {
  for (const [accept, expected] of Object.entries(cases)) {
    const { code, type } = await get(url, accept);
    assert.deepEqual([code, type], expected, `${url} ${accept}`);
  }
}

test('weights', async () => {
  await answers(`${path}/one`, {
    [`${json};q=0`]: [200, json],
    [`${json};q=x`]: [200, json],
    [`${json};q=0.1,${yaml};q=0.9`]: [200, yaml],
    [`${protobuf};q=0.5,${yaml};q=0.4`]: [200, yaml],
    'APPLICATION/JSON': [406, json],
    'text/html': [406, json],
    'text/html,*/*;q=0.1': [200, json],
  });
});

test('versions of nothing, and streams of nobody', async () => {
  const refused = [406, json] as const;
  await answers(`${path}/one`, {
    [`${json};v=v9`]: refused,
    [`${json};g=x`]: refused,
    '*/*;v=v1': refused,
    [`${json};stream=x`]: refused,
    [`${yaml};stream=x`]: refused,
    [`${json};v=v9,${yaml}`]: [200, yaml],
    [`${json};v=`]: [200, json],
    [`${json};stream=watch`]: [200, json],
    [`${json};x=y`]: [200, json],
  });
});

test('a megabyte of what is accepted costs no time', () => {
  const offered = [json] as const;
  const before = process.cpuUsage();
  for (let i = 0; i < 4; i++) {
    assert.throws(() => negotiate('a/b,'.repeat(250_000 + i), { offered }), { code: 406 });
    assert.equal(negotiate('*/*,'.repeat(250_000 + i), { offered }).mediaType, json);
    assert.equal(negotiate(json + ';a=b'.repeat(250_000 + i), { offered }).mediaType, json);
  }
  // Of the processor: it was 1.4 s.
  assert.ok(process.cpuUsage(before).user < 700_000);
});

test('a custom resource has no protobuf of its own, whoever has asked before', async () => {
  await answers(watch, { [protobuf]: [406, protobuf], [`${protobuf},${json}`]: [200, json] });
  await answers(path, { [protobuf]: [406, protobuf], [`${protobuf},${json}`]: [200, json] });
  const partial = `${protobuf};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`;
  await answers(path, { [partial]: [200, protobuf] });
});

test('what is first accepted must be fit for a watch', async () => {
  await answers(watch, {
    [`${yaml},${json}`]: [406, yaml],
    [`${json};q=0.1,${yaml};q=0.9`]: [406, yaml],
    [`application/cbor,${json}`]: [200, json],
  });
  const { text } = await get(watch, `${yaml},${json}`);
  assert.match(text, /accepted: application\/json;stream=watch,\s+application\/vnd.kubernetes.protobuf;stream=watch/);
});

test('who takes no form a Status has is answered in JSON for people', async () => {
  for (const accept of ['text/html', `${json};${table}`, `${json};pretty=1`]) {
    const { text, type } = await get(`${path}/none`, accept);
    assert.equal(type, json);
    assert.equal(text, JSON.stringify(JSON.parse(text), undefined, 2), accept);
  }
  const { text } = await get(`${path}/none`, `${json};${table},${json}`);
  assert.match(text, /"code":404\}\n$/);
});

test('documents of discovery have no tables, and may be for people', async () => {
  await answers(`/apis/${group}/v1`, { [`${json};${table}`]: [406, json], [`${json};as=Foo,${yaml}`]: [200, yaml] });
  const { text } = await get(`/apis/${group}`, `${json};pretty=1`);
  assert.match(text, /^\{\n {2}"kind": "APIGroup",\n/);
});

test('the path may come with the name of the server', async () => {
  assert.equal((await get(`http://127.0.0.1${path}/one`, '*/*')).code, 200);
});

test('what is routed takes only types that are named, or any', async () => {
  const routed = (types: string) => `406: Not Acceptable\n\nAvailable representations: ${types}`;
  const forms = [json, yaml, protobuf].join(', ');
  const streams = `${json};stream=watch, ${protobuf};stream=watch`;
  const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const cases: [url: string, types: string][] = [
    [definitions, `${forms}, ${streams}`],
    [`${definitions}/none`, forms],
    ['/apis/apiextensions.k8s.io/v1', forms],
    ['/api', forms],
    ['/version', json],
  ];
  for (const [url, types] of cases) {
    for (const accept of ['application/*', `text/html, application/*;q=0.5`, 'APPLICATION/JSON', 'json', '*']) {
      const { code, text } = await get(url, accept);
      assert.deepEqual([code, JSON.parse(text).message], [406, routed(types)], `${url} ${accept}`);
    }
    if (!url.endsWith('none'))
      for (const accept of ['text/html, */*;q=0.1', `${json};q=0`]) assert.equal((await get(url, accept)).code, 200);
  }
  await answers(path, { 'application/*': [200, json] });
});

test('what cannot be shown in the form that was asked for is done, and then refused', async () => {
  const [one, many] = ['', 'List'].map(as => `application/json;as=PartialObjectMetadata${as};v=v1;g=meta.k8s.io`);
  const asked = (method: string, url: string, accept: string, body?: object) =>
    on.api.send(method, url, body, { accept });
  const refused = await asked('DELETE', `${path}?labelSelector=none`, one!);
  assert.equal(
    refused.object.message,
    'you requested PartialObjectMetadata, but the requested object is a list (*unstructured.UnstructuredList)',
  );
  assert.equal((await asked('GET', `${path}/none`, many!)).code, 404);
  const found = await asked('GET', `${path}/one`, many!);
  assert.deepEqual([found.code, found.object.message, found.object.reason], [500, 'content is not a list', undefined]);
  const made = await asked('POST', `${path}?includeObject=Bad`, `${json};${table}`, widget(group, 'made'));
  assert.match(made.object.message, /^Unable to convert to Table as requested: includeObject: Invalid value: "Bad"/);
  await on.api.expect(200, 'DELETE', `${path}/made`);
  for (const url of [`${path}?includeObject=Bad`, `${path}?includeObject=Bad&watch=1`])
    assert.equal((await asked('GET', url, `${json};${table}`)).code, 400);
  assert.equal((await asked('GET', `${path}?labelSelector=none`, many!)).object.items, null);
});
