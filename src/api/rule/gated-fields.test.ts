// Fields whose feature is off are dropped from what is written, unless what was stored has them: every gate of the facts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cloneDeep } from '../meta.ts';
import { builtinResources, readFacts } from '../resource.ts';
import { strategyOf } from './index.ts';

type Json = any;

interface Case {
  /** The type and the field as the facts name them, and the gates that each must be on. */
  readonly field: string;
  readonly gates: readonly string[];
  readonly resource: string;
  readonly subresource?: string;
  /** Where the field's parent is, in an object that `at` is enough of; numbers are places in lists. */
  readonly at: string;
  readonly value: unknown;
  /** What it comes with. */
  readonly with?: Readonly<Record<string, unknown>>;
}

const pods = (field: string, gate: string, at: string, value: unknown): Case => {
  const resource = '/v1/pods';
  return {
    field: `core.v1.${field}`,
    gates: [gate],
    resource,
    at,
    value,
    ...(at[3] === 't' ? { subresource: 'status' } : {}),
  };
};
const dra = (resource: string, at: string, gate: string, fields: Record<string, unknown>, subresource = ''): Case[] =>
  Object.entries(fields).map(([field, value]) => {
    const gates = gate.split(',');
    return { field: `resource.v1.${field}`, gates, resource: `resource.k8s.io/v1/${resource}`, subresource, at, value };
  });
const binding = 'DRADeviceBindingConditions,DRAResourceClaimDeviceStatus';
const result = 'status.allocation.devices.results.0';
const inGroups: Readonly<Record<string, readonly [gate: string, value: unknown]>> = {
  schedulingConstraints: ['TopologyAwareWorkloadScheduling', { topology: [{ key: 'a' }] }],
  resourceClaims: ['DRAWorkloadResourceClaims', [{ name: 'a' }]],
  disruptionMode: ['WorkloadAwarePreemption', 'Pod'],
  priorityClassName: ['WorkloadAwarePreemption', 'high'],
  priority: ['WorkloadAwarePreemption', 7],
};

const cases: readonly Case[] = [
  {
    field: 'apps.v1.RollingUpdateStatefulSetStrategy.maxUnavailable',
    gates: ['MaxUnavailableStatefulSet'],
    resource: 'apps/v1/statefulsets',
    at: 'spec.updateStrategy.rollingUpdate',
    value: 2,
  },
  ...['scaleUp', 'scaleDown'].map(rules => ({
    field: 'autoscaling.v2.HPAScalingRules.tolerance',
    gates: ['HPAConfigurableTolerance'],
    resource: 'autoscaling/v2/horizontalpodautoscalers',
    at: `spec.behavior.${rules}`,
    value: '0.1',
  })),
  ...['strategy', 'preferredHolder'].map(field => ({
    field: `coordination.v1.LeaseSpec.${field}`,
    gates: ['CoordinatedLeaderElection'],
    resource: 'coordination.k8s.io/v1/leases',
    at: 'spec',
    value: 'a',
    with: { strategy: 'a' },
  })),
  pods('VolumeProjection.clusterTrustBundle', 'ClusterTrustBundleProjection', 'spec.volumes.0.projected.sources.0', {}),
  pods('VolumeProjection.podCertificate', 'PodCertificateRequest', 'spec.volumes.0.projected.sources.0', {}),
  ...['containers', 'initContainers', 'ephemeralContainers'].flatMap(list => [
    pods('EnvVarSource.fileKeyRef', 'EnvFiles', `spec.${list}.0.env.0.valueFrom`, { path: 'f' }),
    pods('Container.restartPolicyRules', 'ContainerRestartRules', `spec.${list}.0`, [{ action: 'Restart' }]),
    pods('Lifecycle.stopSignal', 'ContainerStopSignals', `spec.${list}.0.lifecycle`, 'SIGUSR1'),
  ]),
  pods('PodSpec.resources', 'PodLevelResources', 'spec', { limits: { cpu: '1' } }),
  pods('PodSpec.hostnameOverride', 'HostnameOverride', 'spec', 'h'),
  pods('PodSpec.schedulingGroup', 'GenericWorkload', 'spec', { podGroupName: 'g' }),
  ...['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'].flatMap(list => [
    pods('ContainerStatus.allocatedResourcesStatus', 'ResourceHealthStatus', `status.${list}.0`, [{ name: 'a' }]),
    pods('ContainerStatus.stopSignal', 'ContainerStopSignals', `status.${list}.0`, 'SIGTERM'),
    pods(
      'ResourceHealth.message',
      'ResourceHealthStatusMessage',
      `status.${list}.0.allocatedResourcesStatus.0.resources.0`,
      'm',
    ),
    pods('VolumeStatus.image', 'ImageVolumeWithDigest', `status.${list}.0.volumeMounts.0.volumeStatus`, {}),
  ]),
  pods('PodStatus.extendedResourceClaimStatus', 'DRAExtendedResource', 'status', { resourceClaimName: 'c' }),
  pods('PodStatus.allocatedResources', 'InPlacePodLevelResourcesVerticalScaling', 'status', { cpu: '1' }),
  pods('PodStatus.resources', 'InPlacePodLevelResourcesVerticalScaling', 'status', {}),
  pods('PodStatus.nodeAllocatableResourceClaimStatuses', 'DRANodeAllocatableResources', 'status', [{}]),
  {
    field: 'core.v1.NodeStatus.declaredFeatures',
    gates: ['NodeDeclaredFeatures'],
    resource: '/v1/nodes',
    subresource: 'status',
    at: 'status',
    value: ['A'],
  },
  ...dra('resourceslices', 'spec', 'DRAPartitionableDevices', {
    'ResourceSliceSpec.perDeviceNodeSelection': true,
    'ResourceSliceSpec.sharedCounters': [],
  }),
  ...dra('resourceslices', 'spec.devices.0', 'DRAPartitionableDevices', {
    'Device.consumesCounters': [],
    'Device.nodeName': 'n',
    'Device.nodeSelector': {},
    'Device.allNodes': true,
  }),
  ...dra('resourceslices', 'spec.devices.0', 'DRADeviceTaints', { 'Device.taints': [] }),
  ...dra('resourceslices', 'spec.devices.0', binding, {
    'Device.bindsToNode': true,
    'Device.bindingConditions': ['a'],
    'Device.bindingFailureConditions': ['b'],
  }),
  ...dra('resourceslices', 'spec.devices.0', 'DRAConsumableCapacity', { 'Device.allowMultipleAllocations': true }),
  ...dra('resourceslices', 'spec.devices.0', 'DRANodeAllocatableResources', {
    'Device.nodeAllocatableResourceMappings': {},
  }),
  ...dra('resourceslices', 'spec.devices.0.capacity.c', 'DRAConsumableCapacity', {
    'DeviceCapacity.requestPolicy': {},
  }),
  ...dra('resourceslices', 'spec.devices.0.attributes.a', 'DRAListTypeAttributes', {
    'DeviceAttribute.ints': [1],
    'DeviceAttribute.bools': [true],
    'DeviceAttribute.strings': ['s'],
    'DeviceAttribute.versions': ['1.0.0'],
  }),
  ...[
    ['resourceclaims', 'spec.devices'],
    ['resourceclaimtemplates', 'spec.spec.devices'],
  ].flatMap(([resource, devices]) => [
    ...dra(resource!, `${devices}.requests.0`, 'DRAPrioritizedList', {
      'DeviceRequest.firstAvailable': [{ name: 's' }],
    }),
    ...dra(resource!, `${devices}.constraints.0`, 'DRAConsumableCapacity', {
      'DeviceConstraint.distinctAttribute': 'a',
    }),
    ...[
      ['exactly', 'ExactDeviceRequest'],
      ['firstAvailable.0', 'DeviceSubRequest'],
    ].flatMap(([at, type]) => [
      ...dra(resource!, `${devices}.requests.0.${at}`, 'DRADeviceTaints', { [`${type}.tolerations`]: [] }),
      ...dra(resource!, `${devices}.requests.0.${at}`, 'DRAConsumableCapacity', { [`${type}.capacity`]: {} }),
    ]),
  ]),
  ...dra('resourceclaims', 'status', 'DRAResourceClaimDeviceStatus', { 'ResourceClaimStatus.devices': [{}] }, 'status'),
  ...dra(
    'resourceclaims',
    'status.devices.0',
    'DRAConsumableCapacity',
    { 'AllocatedDeviceStatus.shareID': 'u' },
    'status',
  ),
  ...dra('resourceclaims', 'status.allocation', binding, { 'AllocationResult.allocationTimestamp': 't' }, 'status'),
  ...dra('resourceclaims', result, 'DRADeviceTaints', { 'DeviceRequestAllocationResult.tolerations': [] }, 'status'),
  ...dra('resourceclaims', result, binding, { 'DeviceRequestAllocationResult.bindingConditions': [] }, 'status'),
  ...dra('resourceclaims', result, binding, { 'DeviceRequestAllocationResult.bindingFailureConditions': [] }, 'status'),
  ...dra('resourceclaims', result, 'DRAConsumableCapacity', { 'DeviceRequestAllocationResult.shareID': 'u' }, 'status'),
  ...dra(
    'resourceclaims',
    result,
    'DRAConsumableCapacity',
    { 'DeviceRequestAllocationResult.consumedCapacity': {} },
    'status',
  ),
  ...dra('deviceclasses', 'spec', 'DRAExtendedResource', { 'DeviceClassSpec.extendedResourceName': 'a.com/b' }),
  ...Object.entries(inGroups)
    .flatMap(([field, [gate, value]]) => [
      { field: `scheduling.v1alpha2.PodGroupSpec.${field}`, gates: [gate], resource: 'podgroups', at: 'spec', value },
      {
        field: `scheduling.v1alpha2.PodGroupTemplate.${field}`,
        gates: [gate],
        resource: 'workloads',
        at: 'spec.podGroupTemplates.0',
        value,
      },
    ])
    .map(c => ({ ...c, resource: `scheduling.k8s.io/v1alpha2/${c.resource}` })),
  {
    field: 'scheduling.v1alpha2.PodGroupStatus.resourceClaimStatuses',
    gates: ['DRAWorkloadResourceClaims'],
    resource: 'scheduling.k8s.io/v1alpha2/podgroups',
    subresource: 'status',
    at: 'status',
    value: [{ name: 'a' }],
  },
  {
    field: 'storage.v1.CSIDriverSpec.preventPodSchedulingIfMissing',
    gates: ['VolumeLimitScaling'],
    resource: 'storage.k8s.io/v1/csidrivers',
    at: 'spec',
    value: true,
  },
];

/** An object with `at`, and `fields` there. */
function built(at: string, fields: object = {}): Json {
  const root: Json = { metadata: { name: 'x' }, spec: {}, status: {} };
  let here = root;
  const steps = at.split('.');
  for (const [i, step] of steps.entries()) {
    here[step] ??= steps[i + 1] === '0' ? [] : {};
    here = here[step];
  }
  Object.assign(here, cloneDeep(fields as Json));
  root.spec.containers ??= [{ name: 'c' }];
  return root;
}

const valueAt = (object: Json, at: string): Json => at.split('.').reduce((o, step) => o?.[step], object);
const gateOff = (off: string) => (gate: string) => gate !== off;
const resources = builtinResources();

function written({ resource, subresource = '' }: Case, object: Json, old: Json | undefined, off: string): Json {
  const strategy = strategyOf(resources.byId(resource)!);
  const context = { nowMs: 0, subresource, featureEnabled: gateOff(off) };
  const draft = cloneDeep(object) as Json;
  if (old) strategy.prepareForUpdate?.(draft, old, context);
  else strategy.prepareForCreate?.(draft, context);
  return draft;
}

test('fields of features that are off are dropped, unless they were there', () => {
  for (const c of cases) {
    const field = c.field.slice(c.field.lastIndexOf('.') + 1);
    const [having, lacking] = [built(c.at, { ...c.with, [field]: c.value }), built(c.at)];
    const kept = (object: Json, old: Json | undefined, off: string) =>
      valueAt(written(c, object, old, off), c.at)?.[field];
    for (const gate of c.gates) {
      const why = `${c.field} of ${c.resource} at ${c.at} without ${gate}`;
      assert.equal(kept(having, lacking, gate), undefined, `update, ${why}`);
      assert.deepEqual(kept(having, having, gate), c.value, `update of one that has it, ${why}`);
      assert.deepEqual(kept(having, lacking, 'Other'), c.value, `update with all gates, ${c.field}`);
      // A template's spec is not changed later, and status is not created.
      if (c.subresource) continue;
      assert.equal(kept(having, undefined, gate), undefined, `create, ${why}`);
      assert.deepEqual(kept(having, undefined, 'Other'), c.value, `create with all gates, ${c.field}`);
    }
  }
});

test('in templates of pods too', () => {
  for (const [resource, at] of [
    ['/v1/podtemplates', 'template.spec'],
    ['/v1/replicationcontrollers', 'spec.template.spec'],
    ['apps/v1/daemonsets', 'spec.template.spec'],
    ['apps/v1/deployments', 'spec.template.spec'],
    ['apps/v1/replicasets', 'spec.template.spec'],
    ['apps/v1/statefulsets', 'spec.template.spec'],
    ['batch/v1/jobs', 'spec.template.spec'],
    ['batch/v1/cronjobs', 'spec.jobTemplate.spec.template.spec'],
  ] as const) {
    const c: Case = { field: 'hostnameOverride', gates: [], resource, at, value: 'h' };
    const [having, lacking] = [built(at, { hostnameOverride: 'h' }), built(at)];
    const kept = (old: Json | undefined, off: string) => valueAt(written(c, having, old, off), at)[c.field];
    const gate = 'HostnameOverride';
    assert.deepEqual([kept(undefined, gate), kept(lacking, gate)], [undefined, undefined], resource);
    assert.deepEqual([kept(having, gate), kept(undefined, ''), kept(lacking, '')], ['h', 'h', 'h'], resource);
  }
});

/** Not fields of objects, or of kinds whose rules are elsewhere. */
const elsewhere = new Set([
  'core.v1.TypedObjectReference.namespace',
  'core.v1.PodLogOptions.stream',
  'core.v1.EphemeralContainerCommon.restartPolicyRules',
  'meta.v1.ListMeta.shardInfo',
  'meta.v1.ListOptions.shardSelector',
  'apiextensions.v1.CustomResourceDefinitionCondition.observedGeneration',
  'apiextensions.v1.CustomResourceDefinitionStatus.observedGeneration',
]);

test('every field of a gate that can be switched is in the table', () => {
  const { types } = readFacts<{ types: Record<string, Record<string, string[]>> }>('validation-tags.json');
  const { gates } = readFacts<{ gates: { n: string; lock?: 1 }[] }>('featuregates.json');
  const switchable = new Set(gates.filter(g => !g.lock).map(g => g.n));
  const known = new Set([...cases.map(c => `${c.field} ${c.gates}`)]);
  const missing: string[] = [];
  for (const [type, fields] of Object.entries(types))
    for (const [field, tags] of Object.entries(fields))
      for (const tag of tags.filter(t => t.startsWith('+featureGate='))) {
        const name = `${type.split('.').slice(-3).join('.')}.${field}`;
        const needed = tag
          .slice('+featureGate='.length)
          .split(',')
          .filter(g => switchable.has(g));
        if (!needed.length || /v1beta\d/.test(name) || elsewhere.has(name)) continue;
        if (!known.has(`${name} ${needed}`)) missing.push(`${name} ${needed}`);
      }
  assert.deepEqual(missing, []);
});
