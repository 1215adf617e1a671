// Answers byte for byte: recorded from k8s.io/apiextensions-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { request } from 'node:https';
import { test } from 'node:test';
import { definition, establish, widget, widgets } from './custom/test-definition.ts';
import { fileServer } from './test-file-server.ts';

const group = 'bytes.example.com';
const path = widgets(group);
const maps = '/api/v1/namespaces/default/configmaps';
const on = fileServer(async api => {
  await establish(api, definition(group));
  await api.expect(201, 'POST', path, widget(group, 'one', { spec: { a: '<b>&\u2028' } }));
  await api.expect(201, 'POST', path, widget(group, 'two'));
  await api.expect(201, 'POST', maps, { metadata: { name: 'm' }, data: { k: '<&>' } });
});

interface Sent {
  readonly text: string;
  readonly auditId: unknown;
}

function send(method: string, url: string, headers: Record<string, string> = {}, body?: string): Promise<Sent> {
  const { ca, admin } = on.server;
  const options = { method, ca, cert: admin.certificatePem, key: admin.keyPem, headers };
  return new Promise((resolve, reject) => {
    const sent = request(`${on.server.url}${url}`, options, async message => {
      let text = '';
      for await (const chunk of message.setEncoding('utf8')) text += chunk;
      resolve({ text, auditId: message.headers['audit-id'] });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const blurred = (text: string) =>
  text
    .replace(/"\d{4}-\d\d-\d\dT[^"]*"/g, '"TIME"')
    .replace(/"managedFields":\[.*?"TIME"\}\],/g, '')
    .replace(/("resourceVersion": ?)"\d+"/g, '$1"RV"')
    .replace(/"[0-9a-f]{8}-[0-9a-f-]{27}"/g, '"UID"')
    .replace(/("continue": ?)"[^"]+"/g, '$1"MORE"');

const meta = (name: string) =>
  `"metadata":{"creationTimestamp":"TIME","generation":1,"name":"${name}","namespace":"default","resourceVersion":"RV","uid":"UID"}`;
const typed = `"apiVersion":"${group}/v1","kind":"Widget"`;
const one = `{${typed},${meta('one')},"spec":{"a":"\\u003cb\\u003e\\u0026\\u2028"}}`;
const two = `{${typed},${meta('two')}}`;

test('an object ends with a newline, and has no markup in it', async () => {
  assert.equal(blurred((await send('GET', `${path}/one`)).text), `${one}\n`);
  const map = blurred((await send('GET', `${maps}/m`)).text);
  assert.ok(
    map.startsWith('{"kind":"ConfigMap","apiVersion":"v1",') && map.endsWith('"k":"\\u003c\\u0026\\u003e"}}\n'),
  );
  const put = await send('PUT', `${maps}/m`, { 'content-type': 'application/json' }, '{"metadata":{"name":"m"}}');
  assert.match(put.text, /\}\n$/);
});

test('a list of custom resources is a map', async () => {
  const list = (items: string, metadata: string) =>
    `{"apiVersion":"${group}/v1","items":[${items}],"kind":"WidgetList","metadata":{${metadata}}}\n`;
  const all = list(`${one},${two}`, '"continue":"","resourceVersion":"RV"');
  assert.equal(blurred((await send('GET', path)).text), all);
  const first = list(one, '"continue":"MORE","remainingItemCount":1,"resourceVersion":"RV"');
  assert.equal(blurred((await send('GET', `${path}?limit=1`)).text), first);
  const packed = await on.api.send('GET', path, undefined, { 'accept-encoding': 'gzip' });
  assert.equal(packed.object.kind, 'WidgetList');
});

test('for people JSON is indented and ends without a newline', async () => {
  for (const [url, agent] of [
    [`${path}/two`, 'curl/8'],
    [`${path}/two?pretty=1`, 'x'],
    [`${path}/two?pretty=true`, 'kubectl/v1.36.2'],
  ] as const) {
    const { text } = await send('GET', url, { 'user-agent': agent });
    assert.equal(blurred(text), JSON.stringify(JSON.parse(two), undefined, 2), url);
  }
  assert.match((await send('GET', `${path}/x?pretty=1`)).text, /\n {2}"code": 404\n\}$/);
});

test('the metadata of a custom resource by itself is in the order of its type', async () => {
  const accept = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
  const { text } = await send('GET', `${path}/two`, { accept });
  const metadata = '"name":"two","namespace":"default","uid":"UID","resourceVersion":"RV"';
  assert.equal(
    blurred(text),
    `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{${metadata},"generation":1,"creationTimestamp":"TIME"}}\n`,
  );
});

test('every answer names its request, as the client does', async () => {
  for (const url of [path, `${path}/one`, '/foo', '/healthz', '/version', '/apis'])
    assert.match(String((await send('GET', url)).auditId), /^[0-9a-f]{8}-[0-9a-f-]{27}$/, url);
  assert.equal((await send('GET', path, { 'audit-id': 'mine' })).auditId, 'mine');
  assert.notEqual((await send('GET', path, { 'audit-id': 'x'.repeat(65) })).auditId, 'x'.repeat(65));
});
