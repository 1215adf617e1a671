import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../meta.ts';
import type { Strategy } from '../../strategy.ts';
import { create, ruleContext, update } from '../testing.ts';
import { csiStorageCapacityStrategy, volumeAttachmentStrategy, volumeAttributesClassStrategy } from './attachment.ts';
import { csiDriverStrategy } from './csi-driver.ts';
import { storageClassStrategy } from './storage-class.ts';

const metadata = { name: 'x' };
const wrong = (s: Strategy<any>, body: object) => create(s, { metadata, ...body }).errors;
const warned = (s: Strategy<any>, body: object) =>
  s.warnings!({ metadata, ...body } as KubeObject, undefined, ruleContext());

test('attachments of volumes of pods', () => {
  const attach = (source: object) =>
    wrong(volumeAttachmentStrategy, { spec: { attacher: 'd', nodeName: 'n', source } });
  assert.match(
    attach({ persistentVolumeName: 'A' })[0]!,
    /^spec\.source\.persistentVolumeName: Invalid value: "A": a lowercase RFC 1123 subdomain/,
  );
  const csi = { driver: 'd', volumeHandle: 'h' };
  const accessModes = ['ReadWriteOnce'];
  assert.deepEqual(attach({ inlineVolumeSpec: { csi, accessModes } }), []);
  const at = 'spec.source.inlineVolumeSpec';
  const why = 'in the context of inline volumes';
  const inlineVolumeSpec = {
    claimRef: { name: 'c' },
    capacity: { storage: '1' },
    persistentVolumeReclaimPolicy: 'Delete',
    storageClassName: 's',
    volumeMode: 'Block',
    nfs: { server: 's', path: '/' },
  };
  assert.deepEqual(attach({ inlineVolumeSpec }), [
    `${at}.claimRef: Forbidden: may not be specified ${why}`,
    `${at}.capacity: Forbidden: may not be specified ${why}`,
    `${at}.csi: Required value: has to be specified ${why}`,
    `${at}.accessModes: Required value`,
    `${at}.persistentVolumeReclaimPolicy: Forbidden: may only be Retain ${why}`,
    `${at}.storageClassName: Forbidden: may not be specified ${why}`,
    `${at}.volumeMode: Forbidden: may not specify volumeMode other than Filesystem ${why}`,
  ]);
});

test('what attachers tell has its limits', () => {
  const old = { metadata: { ...metadata, resourceVersion: '1' }, spec: {}, status: { attached: false } };
  const status = {
    attached: false,
    attachmentMetadata: { k: 'x'.repeat(262_144) },
    attachError: { message: 'x'.repeat(1025) },
    detachError: { message: 'x'.repeat(1024) },
  };
  assert.deepEqual(update(volumeAttachmentStrategy, { ...old, status }, old as never, ruleContext('status')).errors, [
    'status.attachmentMetadata: Too long: may not be more than 262144 bytes',
    'status.attachError.message: Too long: may not be more than 1024 bytes',
  ]);
});

test('parameters have keys, and are not too many', () => {
  const of = (parameters: object) => wrong(volumeAttributesClassStrategy, { driverName: 'd', parameters });
  const many = Object.fromEntries(Array.from({ length: 513 }, (_, i) => [`k${i}`, '']));
  assert.deepEqual(of(many), ['parameters: Too long: may not be more than 512 bytes']);
  assert.deepEqual(of({ '': 'x' }), ['parameters: Invalid value: "": field can not be empty.']);
  assert.deepEqual(of({ k: 'x'.repeat(262_144) }), ['parameters: Too long: may not be more than 262144 bytes']);
});

test('topologies of classes differ, and their labels are of today', () => {
  const term = (...values: string[]) => ({ matchLabelExpressions: [{ key: 'beta.kubernetes.io/arch', values }] });
  const storage = { provisioner: 'p', allowedTopologies: [term('a', 'b'), term('b', 'a'), term('a')] };
  assert.deepEqual(wrong(storageClassStrategy, storage), [
    'allowedTopologies[1].matchLabelExpressions: Duplicate value: ""',
  ]);
  const many = Array.from({ length: 5000 }, (_, i) => term(`v${i}`));
  const began = performance.now();
  assert.deepEqual(wrong(storageClassStrategy, { provisioner: 'p', allowedTopologies: many }), []);
  assert.ok(performance.now() - began < 2000);
  const text = 'deprecated since v1.14; use "kubernetes.io/arch" instead';
  assert.deepEqual(warned(storageClassStrategy, { allowedTopologies: [term('a')] }), [
    `allowedTopologies[0].matchLabelExpressions[0].key: ${text}`,
  ]);
  assert.deepEqual(
    warned(csiStorageCapacityStrategy, { nodeTopology: { matchLabels: { 'beta.kubernetes.io/arch': 'a' } } }),
    [`nodeTopology.matchLabels[beta.kubernetes.io/arch]: beta.kubernetes.io/arch is ${text}`],
  );
});

test('drivers', () => {
  const spec = { nodeAllocatableUpdatePeriodSeconds: 9, serviceAccountTokenInSecrets: false };
  assert.deepEqual(wrong(csiDriverStrategy, { spec }), [
    'spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds',
    'spec.serviceAccountTokenInSecrets: Invalid value: false: may only be set when tokenRequests is configured',
  ]);
  const made = (gates: Record<string, boolean>) =>
    create(csiDriverStrategy, { metadata, spec: { preventPodSchedulingIfMissing: true } }, ruleContext('', gates))
      .object;
  assert.equal(made({}).spec.preventPodSchedulingIfMissing, undefined);
  assert.equal(made({ VolumeLimitScaling: true }).spec.preventPodSchedulingIfMissing, true);
});
