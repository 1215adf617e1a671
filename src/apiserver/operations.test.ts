// What the official suite calls "API operations", for every kind served by default: discovery, create, get, list,
// watch, patch, update, status, delete, deletecollection.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../api/resource.ts';
import { strategyOf } from '../api/rule/index.ts';
import { testApi } from './test-api.ts';
import { type Json, mergePatch, type SeenEvent } from './test-caller.ts';
import { sampledKinds, samples } from './test-samples.ts';

const api = testApi();
/** Tests of the official suite that are no more than this. */
const official: Readonly<Record<string, string>> = {
  '/v1/podtemplates': '[sig-node] PodTemplates should run the lifecycle of PodTemplates',
  '/v1/nodes': '[sig-node] Node Lifecycle should run through the lifecycle of a node',
  '/v1/endpoints': '[sig-network] Endpoints should test the lifecycle of an Endpoint',
  'node.k8s.io/v1/runtimeclasses': '[sig-node] RuntimeClass should support RuntimeClasses API operations',
  'discovery.k8s.io/v1/endpointslices':
    '[sig-network] EndpointSlice should support creating EndpointSlice API operations',
  'networking.k8s.io/v1/ingresses': '[sig-network] Ingress API should support creating Ingress API operations',
  'networking.k8s.io/v1/ingressclasses':
    '[sig-network] IngressClass API should support creating IngressClass API operations',
  'networking.k8s.io/v1/ipaddresses':
    '[sig-network] ServiceCIDR and IPAddress API should support IPAddress API operations',
  'networking.k8s.io/v1/servicecidrs':
    '[sig-network] ServiceCIDR and IPAddress API should support ServiceCIDR API operations',
  'admissionregistration.k8s.io/v1/validatingadmissionpolicies':
    '[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support ValidatingAdmissionPolicy API operations',
  'admissionregistration.k8s.io/v1/validatingadmissionpolicybindings':
    '[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support ValidatingAdmissionPolicyBinding API operations',
  'admissionregistration.k8s.io/v1/mutatingadmissionpolicies':
    '[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support MutatingAdmissionPolicy API operations',
  'admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings':
    '[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support MutatingAdmissionPolicyBinding API operations',
  'storage.k8s.io/v1/csidrivers': '[sig-storage] CSIInlineVolumes should run through the lifecycle of a CSIDriver',
  'storage.k8s.io/v1/csinodes': '[sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode',
  'storage.k8s.io/v1/csistoragecapacities':
    '[sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations',
  'storage.k8s.io/v1/storageclasses':
    '[sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a StorageClass',
  'storage.k8s.io/v1/volumeattachments':
    '[sig-storage] VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment',
  'storage.k8s.io/v1/volumeattributesclasses':
    '[sig-storage] VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through the lifecycle of a VolumeAttributesClass',
};
const idOf = (r: Resource) => `${r.group}/${r.version}/${r.resource}`;

for (const resource of sampledKinds) {
  const id = idOf(resource);
  const sample = samples[id];
  test(official[id] ?? `API operations of ${id}`, async () => {
    assert.ok(sample, `no sample of ${id}`);
    await operate(resource, sample);
  });
}

test('what pod templates and bindings of policies say is counted in generations', async () => {
  for (const [path, object, changed] of [
    [
      '/api/v1/namespaces/generations/podtemplates',
      samples['/v1/podtemplates'],
      { template: { metadata: { labels: { a: 'b' } } } },
    ],
    [
      '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
      samples['admissionregistration.k8s.io/v1/validatingadmissionpolicybindings'],
      { spec: { validationActions: ['Warn'] } },
    ],
    [
      '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings',
      samples['admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings'],
      { spec: { matchResources: { matchPolicy: 'Exact' } } },
    ],
  ] as const) {
    if (path.includes('namespaces'))
      await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: 'generations' } });
    const made = await api.expect(201, 'POST', path, { ...object!('g', ''), metadata: { name: 'g' } });
    const labelled = { metadata: { labels: { a: 'b' } } };
    const same = await api.expect(200, 'PATCH', `${path}/g`, labelled, mergePatch);
    const next = await api.expect(200, 'PATCH', `${path}/g`, changed, mergePatch);
    assert.deepEqual(
      [made, same, next].map(o => o.metadata.generation),
      [1, 1, 2],
      path,
    );
    await api.expect(200, 'DELETE', `${path}/g`);
  }
});

async function discover(r: Resource): Promise<void> {
  const groupVersion = r.group ? `${r.group}/${r.version}` : r.version;
  if (r.group) {
    const groups = await api.expect(200, 'GET', '/apis');
    const group = groups.groups.find((g: Json) => g.name === r.group);
    assert.ok(group.versions.some((v: Json) => v.version === r.version));
    const alone = await api.expect(200, 'GET', `/apis/${r.group}`);
    assert.ok(alone.versions.some((v: Json) => v.groupVersion === groupVersion));
  }
  const list = await api.expect(200, 'GET', r.group ? `/apis/${groupVersion}` : `/api/${r.version}`);
  const found = list.resources.find((x: Json) => x.name === r.resource);
  assert.equal(found.kind, r.kind);
  assert.deepEqual([...found.verbs].sort(), [...r.verbs].sort());
  for (const s of r.subresources.keys())
    assert.ok(
      list.resources.some((x: Json) => x.name === `${r.resource}/${s}`),
      s,
    );
}

async function operate(r: Resource, sample: (name: string, namespace: string) => Json): Promise<void> {
  await discover(r);
  const groupVersion = r.group ? `${r.group}/${r.version}` : r.version;
  const base = r.group ? `/apis/${groupVersion}` : `/api/${r.version}`;
  const ns = `ops-${r.resource}-${r.group.length}${r.version}`;
  if (r.namespaced) {
    await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: ns } });
    if (r.resource === 'pods')
      await api.expect(201, 'POST', `/api/v1/namespaces/${ns}/serviceaccounts`, { metadata: { name: 'default' } });
  }
  const many = r.namespaced ? `${base}/namespaces/${ns}/${r.resource}` : `${base}/${r.resource}`;
  const label = `e2e=${r.resource}`;
  const make = (name: string): Json => {
    const object = sample(name, ns);
    object.metadata = { ...object.metadata, labels: { ...object.metadata?.labels, e2e: r.resource } };
    object.metadata.name ??= name;
    return object;
  };

  const first = await api.expect(201, 'POST', many, make('one'));
  const one = `${many}/${encodeURIComponent(first.metadata.name)}`;
  assert.equal(first.kind, r.kind);
  assert.equal(first.apiVersion, groupVersion);
  for (const name of ['two', 'three']) await api.expect(201, 'POST', many, make(name));
  const again = await api.expect(409, 'POST', many, make('one'));
  assert.equal(again.reason, 'AlreadyExists');

  assert.equal((await api.expect(200, 'GET', one)).metadata.uid, first.metadata.uid);
  const list = await api.expect(200, 'GET', `${many}?labelSelector=${label}`);
  assert.equal(list.kind, `${r.kind}List`);
  assert.equal(list.items.length, 3);
  const everywhere = await api.expect(200, 'GET', `${base}/${r.resource}?labelSelector=${label}`);
  assert.ok(everywhere.items.length >= 3);

  const watching = await api.watch(
    `${many}?watch=true&labelSelector=${label}&resourceVersion=${list.metadata.resourceVersion}`,
  );
  const seen = (type: string, matches: (o: Json) => boolean) =>
    watching.next(
      (e: SeenEvent) => e.type === type && e.object.metadata.name === first.metadata.name && matches(e.object),
    );

  const patched = await api.expect(200, 'PATCH', one, { metadata: { annotations: { patched: 'true' } } }, mergePatch);
  assert.equal(patched.metadata.annotations.patched, 'true');
  await seen('MODIFIED', o => o.metadata.annotations?.patched === 'true');

  const stale = structuredClone(first);
  const toUpdate = structuredClone(patched);
  toUpdate.metadata.annotations.updated = 'true';
  const updated = await api.expect(200, 'PUT', one, toUpdate);
  assert.equal(updated.metadata.annotations.updated, 'true');
  await seen('MODIFIED', o => o.metadata.annotations?.updated === 'true');
  stale.metadata.annotations = { stale: 'true' };
  const conflict = await api.expect(409, 'PUT', one, stale);
  assert.equal(conflict.reason, 'Conflict');

  if (r.subresources.has('status')) {
    const status = `${one}/status`;
    assert.equal((await api.expect(200, 'GET', status)).metadata.uid, first.metadata.uid);
    await api.expect(200, 'PATCH', status, { metadata: { annotations: { patchedstatus: 'true' } } }, mergePatch);
    const current = await api.expect(200, 'GET', status);
    const keeps = strategyOf(r).statusKeeps === 'metadata';
    assert.equal(current.metadata.annotations.patchedstatus, keeps ? undefined : 'true');
    await api.expect(200, 'PUT', status, { ...current });
  }

  await api.expect(200, 'DELETE', one, { gracePeriodSeconds: 0 });
  await releaseFinalizers(one);
  await seen('DELETED', () => true);
  await api.expect(404, 'GET', one);
  await api.expect(200, 'DELETE', `${many}?labelSelector=${label}`, { gracePeriodSeconds: 0 });
  const left = await api.expect(200, 'GET', `${many}?labelSelector=${label}`);
  for (const item of left.items) await releaseFinalizers(`${many}/${item.metadata.name}`);
  assert.equal((await api.expect(200, 'GET', `${many}?labelSelector=${label}`)).items.length, 0);
  watching.stop();
}

/** What a controller would do: let a deleted object go. */
async function releaseFinalizers(path: string): Promise<void> {
  const { code, object } = await api.send('GET', path);
  if (code === 404) return;
  assert.ok(object.metadata.deletionTimestamp, `${path} is not being deleted`);
  await api.expect(200, 'PATCH', path, { metadata: { finalizers: null } }, mergePatch);
}
