// How clients write: create, update, patch, apply, delete.
import assert from 'node:assert/strict';
import { appsV1, coreV1 } from '../api/refs.ts';
import { isAlreadyExists, isConflict, isInvalid, isNotFound } from '../api/status.ts';
import type { Deployment } from '../api/type/apps-v1.ts';
import type { ConfigMap } from '../api/type/core-v1.ts';
import type { ClientCheck } from './test-client.ts';

const { configmaps } = coreV1;
const { deployments } = appsV1;

export function writes(check: ClientCheck): void {
  check('creates and gets', async ({ client, configMap, namespace }) => {
    const made = await configMap(namespace, 'a');
    assert.equal(made.kind, 'ConfigMap');
    assert.equal(made.apiVersion, 'v1');
    assert.match(made.metadata.uid, /^[0-9a-f-]{36}$/);
    assert.match(made.metadata.resourceVersion, /^[1-9]\d*$/);
    assert.match(made.metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const got = await client.get(configmaps, { namespace, name: 'a' });
    assert.deepEqual(got.metadata, made.metadata);
    assert.deepEqual(got.data, { a: '1' });
    await assert.rejects(configMap(namespace, 'a'), (e: unknown) => {
      assert.ok(isAlreadyExists(e));
      assert.equal(e.code, 409);
      assert.equal(e.message, 'configmaps "a" already exists');
      return true;
    });
  });

  check('generates names', async ({ client, namespace }) => {
    const draft = { metadata: { namespace, generateName: 'gen-' } };
    const [a, b] = await Promise.all([client.create(configmaps, draft), client.create(configmaps, draft)]);
    assert.match(a.metadata.name, /^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    assert.notEqual(a.metadata.name, b.metadata.name);
  });

  check('updates with optimistic locking', async ({ client, configMap, namespace }) => {
    const first = await configMap(namespace, 'a');
    const second = await client.update<ConfigMap>(configmaps, { ...first, data: { a: '2' } } as object);
    assert.notEqual(second.metadata.resourceVersion, first.metadata.resourceVersion);
    await assert.rejects(client.update(configmaps, { ...first, data: { a: '3' } } as object), (e: unknown) => {
      assert.ok(isConflict(e));
      assert.equal(
        e.message,
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
      );
      return true;
    });
    const same = await client.update<ConfigMap>(configmaps, second as object);
    assert.equal(same.metadata.resourceVersion, second.metadata.resourceVersion, 'no change, no new version');
    await assert.rejects(
      client.update(configmaps, { metadata: { namespace, name: 'no', resourceVersion: '1' } }),
      isNotFound,
    );
  });

  check('keeps spec and status apart', async ({ client, namespace }) => {
    const made = await client.create<Deployment>(deployments, deployment(namespace));
    assert.equal(made.metadata.generation, 1);
    const withStatus = { ...made, spec: { ...made.spec, replicas: 7 }, status: { ...made.status, replicas: 3 } };
    const status = await client.updateStatus<Deployment>(deployments, withStatus as object);
    assert.equal(status.status?.replicas, 3);
    assert.equal(status.spec?.replicas, 1);
    assert.equal(status.metadata.generation, 1);
    const changed = { ...status, spec: { ...status.spec, replicas: 2 }, status: { replicas: 9 } };
    const spec = await client.update<Deployment>(deployments, changed as object);
    assert.equal(spec.spec?.replicas, 2);
    assert.equal(spec.status?.replicas, 3);
    assert.equal(spec.metadata.generation, 2);
    const patched = await client.patch<Deployment>(
      deployments,
      { namespace, name: 'web' },
      { type: 'merge', body: { spec: { replicas: 5 }, status: { readyReplicas: 1 } } },
      { subresource: 'status' },
    );
    assert.equal(patched.spec?.replicas, 2);
    assert.equal(patched.status?.readyReplicas, 1);
    const scale = await client.getSubresource<any>(deployments, { namespace, name: 'web' }, 'scale');
    assert.equal(scale.kind, 'Scale');
    assert.equal(scale.spec.replicas, 2);
    const scaled = { ...scale, spec: { replicas: 4 } };
    await client.updateSubresource(deployments, { namespace, name: 'web' }, 'scale', scaled);
    assert.equal((await client.get<Deployment>(deployments, { namespace, name: 'web' })).spec?.replicas, 4);
  });

  check('patches', async ({ client, configMap, namespace }) => {
    await configMap(namespace, 'a', { labels: { keep: 'yes', drop: 'yes' } });
    const key = { namespace, name: 'a' };
    const merged = await client.patch<ConfigMap>(configmaps, key, {
      type: 'merge',
      body: { metadata: { labels: { drop: null, more: 'yes' } } },
    });
    assert.deepEqual(merged.metadata.labels, { keep: 'yes', more: 'yes' });
    const json = await client.patch<ConfigMap>(configmaps, key, {
      type: 'json',
      body: [
        { op: 'test', path: '/data/a', value: '1' },
        { op: 'add', path: '/data/b', value: '2' },
        { op: 'remove', path: '/metadata/labels/more' },
      ],
    });
    assert.deepEqual(json.data, { a: '1', b: '2' });
    assert.deepEqual(json.metadata.labels, { keep: 'yes' });
    const owner = { apiVersion: 'v1', kind: 'Namespace', name: namespace, uid: 'u1' };
    const strategic = await client.patch<ConfigMap>(configmaps, key, {
      type: 'strategic',
      body: { metadata: { ownerReferences: [owner, { ...owner, uid: 'u2' }] } },
    });
    assert.deepEqual(
      strategic.metadata.ownerReferences?.map(o => o.uid),
      ['u1', 'u2'],
    );
    const released = await client.patch<ConfigMap>(configmaps, key, {
      type: 'strategic',
      body: { metadata: { uid: json.metadata.uid, ownerReferences: [{ $patch: 'delete', uid: 'u1' }] } },
    });
    assert.deepEqual(
      released.metadata.ownerReferences?.map(o => o.uid),
      ['u2'],
    );
    const stale = { metadata: { resourceVersion: json.metadata.resourceVersion }, data: { c: '3' } };
    await assert.rejects(client.patch(configmaps, key, { type: 'merge', body: stale }), isConflict);
    const wrong = { metadata: { uid: 'another' }, data: { c: '3' } };
    await assert.rejects(
      client.patch(configmaps, key, { type: 'merge', body: wrong }),
      e => isConflict(e) || isInvalid(e),
    );
    await assert.rejects(client.patch(configmaps, { namespace, name: 'no' }, { type: 'merge', body: {} }), isNotFound);
  });

  check('applies', async ({ client, namespace }) => {
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name: 'a' }, data: { a: '1' } };
    const options = { fieldManager: 'conformance' };
    const made = await client.patch(configmaps, { namespace, name: 'a' }, { type: 'apply', body }, options);
    const again = await client.patch<ConfigMap>(
      configmaps,
      { namespace, name: 'a' },
      { type: 'apply', body: { ...body, data: { a: '2' } }, force: true },
      options,
    );
    assert.equal(again.metadata.uid, made.metadata.uid);
    assert.deepEqual(again.data, { a: '2' });
  });

  check('deletes with preconditions and finalizers', async ({ client, configMap, namespace }) => {
    const made = await configMap(namespace, 'a', { finalizers: ['example.com/hold'] });
    const key = { namespace, name: 'a' };
    await assert.rejects(client.delete(configmaps, key, { preconditions: { uid: 'another' } }), isConflict);
    await client.delete(configmaps, key, { preconditions: { uid: made.metadata.uid } });
    const held = await client.get(configmaps, key);
    assert.ok(held.metadata.deletionTimestamp);
    await client.patch(configmaps, key, { type: 'merge', body: { metadata: { finalizers: null } } });
    await assert.rejects(client.get(configmaps, key), isNotFound);
    await configMap(namespace, 'b', { labels: { gone: 'yes' } });
    await configMap(namespace, 'c', { labels: { gone: 'yes' } });
    await configMap(namespace, 'd');
    await client.deleteCollection(configmaps, { namespace, labelSelector: 'gone=yes' });
    const left = (await client.list(configmaps, { namespace })).items.map(i => i.metadata.name);
    assert.deepEqual(
      left.filter(n => n !== 'kube-root-ca.crt'),
      ['d'],
    );
  });

  check('writes nothing on a dry run', async ({ client, namespace }) => {
    const draft = { metadata: { namespace, name: 'a' } };
    const made = await client.create(configmaps, draft, { dryRun: true });
    assert.ok(made.metadata.uid);
    await assert.rejects(client.get(configmaps, { namespace, name: 'a' }), isNotFound);
  });

  check('acts as another user agent over the same connection', async ({ client, namespace }) => {
    const other = client.as({ userAgent: 'conformance-other' });
    const draft = { metadata: { namespace, name: 'a' }, data: { a: '1' } };
    const made = await other.create<ConfigMap>(configmaps, draft);
    assert.equal(made.metadata.name, 'a');
    const manager = made.metadata.managedFields?.[0]?.manager;
    assert.ok(manager === undefined || manager === 'conformance-other', `managed by ${manager}`);
  });
}

function deployment(namespace: string): object {
  const labels = { app: 'web' };
  return {
    metadata: { namespace, name: 'web' },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'example.com/c:1' }] } },
    },
  };
}
