import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../meta.ts';
import type { Strategy } from '../../strategy.ts';
import { leaseStrategy } from '../coordination/lease.ts';
import { endpointSliceStrategy } from '../discovery/endpoint-slice.ts';
import { clusterRoleBindingStrategy, roleBindingStrategy } from '../rbac/binding.ts';
import { clusterRoleStrategy, roleStrategy } from '../rbac/policy-rule.ts';
import { create, ruleContext, update } from '../testing.ts';
import { claimStrategy } from './claim.ts';
import { configMapStrategy } from './config-map.ts';
import { endpointsStrategy } from './endpoints.ts';
import { coreEventStrategy, eventStrategy } from './event.ts';
import { limitRangeStrategy } from './limit-range.ts';
import { nodeStrategy } from './node.ts';
import { secretStrategy } from './secret.ts';
import { serviceAccountStrategy } from './service-account.ts';
import { volumeStrategy } from './volume.ts';

const metadata = { name: 'x', namespace: 'a', resourceVersion: '1' };
const fresh = { name: 'x', namespace: 'a' };
const wrong = (s: Strategy<any>, body: object, meta: object = fresh) => create(s, { metadata: meta, ...body }).errors;
const made = <T extends KubeObject>(s: Strategy<T>, body: object): T =>
  create(s as Strategy<any>, { metadata: fresh, ...body }).object as T;
const changed = (s: Strategy<any>, now: object, old: object, sub = '') =>
  update(s, { metadata, ...now }, { metadata, ...old } as never, ruleContext(sub)).errors;

test('config maps', () => {
  assert.deepEqual(wrong(configMapStrategy, { data: { a: '' }, binaryData: { a: 'YQ==' } }), [
    'data[a]: Invalid value: "a": duplicate of key present in binaryData',
  ]);
  assert.match(
    wrong(configMapStrategy, { data: { 'a b': '' } })[0]!,
    /^data\[a b\]: Invalid value: "a b": a valid config/,
  );
  assert.deepEqual(wrong(configMapStrategy, { data: { a: 'ü'.repeat(600_000) } }), [
    '[]: Too long: may not be more than 1048576 bytes',
  ]);
  const old = { immutable: true, data: { a: 'b' } };
  assert.deepEqual(changed(configMapStrategy, { data: { a: 'c' } }, old), [
    'immutable: Forbidden: field is immutable when `immutable` is set',
    'data: Forbidden: field is immutable when `immutable` is set',
  ]);
  assert.deepEqual(changed(configMapStrategy, old, old), []);
});

test('secrets', () => {
  const secret = made(secretStrategy, { data: { b: 'YQ==', a: 'YQ==' }, stringData: { a: 'ü' } });
  assert.deepEqual(secret.data, { a: 'w7w=', b: 'YQ==' });
  assert.equal(secret.stringData, undefined);
  assert.equal(secret.type, 'Opaque');
  assert.deepEqual(wrong(secretStrategy, { type: 'kubernetes.io/tls', data: { 'tls.crt': '' } }), [
    'data[tls.key]: Required value',
  ]);
  assert.deepEqual(
    wrong(secretStrategy, { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': 'YQ==' } }),
    ['data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": invalid JSON'],
  );
  assert.deepEqual(wrong(secretStrategy, { type: 'kubernetes.io/basic-auth' }), [
    'data[username]: Required value',
    'data[password]: Required value',
  ]);
  assert.deepEqual(wrong(secretStrategy, { type: 'kubernetes.io/service-account-token' }), [
    'metadata.annotations[kubernetes.io/service-account.name]: Required value',
  ]);
  assert.deepEqual(changed(secretStrategy, { type: 'x' }, { type: 'y' }), [
    'type: Invalid value: "x": field is immutable',
  ]);
});

test('service accounts name their secrets only', () => {
  assert.deepEqual(made(serviceAccountStrategy, { secrets: [{ name: 'a', namespace: 'b' }] }).secrets, [{ name: 'a' }]);
});

test('nodes', () => {
  const taint = { key: 'k', value: 'v', effect: 'NoSchedule' };
  assert.deepEqual(wrong(nodeStrategy, { spec: { taints: [taint, taint, { key: 'l', effect: 'No' }] } }), [
    'spec.taints[1]: Duplicate value: {"Key":"k","Value":"v","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
    'spec.taints[2].effect: Unsupported value: "No": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
  ]);
  assert.deepEqual(made(nodeStrategy, { spec: { podCIDR: '10.0.0.0/24' } }).spec.podCIDRs, ['10.0.0.0/24']);
  const old = { spec: { podCIDRs: ['10.0.0.0/24'], providerID: 'p' } };
  assert.deepEqual(changed(nodeStrategy, { spec: { podCIDRs: ['10.0.1.0/24'], providerID: 'q' } }, old), [
    'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
    'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
  ]);
  assert.deepEqual(wrong(nodeStrategy, { spec: { podCIDRs: ['10.0.0.0/24', '10.0.1.0/24'] } }), [
    'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one CIDR for each IP family',
  ]);
});

test('nodes keep ranges that were stored, and are told what is gone', () => {
  const old = { spec: { podCIDRs: ['10.0.0.0/024'] } };
  assert.deepEqual(changed(nodeStrategy, old, old), []);
  const node = { metadata, spec: { podCIDRs: ['2001:DB8::/64'], configSource: {}, externalID: 'x' } };
  assert.deepEqual(nodeStrategy.warnings!(node as never, undefined, ruleContext()), [
    'spec.configSource: the feature is removed',
    'spec.externalID: this field is deprecated, and is unused by Kubernetes',
    'spec.podCIDRs[0]: IPv6 CIDR value "2001:DB8::/64" should be in RFC 5952 canonical format ("2001:db8::/64")',
  ]);
});

test('endpoints and slices', () => {
  assert.deepEqual(wrong(endpointsStrategy, { subsets: [{ ports: [{ port: 80 }, { port: 81, name: 'a' }] }] }), [
    'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
    'subsets[0].ports[0].name: Required value',
  ]);
  const slice = (more: object) => wrong(endpointSliceStrategy, { addressType: 'IPv4', endpoints: [], ...more });
  assert.deepEqual(slice({ endpoints: [{ addresses: ['::1'] }, { addresses: [] }] }), [
    'endpoints[0].addresses[0]: Invalid value: "::1": must be a valid IPv4 address',
    'endpoints[1].addresses: Required value: must contain at least 1 address',
  ]);
  assert.deepEqual(slice({ ports: [{ port: 80 }, { port: 81 }] }), ['ports[1].name: Duplicate value: ""']);
  assert.deepEqual(changed(endpointSliceStrategy, { addressType: 'IPv6' }, { addressType: 'IPv4' }), [
    'addressType: Invalid value: "IPv6": field is immutable',
  ]);
});

test('events', () => {
  assert.deepEqual(wrong(coreEventStrategy, { involvedObject: { namespace: 'b' } }), [
    'involvedObject.namespace: Invalid value: "b": does not match event.namespace',
  ]);
  assert.deepEqual(wrong(coreEventStrategy, { involvedObject: { namespace: 'a' } }), []);
  const event = {
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'x.io/y',
    reportingInstance: 'i',
    action: 'Do',
    reason: 'Why',
    type: 'Normal',
    regarding: { namespace: 'a' },
  };
  assert.deepEqual(wrong(eventStrategy, event), []);
  assert.deepEqual(wrong(eventStrategy, { ...event, type: 'Odd', deprecatedCount: 3, reason: '' }), [
    'reason: Required value',
    'type: Invalid value: "": has invalid value: Odd',
    'count: Invalid value: "": needs to be unset',
  ]);
  assert.deepEqual(changed(eventStrategy, { ...event, note: 'n' }, event), [
    'message: Invalid value: "n": field is immutable',
  ]);
});

test('roles and bindings', () => {
  assert.deepEqual(wrong(roleStrategy, { rules: [{ verbs: [], nonResourceURLs: ['/x'], resources: ['pods'] }] }), [
    'rules[0].verbs: Required value: verbs must contain at least one value',
    'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
    'rules[0].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and non-resource URLs',
  ]);
  assert.deepEqual(wrong(clusterRoleStrategy, { rules: [{ verbs: ['get'] }], aggregationRule: {} }), [
    'rules[0].apiGroups: Required value: resource rules must supply at least one api group',
    'rules[0].resources: Required value: resource rules must supply at least one resource',
    'aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil',
  ]);
  const binding = made(roleBindingStrategy, {
    roleRef: { kind: 'Role', name: 'r' },
    subjects: [{ kind: 'User', name: 'u' }],
  });
  assert.equal(binding.roleRef.apiGroup, 'rbac.authorization.k8s.io');
  assert.equal(binding.subjects![0]!.apiGroup, 'rbac.authorization.k8s.io');
  assert.deepEqual(changed(roleBindingStrategy, { roleRef: { kind: 'Role', name: 's' } }, binding), [
    'roleRef: Invalid value: {"kind":"Role","name":"s","apiGroup":"rbac.authorization.k8s.io"}: cannot change roleRef',
  ]);
  const subjects = [
    { kind: 'ServiceAccount', name: 'Bad' },
    { kind: 'Robot', name: 'r' },
  ];
  const errors = wrong(clusterRoleBindingStrategy, { roleRef: { kind: 'Role', name: 'r' }, subjects });
  assert.equal(errors[0], 'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"');
  assert.match(errors[1]!, /^subjects\[0\]\.name: Invalid value: "Bad": a lowercase RFC 1123 subdomain/);
  assert.deepEqual(errors.slice(2), [
    'subjects[0].namespace: Required value',
    'subjects[1].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
  ]);
});

test('leases', () => {
  const spec = { leaseDurationSeconds: 0, leaseTransitions: -1, preferredHolder: 'x' };
  const context = ruleContext('', { CoordinatedLeaderElection: true });
  assert.deepEqual(create(leaseStrategy, { metadata: fresh, spec }, context).errors, [
    'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
    'spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0',
    'spec.preferredHolder: Forbidden: may only be specified if `strategy` is defined',
  ]);
});

test('leases are not coordinated unless that is switched on', () => {
  const spec = { strategy: 'OldestEmulationVersion', preferredHolder: 'x' };
  assert.deepEqual(made(leaseStrategy, { spec }).spec, {});
  const switched = ruleContext('', { CoordinatedLeaderElection: true });
  assert.deepEqual(create(leaseStrategy, { metadata: fresh, spec }, switched).object.spec, spec);
});

const claim = (storage: string, more: object = {}) => ({
  spec: { accessModes: ['ReadWriteOnce'], volumeMode: 'Filesystem', resources: { requests: { storage } }, ...more },
  status: { phase: 'Bound', capacity: { storage: '2Gi' } },
});

test('claims', () => {
  const pvc = made(claimStrategy, {
    spec: { dataSource: { kind: 'PersistentVolumeClaim', name: 'p' } },
    status: { phase: 'Bound' },
  });
  assert.deepEqual(pvc.status, { phase: 'Pending' });
  assert.equal(pvc.spec.dataSourceRef?.name, 'p');
  assert.deepEqual(changed(claimStrategy, claim('3Gi'), claim('2Gi')), []);
  assert.deepEqual(changed(claimStrategy, claim('1Gi'), claim('3Gi')), [
    'spec.resources.requests.storage: Forbidden: field can not be less than status.capacity',
  ]);
  assert.deepEqual(changed(claimStrategy, claim('2Gi', { volumeName: 'v' }), claim('2Gi')), []);
  assert.match(
    changed(claimStrategy, claim('2Gi', { volumeName: 'w' }), claim('2Gi', { volumeName: 'v' }))[0]!,
    /^spec: Forbidden: spec is immutable after creation except resources\.requests and volumeAttributesClassName for bound claims\n- volumeName: "v"\n\+ volumeName: "w"/,
  );
});

test('volumes', () => {
  const spec = { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, hostPath: { path: '/a' } };
  const volume = made(volumeStrategy, { spec });
  assert.deepEqual(volume.status, { phase: 'Pending', lastPhaseTransitionTime: '1970-01-01T00:00:00Z' });
  assert.equal(volume.spec.persistentVolumeReclaimPolicy, 'Retain');
  assert.deepEqual(wrong(volumeStrategy, { spec: { local: { path: '/a/../b' }, nfs: {}, capacity: {} } }), [
    'spec.accessModes: Required value',
    'spec.capacity: Required value',
    'spec.capacity: Unsupported value: {}: supported values: "storage"',
    'spec.nfs: Forbidden: may not specify more than 1 volume type',
    'spec.local.path: Invalid value: "/a/../b": must not contain \'..\'',
    'spec.nodeAffinity: Required value: Local volume requires node affinity',
  ]);
  assert.match(
    changed(volumeStrategy, { spec: { ...spec, hostPath: { path: '/b' } } }, volume)[0]!,
    /^spec\.persistentvolumesource: Forbidden: spec\.persistentvolumesource is immutable after creation\n- hostPath\.path: "\/a"/,
  );
});

test('limits of what is named like a word of JavaScript', () => {
  const limits = [
    { type: 'Pod', min: { constructor: '1' }, max: { cpu: '1' }, maxLimitRequestRatio: { toString: '2' } },
  ];
  for (const error of wrong(limitRangeStrategy, { spec: { limits } })) assert.match(error, /must be a standard/);
});
