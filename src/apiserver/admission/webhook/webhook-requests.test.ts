// What webhooks are asked about requests of all kinds, as apiextensions-apiserver asks.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { startTestExtension, type TestExtension } from '../../extension/test-extension.ts';
import { applyPatch, type Caller, caller, type Json } from '../../test-caller.ts';
import { startTestServer, type TestServer } from '../../test-server.ts';

const base = '/apis/admissionregistration.k8s.io/v1/';
const maps = '/api/v1/namespaces/default/configmaps';
const sets = '/apis/apps/v1/namespaces/default/replicasets';
let server: TestServer;
let extension: TestExtension;
let api: Caller;
let asked: { readonly by: string; readonly request: Json }[] = [];

before(async () => {
  extension = await startTestExtension(({ url = '' }, response, body) => {
    const { request } = JSON.parse(body);
    asked.push({ by: url.split('?')[0]!.slice(1), request });
    const made = { uid: request.uid, allowed: true };
    response.end(JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response: made }));
  });
  server = await startTestServer();
  api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
  for (const kind of ['mutating', 'validating'])
    await api.expect(201, 'POST', `${base}${kind}webhookconfigurations`, {
      metadata: { name: 'all' },
      webhooks: [
        {
          name: `${kind}.example.com`,
          clientConfig: { url: `${extension.url}/${kind}`, caBundle: extension.caBundle },
          rules: [
            { operations: ['*'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] },
            { operations: ['*'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['replicasets/scale'] },
          ],
          ...{ sideEffects: 'None', admissionReviewVersions: ['v1'] },
        },
      ],
    });
});
beforeEach(() => {
  asked = [];
});
after(async () => {
  api.close();
  await server.stop();
  await extension.stop();
});

const seen = (read: (request: Json) => unknown) => asked.map(({ by, request }) => [by, read(request)]);

test('those who mutate are asked before the version of an update is looked at', async () => {
  await api.expect(201, 'POST', maps, { metadata: { name: 'stale' } });
  asked = [];
  const stale = { metadata: { name: 'stale', resourceVersion: '1' }, data: { a: 'b' } };
  assert.equal((await api.expect(409, 'PUT', `${maps}/stale`, stale)).reason, 'Conflict');
  assert.deepEqual(
    seen(r => r.operation),
    [['mutating', 'UPDATE']],
  );
});

test('who validates a scale sees what it makes of the object', async () => {
  const labels = { a: 'b' };
  await api.expect(201, 'POST', sets, {
    metadata: { name: 'scaled' },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  const wanted = { metadata: { name: 'scaled' }, spec: { replicas: 7 }, status: { replicas: 9 } };
  const { metadata } = await api.expect(200, 'PUT', `${sets}/scaled/scale`, wanted);
  assert.deepEqual(
    seen(({ object }) => [object.metadata.uid, object.spec.replicas, object.status]),
    [
      ['mutating', [undefined, 7, { replicas: 9 }]],
      ['validating', [metadata.uid, 7, { replicas: 0, selector: 'a=b' }]],
    ],
  );
});

test('a name that is made is known to those who validate', async () => {
  const { metadata } = await api.expect(201, 'POST', maps, { metadata: { generateName: 'made-' } });
  assert.deepEqual(
    seen(({ name, object }) => [name, object.metadata.name]),
    [
      ['mutating', [undefined, undefined]],
      ['validating', [metadata.name, metadata.name]],
    ],
  );
});

test('a deletion of many names none of them, and gives them as they were', async () => {
  const { metadata } = await api.expect(201, 'POST', maps, { metadata: { name: 'many', labels: { many: 'yes' } } });
  asked = [];
  const { items } = await api.expect(200, 'DELETE', `${maps}?labelSelector=many=yes`);
  assert.deepEqual(
    items.map((item: Json) => item.metadata),
    [metadata],
  );
  assert.deepEqual(
    seen(({ name, oldObject }) => [name, oldObject.metadata.name]),
    [
      ['mutating', [undefined, 'many']],
      ['validating', [undefined, 'many']],
    ],
  );
});

test('an apply is a create or an update, without force', async () => {
  const applied = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' } };
  for (const code of [201, 200])
    await api.expect(code, 'PATCH', `${maps}/applied?fieldManager=m&force=true`, applied, applyPatch);
  const options = (kind: string) => ({ kind, apiVersion: 'meta.k8s.io/v1', fieldManager: 'm' });
  assert.deepEqual(
    seen(r => r.options).filter(([by]) => by === 'mutating'),
    [
      ['mutating', options('CreateOptions')],
      ['mutating', options('UpdateOptions')],
    ],
  );
});
