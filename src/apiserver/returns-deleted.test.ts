// Which kinds answer a delete with the object: as the official clients, made from kube-apiserver's OpenAPI, type it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApi } from './test-api.ts';
import type { Json } from './test-caller.ts';

const api = testApi();

test('classes, drivers, devices and nodes of storage come back when they are deleted', async () => {
  const storage = '/apis/storage.k8s.io/v1';
  const resources = '/apis/resource.k8s.io/v1';
  const claim = { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'c' } }] } };
  const cases: [path: string, object: Json][] = [
    [`${storage}/storageclasses`, { provisioner: 'p.example' }],
    [`${storage}/csidrivers`, { spec: {} }],
    [`${storage}/csinodes`, { spec: { drivers: [] } }],
    [
      `${storage}/volumeattachments`,
      { spec: { attacher: 'a.example', nodeName: 'n', source: { persistentVolumeName: 'v' } } },
    ],
    [`${storage}/volumeattributesclasses`, { driverName: 'd.example', parameters: { a: 'b' } }],
    [`${resources}/deviceclasses`, { spec: {} }],
    [
      `${resources}/resourceslices`,
      { spec: { driver: 'd.example', nodeName: 'n', pool: { name: 'p', generation: 1, resourceSliceCount: 1 } } },
    ],
    [`${resources}/namespaces/default/resourceclaims`, { spec: claim }],
    [`${resources}/namespaces/default/resourceclaimtemplates`, { spec: { spec: claim } }],
  ];
  for (const [path, object] of cases) {
    const made = await api.expect(201, 'POST', path, { metadata: { name: 'gone' }, ...object });
    const deleted = await api.expect(200, 'DELETE', `${path}/gone`);
    assert.deepEqual([path, deleted.kind, deleted.metadata.name], [path, made.kind, 'gone']);
  }
  const capacity = `${storage}/namespaces/default/csistoragecapacities`;
  await api.expect(201, 'POST', capacity, { metadata: { name: 'gone' }, storageClassName: 'c' });
  assert.equal((await api.expect(200, 'DELETE', `${capacity}/gone`)).kind, 'Status');
});
