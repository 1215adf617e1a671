import assert from 'node:assert/strict';
import { test } from 'node:test';
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
