import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rbacV1, resourceV1 } from '../api/refs.ts';
import { isForbidden, isInvalid } from '../api/status.ts';
import { type Caller, caller, mergePatch } from './test-caller.ts';
import { startTestServer } from './test-server.ts';

test('claims and slices in v1beta1, v1beta2 and v1 are one', async () => {
  const server = await startTestServer({
    runtimeConfig: { 'resource.k8s.io/v1beta1': true, 'resource.k8s.io/v1beta2': true },
  });
  const api: Caller = caller({
    url: server.url,
    ca: server.ca,
    cert: server.admin.certificatePem,
    key: server.admin.keyPem,
  });
  const group = '/apis/resource.k8s.io';
  const claims = (version: string) => `${group}/${version}/namespaces/default/resourceclaims`;
  try {
    const firstAvailable = [{ name: 's', deviceClassName: 'small' }];
    const made = await api.expect(201, 'POST', claims('v1beta1'), {
      apiVersion: 'resource.k8s.io/v1beta1',
      kind: 'ResourceClaim',
      metadata: { name: 'c' },
      spec: {
        devices: {
          requests: [
            { name: 'r', deviceClassName: 'gpu' },
            { name: 'f', firstAvailable },
          ],
        },
      },
    });
    const asked = { deviceClassName: 'gpu', allocationMode: 'ExactCount', count: 1 };
    assert.deepEqual(made.spec.devices.requests[0], { name: 'r', ...asked });
    const alternatives = [{ name: 's', deviceClassName: 'small', allocationMode: 'ExactCount', count: 1 }];
    for (const version of ['v1', 'v1beta2']) {
      const { spec, apiVersion } = await api.expect(200, 'GET', `${claims(version)}/c`);
      assert.equal(apiVersion, `resource.k8s.io/${version}`);
      assert.deepEqual(spec.devices.requests, [
        { name: 'r', exactly: asked },
        { name: 'f', firstAvailable: alternatives },
      ]);
    }
    await api.expect(200, 'PATCH', `${claims('v1beta1')}/c`, { metadata: { labels: { a: 'b' } } }, mergePatch);
    const changed = { spec: { devices: { requests: [{ name: 'r', deviceClassName: 'other' }] } } };
    const refused = await api.expect(422, 'PATCH', `${claims('v1beta1')}/c`, changed, mergePatch);
    assert.match(refused.message, /field is immutable/);
    const result = { request: 'r', driver: 'd.example.com', pool: 'p', device: 'x' };
    const status = {
      allocation: { devices: { results: [result] } },
      reservedFor: [{ resource: 'pods', name: 'p', uid: 'u' }],
    };
    await api.expect(200, 'PATCH', `${claims('v1beta2')}/c/status`, { status }, mergePatch);
    assert.deepEqual((await api.expect(200, 'GET', `${claims('v1')}/c`)).status, status);

    const device = { attributes: { model: { string: 'a' } }, capacity: { memory: { value: '1Gi' } } };
    const spec = { driver: 'd.example.com', nodeName: 'n', pool: { name: 'p', generation: 1, resourceSliceCount: 1 } };
    await api.expect(201, 'POST', `${group}/v1beta1/resourceslices`, {
      apiVersion: 'resource.k8s.io/v1beta1',
      kind: 'ResourceSlice',
      metadata: { name: 's' },
      spec: { ...spec, devices: [{ name: 'x', basic: device }] },
    });
    const slice = await api.expect(200, 'GET', `${group}/v1/resourceslices/s`);
    assert.deepEqual(slice.spec.devices, [{ name: 'x', ...device }]);
    const table = await api.expect(200, 'GET', `${group}/v1beta1/resourceslices?fieldSelector=spec.nodeName%3Dn`);
    assert.deepEqual(table.items[0].spec.devices, [{ name: 'x', basic: device }]);
    assert.equal(
      (await api.expect(200, 'GET', `${group}/v1/resourceslices?fieldSelector=spec.driver%3Dz`)).items.length,
      0,
    );
  } finally {
    api.close();
    await server.stop();
  }
});

test("parts of a claim's status are for those who may write them, admin access for marked namespaces", async () => {
  const server = await startTestServer();
  const root = await server.http();
  const user = await server.http({ name: 'driver' });
  try {
    const rules = (...rules: object[]) => rules as any;
    const granted = {
      apiGroups: ['resource.k8s.io'],
      verbs: ['get', 'update', 'patch'],
      resources: ['resourceclaims/status'],
    };
    const metadata = { name: 'driver' };
    await root.create(rbacV1.clusterroles, { metadata, rules: rules(granted) });
    await root.create(rbacV1.clusterrolebindings, {
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'driver' },
      subjects: [{ kind: 'User', name: 'driver', apiGroup: 'rbac.authorization.k8s.io' }],
    });
    const key = { namespace: 'default', name: 'c' };
    const exactly = { deviceClassName: 'gpu' };
    await root.create(resourceV1.resourceclaims, {
      metadata: key,
      spec: { devices: { requests: [{ name: 'r', exactly }] } },
    });
    const write = (client: typeof root, status: object) =>
      client.patch(resourceV1.resourceclaims, key, { type: 'merge', body: { status } }, { subresource: 'status' });
    const id = { driver: 'd.example.com', pool: 'p', device: 'x' };
    const allocation = { devices: { results: [{ request: 'r', ...id }] } };
    await assert.rejects(write(user, { allocation }), isForbidden);
    await write(root, { allocation });
    await assert.rejects(write(user, { devices: [id] }), isForbidden);
    const driver = {
      ...granted,
      verbs: ['arbitrary-node:patch'],
      resources: ['resourceclaims/driver'],
      resourceNames: [id.driver],
    };
    await root.update(rbacV1.clusterroles, { metadata, rules: rules(granted, driver) });
    assert.equal((await write(user, { devices: [id] })).status.devices?.[0]?.device, 'x');
    const binding = { ...granted, resources: ['resourceclaims/binding'] };
    await root.update(rbacV1.clusterroles, { metadata, rules: rules(granted, binding) });
    assert.deepEqual((await write(user, { allocation: null })).status, {}, 'what was told of the device goes with it');

    const admin = {
      metadata: { namespace: 'default', name: 'a' },
      spec: { devices: { requests: [{ name: 'r', exactly: { ...exactly, adminAccess: true } }] } },
    };
    await assert.rejects(root.create(resourceV1.resourceclaims, admin), error => {
      assert.ok(isInvalid(error));
      assert.match(
        error.message,
        /admin access to devices requires the `resource\.kubernetes\.io\/admin-access: true` label/,
      );
      return true;
    });
  } finally {
    user.close();
    root.close();
    await server.stop();
  }
});
