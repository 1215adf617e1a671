// What an APIService may say, as kube-aggregator answers.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Caller, caller, mergePatch } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

const services = '/apis/apiregistration.k8s.io/v1/apiservices';
const spec = { group: 'x.example', version: 'v1', groupPriorityMinimum: 100, versionPriority: 10 };
const remote = { ...spec, service: { namespace: 'a', name: 'b' } };

let server: TestServer;
let api: Caller;
before(async () => {
  server = await startTestServer();
  api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
});
after(async () => {
  api.close();
  await server.stop();
});

const refusal = async (metadata: object) => {
  const { message } = await api.expect(422, 'POST', services, { metadata, spec });
  return message.slice(message.indexOf('is invalid: ') + 'is invalid: '.length);
};
const own = 'must be `spec.version+"."+spec.group`: "v1.x.example"';

test('its name is that of its version, if it can be a name at all', async () => {
  assert.equal(await refusal({ name: 'v1.y' }), `metadata.name: Invalid value: "v1.y": ${own}`);
  assert.equal(await refusal({}), 'metadata.name: Required value: name or generateName is required');
  assert.equal(await refusal({ name: 'v1/x' }), `metadata.name: Invalid value: "v1/x": may not contain '/'`);
  assert.equal(await refusal({ name: '..' }), `metadata.name: Invalid value: "..": may not be '..'`);
  const started = (await refusal({ generateName: 'v1.' })).replaceAll(/"v1\..{5}"/g, '"v1.RANDOM"');
  assert.equal(
    started,
    `[metadata.generateName: Invalid value: "v1.": ${own}, metadata.name: Invalid value: "v1.RANDOM": ${own}]`,
  );
});

test('a write of its status changes nothing else, and names the states there are', async () => {
  await api.expect(201, 'POST', services, { metadata: { name: 'v1.x.example', labels: { a: 'b' } }, spec: remote });
  const at = `${services}/v1.x.example/status`;
  const metadata = { labels: { c: 'd' }, annotations: { e: 'f' }, finalizers: ['x.example/y'] };
  const { metadata: now } = await api.expect(200, 'PATCH', at, { metadata }, mergePatch);
  assert.deepEqual([now.labels, now.annotations, now.finalizers], [{ a: 'b' }, undefined, undefined]);
  const status = { conditions: [{ type: 'A', status: 'Nope' }] };
  assert.match(
    (await api.expect(422, 'PATCH', at, { status }, mergePatch)).message,
    /Unsupported value: "Nope": supported values: "True", "False", "Unknown"$/,
  );
  await api.expect(200, 'DELETE', `${services}/v1.x.example`);
});
