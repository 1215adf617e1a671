// The official suite's tests of storage that need no containers: volumes, claims and attachments as objects, and what is immutable.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1, storageV1 } from '../api/refs.ts';
import { conformanceBench } from './test-conformance.ts';

type Any = any;

const { client, until, namespace, get, remove, patch, gone } = conformanceBench('storage', 9);
const { persistentvolumes, persistentvolumeclaims } = coreV1;
const labelsOf = (set: string) => ({ 'e2e-pv-pool': set });
const pvOf = (set: string) => ({
  metadata: { name: `pv-${set}`, labels: labelsOf(set) },
  spec: {
    accessModes: ['ReadWriteOnce'],
    capacity: { storage: '2Gi' },
    storageClassName: set,
    csi: { driver: 'e2e-driver-6785', volumeHandle: `e2e-volume-${set}` },
  },
});
const claimOf = (namespace: string) => ({
  metadata: { namespace, name: 'claim', labels: labelsOf(namespace) },
  spec: {
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: '2Gi' } },
    storageClassName: namespace,
  },
});
const volume = (name: string): Promise<Any> => client.get(persistentvolumes, { name });
const list = async (ref: Any, set: string): Promise<Any[]> =>
  (await client.list(ref, { labelSelector: `e2e-pv-pool=${set}` })).items;

/** Updates, again where a controller was faster. */
async function updated(ref: Any, key: object, change: (now: Any) => object, status = false): Promise<Any> {
  for (;;) {
    const now = await client.get(ref, key);
    try {
      return await client[status ? 'updateStatus' : 'update'](ref, { ...now, ...change(now) });
    } catch (error) {
      assert.equal((error as Any).reason, 'Conflict');
    }
  }
}

test('[sig-storage] PersistentVolumes CSI Conformance should run through the lifecycle of a PV and a PVC', async () => {
  const ns = await namespace();
  const pv = `pv-${ns}`;
  const create = async () => {
    const volume = await client.create(persistentvolumes, pvOf(ns));
    assert.equal(volume.spec.persistentVolumeReclaimPolicy, 'Retain');
    assert.deepEqual([volume.spec.volumeMode, volume.status.phase], ['Filesystem', 'Pending']);
    const claim = await client.create(persistentvolumeclaims, claimOf(ns));
    assert.deepEqual([claim.spec.volumeMode, claim.status.phase], ['Filesystem', 'Pending']);
    assert.deepEqual(claim.metadata.finalizers, ['kubernetes.io/pvc-protection']);
  };
  await create();
  for (const ref of [persistentvolumes, persistentvolumeclaims]) assert.equal((await list(ref, ns)).length, 1);
  const patched = await client.patch(persistentvolumes, { name: pv }, strategic({ [pv]: 'patched' }));
  assert.equal(patched.metadata.labels[pv], 'patched');
  const claim = await client.patch(
    persistentvolumeclaims,
    { namespace: ns, name: 'claim' },
    strategic({ c: 'patched' }),
  );
  assert.equal(claim.metadata.labels.c, 'patched');
  await until(async () => (await volume(pv)).status.phase === 'Bound');
  const bound = await get(persistentvolumeclaims, ns, 'claim');
  assert.deepEqual(
    [bound.status.phase, bound.spec.volumeName, bound.status.capacity],
    ['Bound', pv, { storage: '2Gi' }],
  );
  const { claimRef } = (await volume(pv)).spec;
  assert.deepEqual([claimRef.namespace, claimRef.name, claimRef.uid], [ns, 'claim', bound.metadata.uid]);
  await remove(persistentvolumeclaims, ns, 'claim');
  await until(() => gone(get(persistentvolumeclaims, ns, 'claim')));
  await until(async () => (await volume(pv)).status.phase === 'Released');
  await client.delete(persistentvolumes, { name: pv });
  await until(() => gone(volume(pv)));

  await create();
  const relabel = (ref: Any, key: object) =>
    updated(ref, key, now => ({
      metadata: { ...now.metadata, labels: { ...now.metadata.labels, updated: 'true' } },
    }));
  assert.equal((await relabel(persistentvolumes, { name: pv })).metadata.labels.updated, 'true');
  assert.equal(
    (await relabel(persistentvolumeclaims, { namespace: ns, name: 'claim' })).metadata.labels.updated,
    'true',
  );
  const labelSelector = `e2e-pv-pool=${ns},updated=true`;
  assert.equal((await client.list(persistentvolumeclaims, { labelSelector })).items.length, 1);
  await client.deleteCollection(persistentvolumeclaims, { namespace: ns, labelSelector });
  await client.deleteCollection(persistentvolumes, { labelSelector });
  await until(
    async () => (await list(persistentvolumes, ns)).length + (await list(persistentvolumeclaims, ns)).length === 0,
  );
});

const strategic = (labels: object) => ({ type: 'strategic', body: { metadata: { labels } } });

test('[sig-storage] PersistentVolumes CSI Conformance should apply changes to a pv/pvc status', async () => {
  const ns = await namespace();
  const name = `pv-${ns}`;
  await client.create(persistentvolumes, pvOf(ns));
  await client.create(persistentvolumeclaims, claimOf(ns));
  await until(async () => (await volume(name)).status.phase === 'Bound');
  const key = { namespace: ns, name: 'claim' };
  const status = { subresource: 'status' };
  const condition = (type: string, reason: string) => ({ type, status: 'True', reason, message: 'Set by an E2E test' });
  const patchedClaim = await client.patch(
    persistentvolumeclaims,
    key,
    { type: 'merge', body: { status: { conditions: [condition('StatusPatched', 'E2E patchStatus')] } } },
    status,
  );
  assert.equal(patchedClaim.status.conditions[0].reason, 'E2E patchStatus');
  const conditions = [condition('StatusUpdated', 'E2E updateStatus')];
  const updatedClaim = await updated(
    persistentvolumeclaims,
    key,
    now => ({ status: { ...now.status, conditions } }),
    true,
  );
  assert.deepEqual(
    updatedClaim.status.conditions.map((c: Any) => c.type),
    ['StatusUpdated'],
  );
  const body = { status: { message: 'StatusPatched', reason: 'E2E patchStatus' } };
  const patched = await client.patch(persistentvolumes, { name }, { type: 'merge', body }, status);
  assert.deepEqual([patched.status.message, patched.status.reason], ['StatusPatched', 'E2E patchStatus']);
  const said = { message: 'StatusUpdated', reason: 'E2E updateStatus' };
  const { reason } = (await updated(persistentvolumes, { name }, now => ({ status: { ...now.status, ...said } }), true))
    .status;
  assert.equal(reason, 'E2E updateStatus');
  // The controllers leave it be.
  await until(async () => (await get(persistentvolumeclaims, ns, 'claim')).status.phase === 'Bound');
  assert.equal((await volume(name)).status.message, 'StatusUpdated');
  assert.equal((await get(persistentvolumeclaims, ns, 'claim')).status.conditions[0].type, 'StatusUpdated');
});

test('[sig-storage] VolumeAttachment Conformance should apply changes to a volumeattachment status', async () => {
  const { volumeattachments } = storageV1;
  const name = 'va-status';
  const spec = { attacher: 'e2e-test.storage.k8s.io', nodeName: 'none', source: { persistentVolumeName: 'pv' } };
  await client.create(volumeattachments, { metadata: { name }, spec });
  const status = { attached: true, attachmentMetadata: { devicePath: '/dev/x' } };
  const body = { metadata: { labels: { e: 'patched' }, annotations: { a: 'b' } }, spec: { nodeName: 'other' }, status };
  const patched = await client.patch(volumeattachments, { name }, { type: 'merge', body }, { subresource: 'status' });
  assert.deepEqual([patched.status, patched.spec.nodeName], [status, 'none']);
  const failed = {
    attached: false,
    attachError: { time: '2026-01-01T00:00:00Z', message: 'Set from e2e', errorCode: 5 },
  };
  const updated = await client.updateStatus(volumeattachments, { ...patched, status: failed });
  assert.deepEqual(updated.status, failed);
  assert.deepEqual((await client.get(volumeattachments, { name })).status, failed);
  // The object itself does not take a status.
  const kept = await client.patch(volumeattachments, { name }, { type: 'merge', body: { status } });
  assert.deepEqual(kept.status, failed);
  await client.delete(volumeattachments, { name });
  await until(() => gone(client.get(volumeattachments, { name })));
});

test('[sig-storage] CSIInlineVolumes should support CSIVolumeSource in Pod API', async () => {
  const ns = await namespace();
  const name = 'inline-driver';
  const driver = await client.create(storageV1.csidrivers, {
    metadata: { name, labels: { test: 'e2e' } },
    spec: { volumeLifecycleModes: ['Ephemeral'] },
  });
  assert.deepEqual([driver.spec.attachRequired, driver.spec.podInfoOnMount], [true, false]);
  const csi = { driver: name, fsType: 'ext4', readOnly: true, volumeAttributes: { a: 'b' } };
  const volumes = [{ name: 'inline', csi }];
  const containers = [{ name: 'c', image: 'i', volumeMounts: [{ name: 'inline', mountPath: '/mnt' }] }];
  const made = await client.create(coreV1.pods, {
    metadata: { namespace: ns, name: 'p', labels: { test: 'e2e' } },
    spec: { containers, volumes, terminationGracePeriodSeconds: 0, schedulerName: 'none' },
  });
  assert.deepEqual(made.spec.volumes[0], volumes[0]);
  assert.equal((await client.list(coreV1.pods, { namespace: ns, labelSelector: 'test=e2e' })).items.length, 1);
  const patched = await patch(coreV1.pods, ns, 'p', { metadata: { labels: { patched: 'true' } } });
  assert.deepEqual(patched.spec.volumes[0], volumes[0]);
  await client.deleteCollection(coreV1.pods, { namespace: ns, labelSelector: 'patched=true' });
  await until(() => gone(get(coreV1.pods, ns, 'p')));
  await client.delete(storageV1.csidrivers, { name });
});

// [sig-storage] ConfigMap should be immutable if `immutable` field is set
// [sig-storage] Secrets should be immutable if `immutable` field is set
for (const kind of ['configmaps', 'secrets'] as const)
  test(`immutable ${kind}`, async () => {
    const ref = coreV1[kind];
    const ns = await namespace();
    const text = (value: string) => (kind === 'secrets' ? Buffer.from(value).toString('base64') : value);
    const invalid = { code: 422, reason: 'Invalid' };
    const write = (body: object) => patch(ref, ns, 'fixed', body);
    const make = () =>
      client.create(ref, { metadata: { namespace: ns, name: 'fixed' }, data: { 'data-1': text('1') } });
    await make();
    assert.equal((await write({ data: { 'data-2': text('2') } })).data['data-2'], text('2'));
    assert.equal((await write({ data: { 'data-3': text('3') }, immutable: true })).immutable, true);
    await assert.rejects(write({ data: { 'data-3': text('4') } }), {
      ...invalid,
      message: /"fixed" is invalid: data: Forbidden: field is immutable when `immutable` is set/,
    });
    await assert.rejects(write({ data: { 'data-4': text('4') } }), invalid);
    for (const immutable of [false, null])
      await assert.rejects(write({ immutable }), {
        ...invalid,
        message: /immutable: Forbidden: field is immutable when `immutable` is set/,
      });
    assert.equal((await write({ metadata: { labels: { label1: 'value1' } } })).metadata.labels.label1, 'value1');
    assert.deepEqual(Object.keys((await get(ref, ns, 'fixed')).data), ['data-1', 'data-2', 'data-3']);
    // Only a new object can be written again.
    await remove(ref, ns, 'fixed');
    await make();
    await write({ data: { 'data-1': text('2') } });
  });
