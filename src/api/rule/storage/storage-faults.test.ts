// One fault each, and all that a client is told of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors } from '../../field-error.ts';
import type { Strategy } from '../../strategy.ts';
import { create, ruleContext, update } from '../testing.ts';
import {
  csiNodeStrategy,
  csiStorageCapacityStrategy,
  volumeAttachmentStrategy,
  volumeAttributesClassStrategy,
} from './attachment.ts';
import { csiDriverStrategy } from './csi-driver.ts';
import { storageClassStrategy } from './storage-class.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NAME_PART =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const IMMUTABLE = 'field is immutable';
const NOT_NEGATIVE = 'must be greater than or equal to 0';
const metadata = { name: 'x' };
const told = (strategy: Strategy<any>, body: object): string[] => create(strategy, { metadata, ...body }).errors;
const changed = (strategy: Strategy<any>, now: object, was: object, subresource = ''): string[] =>
  update(
    strategy,
    { metadata, ...now },
    { metadata: { ...metadata, resourceVersion: '1' }, ...was },
    ruleContext(subresource),
  ).errors;

test('of an attachment', () => {
  const of = (spec: object) =>
    told(volumeAttachmentStrategy, {
      spec: { attacher: 'd', nodeName: 'n', source: { persistentVolumeName: 'p' }, ...spec },
    });
  const ONE = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  const inlineVolumeSpec = { csi: { driver: 'd', volumeHandle: 'h' }, accessModes: ['ReadWriteOnce'] };
  assert.deepEqual(of({}), []);
  assert.deepEqual(of({ attacher: '' }), ['spec.attacher: Required value']);
  assert.deepEqual(of({ attacher: 'a_b' }), [`spec.attacher: Invalid value: "a_b": ${SUBDOMAIN}`]);
  assert.deepEqual(of({ nodeName: 'N' }), [`spec.nodeName: Invalid value: "N": ${SUBDOMAIN}`]);
  assert.deepEqual(of({ source: {} }), [`spec.source: Required value: ${ONE}`]);
  assert.deepEqual(of({ source: { inlineVolumeSpec, persistentVolumeName: 'p' } }), [`spec.source: Forbidden: ${ONE}`]);
  assert.deepEqual(of({ source: { persistentVolumeName: '' } }), [
    'spec.source.persistentVolumeName: Required value: must specify non empty persistentVolumeName',
  ]);
  const spec = { attacher: 'd', nodeName: 'n', source: { persistentVolumeName: 'p' } };
  const [moved, ...others] = changed(volumeAttachmentStrategy, { spec: { ...spec, nodeName: 'm' } }, { spec });
  assert.match(moved!, /^spec: Invalid value: \{.*\}: field is immutable$/);
  assert.deepEqual(others, []);
});

test('of the drivers of a node', () => {
  const of = (...drivers: object[]) =>
    told(csiNodeStrategy, {
      spec: { drivers: drivers.map(d => ({ name: 'd', nodeID: 'i', topologyKeys: [], ...d })) },
    });
  const at = 'spec.drivers[0]';
  assert.deepEqual(of({}), []);
  assert.deepEqual(of({ name: '' }), [`${at}.name: Required value`]);
  assert.deepEqual(of({ nodeID: '' }), [`${at}.nodeID: Required value`]);
  const long = 'i'.repeat(257);
  assert.deepEqual(of({ nodeID: long }), [`${at}.nodeID: Invalid value: "${long}": must be 256 characters or less`]);
  assert.deepEqual(of({ allocatable: { count: -1 } }), [`${at}.allocatable.count: Invalid value: -1: ${NOT_NEGATIVE}`]);
  assert.deepEqual(of({ topologyKeys: [''] }), [`${at}.topologyKeys: Required value`]);
  assert.deepEqual(of({ topologyKeys: ['a b'] }), [`${at}.topologyKeys: Invalid value: "a b": ${NAME_PART}`]);
  assert.deepEqual(of({ topologyKeys: ['a', 'a'] }), [`${at}.topologyKeys: Duplicate value: "a"`]);
  assert.deepEqual(of({}, { nodeID: 'j' }), ['spec.drivers[1].name: Duplicate value: "d"']);
  const drivers = [{ name: 'd', nodeID: 'i', topologyKeys: null }];
  const [other, ...more] = changed(
    csiNodeStrategy,
    { spec: { drivers: [{ ...drivers[0], nodeID: 'j' }] } },
    { spec: { drivers } },
  );
  assert.match(other!, /^CSINodeDriver: Invalid value: \{.*\}: field is immutable$/);
  assert.deepEqual(more, []);
});

test('of a capacity', () => {
  const of = (body: object) => told(csiStorageCapacityStrategy, { storageClassName: 's', ...body });
  assert.deepEqual(of({ storageClassName: 'S' }), [`storageClassName: Invalid value: "S": ${SUBDOMAIN}`]);
  for (const field of ['capacity', 'maximumVolumeSize'])
    assert.deepEqual(of({ [field]: '-1' }), [`${field}: Invalid value: "-1": ${NOT_NEGATIVE}`]);
  assert.deepEqual(changed(csiStorageCapacityStrategy, { storageClassName: 't' }, { storageClassName: 's' }), [
    `storageClassName: Invalid value: "t": ${IMMUTABLE}`,
  ]);
});

test('of a class of attributes', () => {
  const of = (driverName: string, parameters: object) => ({ driverName, parameters });
  assert.deepEqual(told(volumeAttributesClassStrategy, of('', { a: 'b' })), ['driverName: Required value']);
  assert.deepEqual(told(volumeAttributesClassStrategy, of('d', {})), [
    'parameters: Required value: must contain at least one key/value pair',
  ]);
  assert.deepEqual(changed(volumeAttributesClassStrategy, of('e', { a: 'b' }), of('d', { a: 'b' })), [
    'driverName: Forbidden: updates to driverName are forbidden.',
  ]);
  assert.deepEqual(changed(volumeAttributesClassStrategy, of('d', { a: 'c' }), of('d', { a: 'b' })), [
    'parameters: Forbidden: updates to parameters are forbidden.',
  ]);
});

test('of a driver', () => {
  const of = (spec: object) => told(csiDriverStrategy, { spec });
  const request = (expirationSeconds: number) => of({ tokenRequests: [{ audience: 'a', expirationSeconds }] });
  const at = 'spec.tokenRequests[0].expirationSeconds';
  assert.deepEqual(of({ volumeLifecycleModes: ['Some'] }), [
    'spec.volumeLifecycleModes: Unsupported value: "Some": supported values: "Ephemeral", "Persistent"',
  ]);
  assert.deepEqual(of({ tokenRequests: [{ audience: 'a' }, { audience: 'a' }] }), [
    'spec.tokenRequests[1].audience: Duplicate value: "a"',
  ]);
  assert.deepEqual(request(599), [`${at}: Invalid value: 599: may not specify a duration less than 10 minutes`]);
  assert.deepEqual(request(2 ** 32 + 1), [
    `${at}: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds`,
  ]);
  assert.deepEqual(of({ nodeAllocatableUpdatePeriodSeconds: 9 }), [
    'spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 9: must be greater than or equal to 10 seconds',
  ]);
  assert.deepEqual(of({ serviceAccountTokenInSecrets: true }), [
    'spec.serviceAccountTokenInSecrets: Invalid value: true: may only be set when tokenRequests is configured',
  ]);
  const { object } = create(csiDriverStrategy, { metadata, spec: {} });
  const becomes = (spec: object) => changed(csiDriverStrategy, { spec: { ...object.spec, ...spec } }, object);
  // Kubernetes' own slip: the field is attachRequired.
  assert.deepEqual(becomes({ attachRequired: false }), [`spec.attachedRequired: Invalid value: false: ${IMMUTABLE}`]);
  assert.deepEqual(becomes({ volumeLifecycleModes: ['Ephemeral'] }), [
    `spec.volumeLifecycleModes: Invalid value: ["Ephemeral"]: ${IMMUTABLE}`,
  ]);
});

test('of a class', () => {
  const storage = { provisioner: 'p', reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' };
  const of = (body: object) => told(storageClassStrategy, { ...storage, ...body });
  const terms = (...matchLabelExpressions: object[]) => of({ allowedTopologies: [{ matchLabelExpressions }] });
  const at = 'allowedTopologies[0].matchLabelExpressions';
  assert.deepEqual(of({ provisioner: '' }), ['provisioner: Required value']);
  assert.deepEqual(of({ provisioner: 'a b' }), [`provisioner: Invalid value: "a b": ${NAME_PART}`]);
  assert.deepEqual(of({ reclaimPolicy: 'Recycle' }), [
    'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"',
  ]);
  assert.deepEqual(of({ volumeBindingMode: 'Some' }), [
    'volumeBindingMode: Unsupported value: "Some": supported values: "Immediate", "WaitForFirstConsumer"',
  ]);
  assert.deepEqual(terms({ key: 'a', values: [] }), [`${at}[0].values: Required value`]);
  assert.deepEqual(terms({ key: 'a', values: ['b', 'b'] }), [`${at}[0].values[1]: Duplicate value: "b"`]);
  assert.deepEqual(terms({ key: 'a', values: ['b'] }, { key: 'a', values: ['c'] }), [
    `${at}[1].key: Duplicate value: "a"`,
  ]);
  assert.deepEqual(terms({ key: 'a b', values: ['b'] }), [`${at}[0].key: Invalid value: "a b": ${NAME_PART}`]);
  const becomes = (body: object) => changed(storageClassStrategy, { ...storage, ...body }, storage);
  for (const [field, value] of Object.entries({ parameters: { a: 'b' }, provisioner: 'q', reclaimPolicy: 'Retain' }))
    assert.deepEqual(becomes({ [field]: value }), [`${field}: Forbidden: updates to ${field} are forbidden.`]);
  assert.deepEqual(becomes({ volumeBindingMode: 'WaitForFirstConsumer' }), [
    `volumeBindingMode: Invalid value: "WaitForFirstConsumer": ${IMMUTABLE}`,
  ]);
  const errors = new FieldErrors();
  storageClassStrategy.validate!({ metadata, provisioner: 'p' } as never, errors, ruleContext());
  assert.deepEqual(errors.list, [
    { reason: 'FieldValueRequired', field: 'volumeBindingMode', message: 'Required value' },
  ]);
});
