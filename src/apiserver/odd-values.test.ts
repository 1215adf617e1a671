// Stored values that are no objects: recorded from k8s.io/apiextensions-apiserver and k8s.io/sample-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { memoryStore } from '../store/memory-store.ts';
import { definition, establish, widget, widgets } from './custom/test-definition.ts';
import { superuserOf } from './test-api.ts';
import { type Caller, type Json, mergePatch } from './test-caller.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const group = 'stored.example.com';
const maps = '/api/v1/namespaces/default/configmaps';
const store = memoryStore({ clock: systemClock });
let server: TestServer;
let api: Caller;
before(async () => {
  server = await startTestServer({ store });
  api = superuserOf(server);
  await establish(api, definition(group));
});
after(async () => {
  api.close();
  await server.stop();
});

async function unread(path: string, prefix: string, object: (name: string) => Json, cases: Record<string, string>) {
  await api.expect(201, 'POST', path, object('sound'));
  for (const [text, why] of Object.entries(cases)) {
    const key = `${prefix}default/bad`;
    const revision = await store.create(key, () => Buffer.from(text));
    const refused = async (method: string, url: string, body?: Json, headers = {}) => {
      const { object: status } = await api.send(method, url, body, headers);
      assert.deepEqual([status.code, status.reason, status.message], [500, undefined, why], `${method} ${url} ${text}`);
    };
    for (const url of [`${path}/bad`, path, `${path}?limit=5`, path.replace('/namespaces/default', '')])
      await refused('GET', url);
    await refused('PUT', `${path}/bad`, object('bad'));
    await refused('PATCH', `${path}/bad`, {}, mergePatch);
    for (const url of [`${path}/bad`, path]) await refused('DELETE', url);
    // It is there, for all that.
    const made = await api.expect(409, 'POST', path, object('bad'));
    assert.equal(made.reason, 'AlreadyExists');
    // What else there is can be read, and changed.
    await api.expect(200, 'GET', `${path}/sound`);
    await api.expect(200, 'PATCH', `${path}/sound`, { metadata: { labels: { a: String(revision) } } }, mergePatch);
    await api.expect(200, 'GET', path.replace('default', 'kube-system'));
    await store.delete(key, revision);
    await api.expect(404, 'GET', `${path}/bad`);
    assert.equal((await api.expect(200, 'GET', path)).items.filter((o: Json) => o.metadata.name === 'bad').length, 0);
  }
}

test('of custom resources', () =>
  unread(widgets(group), `/registry/${group}/widgets/`, name => widget(group, name), {
    garbage: "invalid character 'g' looking for beginning of value",
    '{"kind":"Widget"': 'unexpected end of JSON input',
    '{"metadata":{"name":"bad"}}': 'Object \'Kind\' is missing in \'{"metadata":{"name":"bad"}}\'',
  }));

test('of built-in kinds', () =>
  unread(maps, '/registry/configmaps/', name => ({ metadata: { name } }), {
    '{"kind":"ConfigMap"': "couldn't get version/kind; json parse error: unexpected end of JSON input",
  }));
