// Subresources by every kind of patch, lists and watches by revision, selectors of fields, quotas of one write.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { builtinResources } from '../api/resource.ts';
import { applyPatch, type Caller, caller, type Json, jsonPatch, mergePatch, strategicPatch } from './test-caller.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let api: Caller;
before(async () => {
  server = await startTestServer();
  api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
  await api.expect(201, 'POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
});
after(async () => {
  api.close();
  await server.stop();
});

const pods = '/api/v1/namespaces/default/pods';
const deployments = '/apis/apps/v1/namespaces/default/deployments';
const container = (more: object = {}) => ({ name: 'c', image: 'i', ...more });
const makePod = (name: string, spec: object = {}) =>
  api.expect(201, 'POST', pods, {
    metadata: { name, labels: { app: name } },
    spec: { containers: [container()], ...spec },
  });

test('status takes each kind of patch, an apply with a manager and a subresource of its own', async () => {
  const spec = {
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [container()] } },
  };
  await api.expect(201, 'POST', deployments, { metadata: { name: 'd' }, spec });
  const status = `${deployments}/d/status`;
  const condition = (type: string) => ({
    type,
    status: 'True',
    reason: 'r',
    message: 'm',
    lastTransitionTime: '2026-01-01T00:00:00Z',
    lastUpdateTime: '2026-01-01T00:00:00Z',
  });
  const types = (o: Json) => o.status.conditions.map((c: Json) => c.type).sort();
  await api.expect(200, 'PATCH', status, { status: { conditions: [condition('A')] } }, mergePatch);
  const strategic = await api.expect(
    200,
    'PATCH',
    status,
    { status: { conditions: [condition('B')] } },
    strategicPatch,
  );
  assert.deepEqual(types(strategic), ['A', 'B']);
  const json = await api.expect(
    200,
    'PATCH',
    status,
    [{ op: 'add', path: '/status/conditions/-', value: condition('C') }],
    jsonPatch,
  );
  assert.deepEqual(types(json), ['A', 'B', 'C']);
  const config = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd' },
    status: { conditions: [condition('D')] },
  };
  const applied = await api.expect(200, 'PATCH', `${status}?fieldManager=m`, config, applyPatch);
  assert.deepEqual(types(applied), ['A', 'B', 'C', 'D']);
  const entry = applied.metadata.managedFields.find((f: Json) => f.manager === 'm');
  assert.deepEqual([entry.operation, entry.subresource], ['Apply', 'status']);
  assert.equal(applied.metadata.generation, 1);
  const scale = await api.expect(
    200,
    'PATCH',
    `${deployments}/d/scale`,
    [{ op: 'replace', path: '/spec/replicas', value: 5 }],
    jsonPatch,
  );
  assert.deepEqual([scale.kind, scale.spec.replicas], ['Scale', 5]);
  const main = await api.expect(
    200,
    'PATCH',
    `${deployments}/d`,
    { spec: { replicas: 2 }, status: { replicas: 9 } },
    mergePatch,
  );
  assert.deepEqual([main.spec.replicas, main.status.replicas], [2, undefined]);
});

test('ephemeral containers are added through their subresource only, and stay', async () => {
  await makePod('debugged');
  const ephemeral = { name: 'e', image: 'i', terminationMessagePolicy: 'File' };
  const at = `${pods}/debugged/ephemeralcontainers`;
  const added = await api.expect(200, 'PATCH', at, { spec: { ephemeralContainers: [ephemeral] } }, strategicPatch);
  assert.equal(added.spec.ephemeralContainers[0].name, 'e');
  const main = await api.expect(
    422,
    'PATCH',
    `${pods}/debugged`,
    { spec: { ephemeralContainers: [{ name: 'f', image: 'i' }] } },
    strategicPatch,
  );
  assert.match(main.message, /pod updates may not change fields other than/);
  const removed = await api.expect(
    422,
    'PATCH',
    at,
    [{ op: 'remove', path: '/spec/ephemeralContainers/0' }],
    jsonPatch,
  );
  assert.match(removed.message, /existing ephemeral containers "e" may not be removed/);
});

test('resize changes resources only, and counts a generation', async () => {
  await makePod('sized', {
    containers: [
      container({ resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '2', memory: '1Gi' } } }),
    ],
  });
  const resized = await api.expect(
    200,
    'PATCH',
    `${pods}/sized/resize`,
    { spec: { containers: [{ name: 'c', resources: { requests: { cpu: '500m' } } }] } },
    strategicPatch,
  );
  assert.deepEqual([resized.spec.containers[0].resources.requests.cpu, resized.metadata.generation], ['500m', 2]);
  const main = await api.expect(
    422,
    'PATCH',
    `${pods}/sized`,
    { spec: { containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }] } },
    strategicPatch,
  );
  assert.match(main.message, /pod updates may not change fields other than/);
  const class_ = await api.expect(
    422,
    'PATCH',
    `${pods}/sized/resize`,
    { spec: { containers: [{ name: 'c', resources: { requests: { cpu: '2' } } }] } },
    strategicPatch,
  );
  assert.match(class_.message, /Pod QOS Class may not change as a result of resizing/);
});

test('secrets and config maps that are immutable stay as they are', async () => {
  for (const [kind, data] of [
    ['configmaps', { k: 'v' }],
    ['secrets', { k: 'dg==' }],
  ] as const) {
    const path = `/api/v1/namespaces/default/${kind}`;
    await api.expect(201, 'POST', path, { metadata: { name: 'fixed' }, data, immutable: true });
    for (const body of [{ data: { k: 'dw==' } }, { immutable: false }]) {
      const refused = await api.expect(422, 'PATCH', `${path}/fixed`, body, mergePatch);
      assert.match(refused.message, /field is immutable when `immutable` is set/);
    }
    await api.expect(200, 'PATCH', `${path}/fixed`, { metadata: { labels: { a: 'b' } } }, mergePatch);
    await api.expect(200, 'DELETE', `${path}/fixed`);
  }
});

test('names are generated, and an update says which version it saw', async () => {
  const path = '/api/v1/namespaces/default/configmaps';
  const made = await api.expect(201, 'POST', path, { metadata: { generateName: 'g-' } });
  assert.match(made.metadata.name, /^g-[a-z0-9]{5}$/);
  const one = `${path}/${made.metadata.name}`;
  await api.expect(200, 'PUT', one, { ...made, data: { a: '1' } });
  assert.equal((await api.expect(409, 'PUT', one, { ...made, data: { a: '2' } })).reason, 'Conflict');
  const { resourceVersion: _, ...metadata } = made.metadata;
  await api.expect(200, 'PUT', one, { ...made, metadata, data: { a: '3' } });
  const gone = await api.expect(409, 'DELETE', one, { preconditions: { uid: 'other' } });
  assert.match(
    gone.message,
    /on ConfigMap "g-\w+": the UID in the precondition \(other\) does not match the UID in record/,
  );
  assert.equal((await api.expect(422, 'POST', path, {})).details.causes[0].field, 'metadata.name');
});

test('lists at, after and from a revision; watches from any', async () => {
  const path = '/api/v1/namespaces/default/endpoints';
  const one = await api.expect(201, 'POST', path, { metadata: { name: 'r1' } });
  const two = await api.expect(201, 'POST', path, { metadata: { name: 'r2' } });
  const names = (l: Json) => l.items.map((i: Json) => i.metadata.name);
  const at = one.metadata.resourceVersion;
  assert.deepEqual(names(await api.expect(200, 'GET', `${path}?resourceVersion=${at}&resourceVersionMatch=Exact`)), [
    'r1',
  ]);
  assert.deepEqual(
    names(await api.expect(200, 'GET', `${path}?resourceVersion=${at}&resourceVersionMatch=NotOlderThan`)),
    ['r1', 'r2'],
  );
  assert.deepEqual(names(await api.expect(200, 'GET', `${path}?resourceVersion=0`)), ['r1', 'r2']);
  await api.expect(422, 'GET', `${path}?resourceVersionMatch=Exact`);
  const far = await api.expect(504, 'GET', `${path}?resourceVersion=99999999`);
  assert.match(far.message, /^Timeout: Too large resource version: 99999999, current: \d+/);
  const watching = await api.watch(`${path}?watch=true&resourceVersion=${at}`);
  const { object } = await watching.next(e => e.type === 'ADDED');
  assert.equal(object.metadata.uid, two.metadata.uid);
  watching.stop();
  const listing = await api.watch(
    `${path}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan`,
  );
  const bookmark = await listing.next(e => e.type === 'BOOKMARK');
  assert.equal(bookmark.object.metadata.annotations['k8s.io/initial-events-end'], 'true');
  assert.deepEqual(
    listing.events.map(e => e.type),
    ['ADDED', 'ADDED', 'BOOKMARK'],
  );
  listing.stop();
});

test('every kind selects by the fields it says it does, and by no other', async () => {
  await makePod('selected', { nodeName: 'n1', restartPolicy: 'Never' });
  const found = async (selector: string) =>
    (await api.expect(200, 'GET', `${pods}?fieldSelector=${encodeURIComponent(selector)}`)).items.map(
      (i: Json) => i.metadata.name,
    );
  assert.deepEqual(await found('spec.nodeName=n1'), ['selected']);
  assert.deepEqual(await found('spec.restartPolicy=Never,metadata.namespace=default'), ['selected']);
  assert.ok(!(await found('spec.nodeName!=n1')).includes('selected'));
  const events = '/api/v1/namespaces/default/events';
  const involvedObject = { kind: 'Pod', name: 'selected', namespace: 'default' };
  for (const [name, who] of [
    ['told', { source: { component: 'me' } }],
    ['reported', { reportingComponent: 'me', reportingInstance: 'i' }],
  ] as const)
    await api.expect(201, 'POST', events, { metadata: { name }, involvedObject, reason: 'R', type: 'Normal', ...who });
  for (const [source, count] of [
    ['me', 2],
    ['you', 0],
  ] as const)
    assert.equal((await api.expect(200, 'GET', `${events}?fieldSelector=source%3D${source}`)).items.length, count);
  for (const r of builtinResources().resources) {
    if (!r.onByDefault || !r.verbs.includes('list') || !r.storagePrefix) continue;
    const base = `${r.group ? `/apis/${r.group}` : '/api'}/${r.version}/${r.resource}`;
    for (const field of r.fieldSelectors.keys()) await api.expect(200, 'GET', `${base}?fieldSelector=${field}%3Dnone`);
    const refused = await api.expect(400, 'GET', `${base}?fieldSelector=spec.nonsense%3Dx`);
    assert.match(refused.message, /spec\.nonsense|field label not supported/);
  }
});
