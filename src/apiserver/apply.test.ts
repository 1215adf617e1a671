import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cloneDeep, type KubeObject, type Mutable } from '../api/meta.ts';
import { appsV1, coreV1 } from '../api/refs.ts';
import { StatusError } from '../api/status.ts';
import type { Deployment } from '../api/type/apps-v1.ts';
import type { ConfigMap, PersistentVolume } from '../api/type/core-v1.ts';
import type { Client } from '../client/client.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let client: Client;

before(async () => {
  server = await startTestServer();
  client = server.server.client({ userAgent: 'test' });
});
after(() => server.stop());

const namespace = 'default';
const volumes = coreV1.persistentvolumes;

function apply<T extends KubeObject = ConfigMap>(
  name: string,
  fieldManager: string,
  body: Record<string, unknown>,
  options: { force?: boolean; ref?: unknown } = {},
): Promise<T> {
  const ref = (options.ref ?? coreV1.configmaps) as typeof coreV1.configmaps;
  const apiVersion = ref.group ? `${ref.group}/${ref.version}` : ref.version;
  return client.patch(
    ref,
    { namespace, name },
    {
      type: 'apply',
      body: { apiVersion, kind: ref.kind, metadata: { name }, ...body },
      ...(options.force ? { force: true } : {}),
    },
    { fieldManager },
  ) as unknown as Promise<T>;
}

const owners = (object: KubeObject) =>
  Object.fromEntries((object.metadata.managedFields ?? []).map(e => [`${e.manager}/${e.operation}`, e.fieldsV1]));

async function failure(promise: Promise<unknown>): Promise<StatusError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error));
    return error;
  }
  assert.fail('expected an error');
}

test('creates, changes and removes what an applier no longer states', async () => {
  const made = await apply('a', 'one', { data: { a: '1', b: '2' } });
  assert.deepEqual(owners(made), { 'one/Apply': { 'f:data': { 'f:a': {}, 'f:b': {} } } });
  const next = await apply('a', 'one', { data: { a: '3' } });
  assert.deepEqual(next.data, { a: '3' });
  const same = await apply('a', 'one', { data: { a: '3' } });
  assert.equal(same.metadata.resourceVersion, next.metadata.resourceVersion);
});

test('names the manager and the field of a conflict; force takes the field over', async () => {
  await apply('b', 'one', { data: { a: '1', b: '1' } });
  const error = await failure(apply('b', 'two', { data: { a: '2' } }));
  assert.equal(error.status.code, 409);
  assert.equal(error.message, 'Apply failed with 1 conflict: conflict with "one": .data.a');
  assert.deepEqual(error.status.details?.causes, [
    { reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.a' },
  ]);
  const both = await failure(apply('b', 'two', { data: { a: '2', b: '2' } }));
  assert.equal(both.message, 'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b');
  const forced = await apply('b', 'two', { data: { a: '2' } }, { force: true });
  assert.deepEqual(forced.data, { a: '2', b: '1' });
  assert.deepEqual(owners(forced), {
    'one/Apply': { 'f:data': { 'f:b': {} } },
    'two/Apply': { 'f:data': { 'f:a': {} } },
  });
});

test('a zero value that the kind leaves out contests a field like any other', async () => {
  const body = (paused: boolean) => ({
    spec: {
      paused,
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'c:1' }] } },
    },
  });
  const ref = appsV1.deployments;
  await apply<Deployment>('zero', 'one', body(true), { ref });
  const error = await failure(apply('zero', 'two', body(false), { ref }));
  assert.equal(error.message, 'Apply failed with 1 conflict: conflict with "one": .spec.paused');
  const forced = await apply<Deployment>('zero', 'two', body(false), { ref, force: true });
  assert.equal(forced.spec.paused, undefined);
});

test('an update that names no resourceVersion is one of the newest', async () => {
  const name = 'unconditional';
  await client.create(coreV1.configmaps, { metadata: { namespace, name }, data: { a: '1' } });
  const now = await client.update(coreV1.configmaps, { metadata: { namespace, name }, data: { a: '2' } });
  assert.deepEqual(now.data, { a: '2' });
});

test('two appliers of one value share it; it goes with the last of them', async () => {
  await apply('c', 'one', { data: { a: '1' } });
  await apply('c', 'two', { data: { a: '1', b: '1' } });
  const left = await apply('c', 'one', { data: {} });
  assert.deepEqual(left.data, { a: '1', b: '1' });
  const gone = await apply('c', 'two', { data: { b: '1' } });
  assert.deepEqual(gone.data, { b: '1' });
});

test('who no longer states any metadata takes away what they had stated, not the name', async () => {
  const metadata = { name: 'm', annotations: { why: 'test' } };
  await apply('m', 'one', { metadata, data: { a: '1' } });
  const left = await apply('m', 'one', { data: { a: '1' } });
  assert.equal(left.metadata.name, 'm');
  assert.equal(left.metadata.annotations, undefined);
});

test('the reference of a volume to its claim is shared field by field', async () => {
  const spec = { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' } };
  const claimRef = { namespace, name: 'claim' };
  const made = await apply<PersistentVolume>('v', 'one', { spec: { ...spec, claimRef } }, { ref: volumes });
  const bound = cloneDeep(made) as Mutable<PersistentVolume>;
  bound.spec.claimRef = { ...claimRef, uid: 'u' };
  await client.update(volumes, bound, { fieldManager: 'binder' });
  const again = await apply<PersistentVolume>('v', 'one', { spec: { ...spec, claimRef } }, { ref: volumes });
  assert.deepEqual({ ...again.spec.claimRef }, { ...claimRef, uid: 'u' });
});

test('an update takes fields over, and an applier meets it with the version it used', async () => {
  const made = await apply('d', 'one', { data: { a: '1' } });
  await client.update(coreV1.configmaps, { ...cloneDeep(made), data: { a: '2' } }, { fieldManager: 'editor' });
  const error = await failure(apply('d', 'one', { data: { a: '3' } }));
  assert.equal(error.message, 'Apply failed with 1 conflict: conflict with "editor" using v1: .data.a');
});

const template = (containers: readonly object[]) => ({
  metadata: { labels: { app: 'x' } },
  spec: { containers },
});

test('merges lists by their keys and keeps what defaults and others added', async () => {
  const ref = appsV1.deployments;
  const selector = { matchLabels: { app: 'x' } };
  const ports = [{ containerPort: 80 }];
  await apply('web', 'one', { spec: { selector, template: template([{ name: 'a', image: 'a:1', ports }]) } }, { ref });
  const two = await apply<Deployment>(
    'web',
    'two',
    { spec: { replicas: 3, template: { spec: { containers: [{ name: 'side', image: 's:1' }] } } } },
    { ref },
  );
  assert.deepEqual(
    two.spec.template.spec?.containers.map(c => c.name),
    ['a', 'side'],
  );
  const one = await apply<Deployment>(
    'web',
    'one',
    { spec: { selector, template: template([{ name: 'b', image: 'b:1' }]) } },
    { ref },
  );
  assert.deepEqual(
    one.spec.template.spec?.containers.map(c => [c.name, c.imagePullPolicy]),
    [
      ['side', 'IfNotPresent'],
      ['b', 'IfNotPresent'],
    ],
  );
  assert.equal(one.spec.replicas, 3);
});

test('what is left to defaults inside a map that is taken as a whole is no change', async () => {
  const fieldRef = { fieldPath: 'metadata.name' };
  const env = [{ name: 'A', valueFrom: { fieldRef } }];
  const volumes = [{ name: 'v', downwardAPI: { items: [{ path: 'p', fieldRef }] } }];
  const spec = {
    selector: { matchLabels: { app: 'a' } },
    template: {
      metadata: { labels: { app: 'a' } },
      spec: { containers: [{ name: 'main', image: 'a', env }], volumes },
    },
  };
  const one = await apply<Deployment>('whole', 'x', { spec }, { ref: appsV1.deployments });
  assert.equal(one.metadata.generation, 1);
  const two = await apply<Deployment>('whole', 'x', { spec }, { ref: appsV1.deployments });
  const { generation, resourceVersion } = two.metadata;
  assert.deepEqual({ generation, resourceVersion }, { generation: 1, resourceVersion: one.metadata.resourceVersion });
  const { name, labels } = one.metadata;
  const sent = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace, labels }, spec: one.spec };
  const draft = cloneDeep(sent) as Mutable<Deployment>;
  draft.spec!.template.spec!.containers[0]!.env = env as never;
  assert.equal((await client.update(appsV1.deployments, draft)).metadata.generation, 1);
});

test('refuses what does not fit the schema', async () => {
  const ref = appsV1.deployments;
  const unknown = await failure(apply('bad', 'one', { spec: { nonsense: 1 } }, { ref }));
  assert.equal(
    unknown.message,
    'failed to create typed patch object (/bad; apps/v1, Kind=Deployment): .spec.nonsense: field not declared in schema',
  );
  const twice = [
    { name: 'a', image: 'x' },
    { name: 'a', image: 'y' },
  ];
  const duplicate = await failure(apply('bad', 'one', { spec: { template: template(twice) } }, { ref }));
  assert.match(duplicate.message, /\.spec\.template\.spec\.containers: duplicate entries for key \[name="a"\]$/);
  const managed = await failure(apply('bad', 'one', { metadata: { managedFields: [{}] } }));
  assert.equal(managed.message, 'metadata.managedFields must be nil');
});

test('what admission fills in belongs to nobody', async () => {
  await client.create(coreV1.serviceaccounts, { metadata: { name: 'default', namespace } });
  const pod = await client.create(
    coreV1.pods,
    { metadata: { name: 'p', namespace }, spec: { containers: [{ name: 'a', image: 'x' }] } },
    { fieldManager: 'creator' },
  );
  assert.ok(pod.spec.tolerations?.length);
  const fields = JSON.stringify(owners(pod)['creator/Update']);
  assert.doesNotMatch(fields, /f:tolerations|kube-api-access|f:priority/);
  assert.match(fields, /f:containers/);
});
