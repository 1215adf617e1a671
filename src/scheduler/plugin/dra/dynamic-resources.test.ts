import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../../api/meta.ts';
import { coreV1, resourceV1, resourceV1beta2 } from '../../../api/refs.ts';
import type { Device, ResourceClaim } from '../../../api/type/resource-v1.ts';
import { type SchedulerBench, schedulerBench, testNode, testPod } from '../../test-cluster.ts';

const driver = 'gpu.example.com';
const object = (kind: string, name: string, spec: object, metadata: object = {}): Draft<any> => ({
  kind,
  apiVersion: 'resource.k8s.io/v1',
  metadata: { name, uid: `uid-${kind}-${name}`, ...metadata },
  spec,
});
const deviceClass = (spec: object = {}, name = 'gpu') =>
  object('DeviceClass', name, { selectors: [{ cel: { expression: `device.driver == "${driver}"` } }], ...spec });
const slice = (name: string, devices: readonly Device[], spec: object = {}) =>
  object('ResourceSlice', name, {
    driver,
    pool: { name, generation: 1, resourceSliceCount: 1 },
    nodeName: name,
    devices,
    ...spec,
  });
const claim = (name: string, devices: object) =>
  ({ ...object('ResourceClaim', name, { devices }, { namespace: 'default' }), status: {} }) as Draft<ResourceClaim>;
const exactly = (more: object = {}) => ({
  deviceClassName: 'gpu',
  allocationMode: 'ExactCount',
  count: 1,
  ...more,
});
const one = (name: string, more: object = {}) => claim(name, { requests: [{ name: 'r', exactly: exactly(more) }] });
const using = (name: string, ...claims: string[]) =>
  testPod(name, { spec: { resourceClaims: claims.map(c => ({ name: c, resourceClaimName: c })) } });
const devices = (...names: string[]): Device[] => names.map(name => ({ name }));
const claimNow = (b: SchedulerBench, name: string) => b.client.object(resourceV1.resourceclaims, `default/${name}`)!;
const given = (b: SchedulerBench, name: string) =>
  claimNow(b, name).status?.allocation?.devices?.results?.map(r => `${r.request}=${r.pool}/${r.device}`) ?? [];
const message = (b: SchedulerBench, pod: string) => b.condition(pod)?.message ?? '';
const nodes = [testNode('a'), testNode('b')];

test('a claim is allocated, protected and reserved before its pod is bound', async () => {
  const config = [{ opaque: { driver, parameters: { a: 1 } } }];
  await using b = await schedulerBench({
    objects: [...nodes, deviceClass({ config }), slice('b', devices('x', 'y')), one('c')],
  });
  assert.equal(await b.place(using('p', 'c')), 'b');
  const { metadata, status } = claimNow(b, 'c');
  assert.deepEqual(metadata.finalizers, ['resource.kubernetes.io/delete-protection']);
  assert.deepEqual(status, {
    allocation: {
      devices: {
        results: [{ request: 'r', driver, pool: 'b', device: 'x' }],
        config: [{ source: 'FromClass', requests: ['r'], ...config[0] }],
      },
      nodeSelector: {
        nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }],
      },
      allocationTimestamp: status!.allocation!.allocationTimestamp,
    },
    reservedFor: [{ resource: 'pods', name: 'p', uid: 'uid-p' }],
  });
  assert.deepEqual(
    b.client.writes().filter(w => !w.includes('event')),
    [
      'patch pods/status default/p',
      'update resourceclaims default/c',
      'update resourceclaims/status default/c',
      'create pods/binding default/p',
    ],
  );
});

test('what is taken is taken: the next pod waits until it is free', async () => {
  await using b = await schedulerBench({
    objects: [...nodes, deviceClass(), slice('a', devices('x')), one('c'), one('d')],
  });
  assert.equal(await b.place(using('p', 'c')), 'a');
  assert.equal(await b.place(using('shares', 'c')), 'a', 'claims may be shared by pods');
  assert.equal(claimNow(b, 'c').status?.reservedFor?.length, 2);
  await b.place(using('q', 'd'));
  assert.equal(
    message(b, 'q'),
    '0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, ' +
      'preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.',
  );
  const c = claimNow(b, 'c');
  b.client.set(resourceV1.resourceclaims, { ...c, status: {} } as Draft<ResourceClaim>);
  await b.clock.advance(2000);
  await b.settle();
  assert.equal(b.nodeOf('q'), 'a');
});

test('pods wait at the gate for their claims, and for classes', async () => {
  await using b = await schedulerBench({ objects: [...nodes, slice('a', devices('x'))] });
  await b.place(using('p', 'c'));
  assert.equal(b.scheduler.queue.sizes.gated, 1);
  const fromTemplate = { resourceClaims: [{ name: 'e', resourceClaimTemplateName: 't' }] };
  await b.place(testPod('t', { spec: fromTemplate }));
  assert.equal(b.scheduler.queue.sizes.gated, 2);
  b.client.set(resourceV1.resourceclaims, one('c'));
  await b.clock.advance(2000);
  await b.settle();
  assert.match(message(b, 'p'), /^0\/2 nodes are available: request r: device class gpu does not exist\./);
  b.client.set(resourceV1.deviceclasses, deviceClass());
  await b.clock.advance(3000);
  await b.settle();
  assert.equal(b.nodeOf('p'), 'a');
  const owned = { ...one('t-e'), metadata: { ...one('t-e').metadata, ownerReferences: [owner('uid-t')] } };
  b.client.set(resourceV1.resourceclaims, owned as Draft<ResourceClaim>);
  b.client.set(resourceV1.resourceslices, slice('b', devices('y')));
  b.client.set(coreV1.pods, {
    ...testPod('t', {
      spec: fromTemplate,
      status: { resourceClaimStatuses: [{ name: 'e', resourceClaimName: 't-e' }] },
    }),
  });
  await b.clock.advance(3000);
  await b.settle();
  assert.equal(b.nodeOf('t'), 'b');
});

const owner = (uid: string) => ({ apiVersion: 'v1', kind: 'Pod', name: 't', uid, controller: true });

test('a selector that fails says so and ends the attempt', async () => {
  const selectors = [{ cel: { expression: 'device.attributes["x.com"].none == 1' } }];
  await using b = await schedulerBench({
    objects: [nodes[0]!, deviceClass(), slice('a', devices('x')), one('c', { selectors })],
  });
  await b.place(using('p', 'c'));
  assert.match(
    message(b, 'p'),
    /running "DynamicResources" filter plugin: claim default\/c: selector #0: CEL runtime error: no such key: none/,
  );
  assert.equal(b.condition('p')?.reason, 'SchedulerError');
});

test('of alternatives the first is preferred, over nodes too', async () => {
  const big = { name: 'big', attributes: { size: { string: 'big' } } };
  const size = (s: string) => ({
    ...exactly(),
    name: s,
    selectors: [{ cel: { expression: `device.attributes["${driver}"].?size.orValue("small") == "${s}"` } }],
  });
  await using b = await schedulerBench({
    objects: [
      ...nodes,
      deviceClass(),
      slice('a', devices('x')),
      slice('b', [big]),
      ...['c', 'd'].map(n => claim(n, { requests: [{ name: 'r', firstAvailable: [size('big'), size('small')] }] })),
    ],
  });
  assert.equal(await b.place(using('p', 'c')), 'b');
  assert.equal(await b.place(using('q', 'd')), 'a');
  assert.deepEqual([given(b, 'c'), given(b, 'd')], [['r/big=b/big'], ['r/small=a/x']]);
});

test('an allocated claim that is in the way is taken back when nobody uses it', async () => {
  const away = { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['gone'] }] }] };
  const status = {
    allocation: {
      devices: { results: [{ request: 'r', driver, pool: 'gone', device: 'x' }] },
      nodeSelector: away,
    },
  };
  await using b = await schedulerBench({
    objects: [...nodes, deviceClass(), slice('a', devices('x')), { ...one('c'), status } as Draft<ResourceClaim>],
  });
  await b.place(using('p', 'c'));
  assert.match(
    b.events('p')[0]!,
    /2 resourceclaim not available on the node\. deallocation of ResourceClaim completed/,
  );
  await b.clock.advance(3000);
  await b.settle();
  assert.equal(b.nodeOf('p'), 'a');
  assert.deepEqual(given(b, 'c'), ['r=a/x']);
});

test('extended resources are met by devices where the node has none of its own', async () => {
  const resource = 'example.com/gpu';
  await using b = await schedulerBench({
    objects: [testNode('a'), slice('a', devices('x', 'y', 'z'))],
  });
  const requests = { [resource]: '2' };
  await b.place(testPod('p', { requests }));
  assert.match(message(b, 'p'), /1 Insufficient example\.com\/gpu/);
  b.client.set(resourceV1.deviceclasses, deviceClass({ extendedResourceName: resource }));
  await b.clock.advance(3000);
  await b.settle();
  assert.equal(b.nodeOf('p'), 'a');
  const made = b.client.objects(resourceV1.resourceclaims)[0]!;
  assert.match(made.metadata.name!, /^p-extended-resources-/);
  assert.equal(made.metadata.annotations?.['resource.kubernetes.io/extended-resource-claim'], 'true');
  assert.equal(made.status?.allocation?.devices?.results?.length, 2);
  assert.deepEqual(b.client.object(coreV1.pods, 'default/p')?.status?.extendedResourceClaimStatus, {
    resourceClaimName: made.metadata.name,
    requestMappings: [{ containerName: 'c', resourceName: resource, requestName: 'container-0-request-0' }],
  });
  await b.place(testPod('q', { requests }));
  assert.match(message(b, 'q'), /cannot allocate all claims/);
  b.client.set(coreV1.nodes, testNode('plugin', { allocatable: { [resource]: '2' } }));
  await b.clock.advance(3000);
  await b.settle();
  assert.equal(b.nodeOf('q'), 'plugin', "where the node has its own, they are a device plugin's");
  assert.equal(b.client.objects(resourceV1.resourceclaims).length, 1);
});

test('devices with binding conditions hold their pod back until they are ready, or are given up', async () => {
  const conditions = { bindingConditions: ['Ready'], bindingFailureConditions: ['Broken'], bindsToNode: true };
  await using b = await schedulerBench({
    objects: [nodes[0]!, deviceClass(), slice('a', [{ name: 'x', ...conditions }]), one('c')],
  });
  assert.equal(await b.place(using('p', 'c')), '');
  assert.deepEqual(b.events('p'), [
    'Normal BindingConditionsPending: waiting for binding conditions for device on node a',
  ]);
  const report = async (type: string) => {
    const now = claimNow(b, 'c');
    b.client.set(resourceV1.resourceclaims, {
      ...now,
      status: { ...now.status, devices: [{ driver, pool: 'a', device: 'x', conditions: [{ type, status: 'True' }] }] },
    } as Draft<ResourceClaim>);
    await b.settle();
  };
  await report('Broken');
  assert.match(message(b, 'p'), /claim c binding failed/);
  await b.clock.advance(3000);
  await b.settle();
  assert.equal(claimNow(b, 'c').status?.devices, undefined, 'taken back');
  assert.deepEqual(given(b, 'c'), ['r=a/x'], 'and tried again');
  assert.equal(b.nodeOf('p'), '');
  await report('Ready');
  assert.equal(b.nodeOf('p'), 'a');
});

test('two pods that come at once never get one device, nor does a pod whose write failed', async () => {
  await using b = await schedulerBench({
    objects: [
      ...nodes,
      deviceClass(),
      slice('a', devices('x', 'y')),
      slice('b', devices('x')),
      ...['c1', 'c2', 'c3', 'c4'].map(n => one(n)),
    ],
  });
  b.client.failNext('update', resourceV1.resourceclaims, new Error('no'), { subresource: 'status' });
  for (const n of [1, 2, 3, 4]) b.client.set(coreV1.pods, using(`p${n}`, `c${n}`));
  await b.settle();
  await b.clock.advance(20_000);
  await b.settle();
  const all = ['c1', 'c2', 'c3', 'c4'].flatMap(c => given(b, c));
  assert.deepEqual(all.sort(), ['r=a/x', 'r=a/y', 'r=b/x']);
});

test('rules taint devices: nothing is taken while one stands, and waiting pods hear that it goes', async () => {
  const taint = (effect: string) => ({ key: 'k', value: 'v', effect });
  const rule = (effect: string, deviceSelector?: object) => ({
    ...object('DeviceTaintRule', 'r', { taint: taint(effect), ...(deviceSelector ? { deviceSelector } : {}) }),
    apiVersion: 'resource.k8s.io/v1beta2',
  });
  const rules = resourceV1beta2.devicetaintrules;
  await using b = await schedulerBench({
    featureEnabled: gate => gate === 'DRADeviceTaintRules',
    objects: [
      ...[...nodes, deviceClass(), slice('a', devices('x', 'y')), rule('NoSchedule', { driver, pool: 'a' })],
      ...[one('c'), one('d', { tolerations: [{ key: 'k', operator: 'Exists' }] }), one('e')],
    ],
  });
  assert.equal(await b.place(using('p', 'c')), '');
  assert.equal(await b.place(using('tolerates', 'd')), 'a');
  assert.deepEqual(given(b, 'd'), ['r=a/x']);
  b.client.set(rules, rule('None', { driver }));
  await b.settle();
  await b.clock.advance(10_000);
  assert.equal(b.nodeOf('p'), 'a');
  b.client.set(rules, rule('NoExecute', { device: 'y' }));
  await b.client.delete(coreV1.pods, { namespace: 'default', name: 'p' }, { gracePeriodSeconds: 0 });
  const freed = claimNow(b, 'c');
  b.client.set(resourceV1.resourceclaims, { ...freed, status: {} } as any);
  await b.settle();
  assert.equal(await b.place(using('q', 'e')), '');
  b.client.remove(rules, 'r');
  await b.settle();
  await b.clock.advance(10_000);
  assert.equal(b.nodeOf('q'), 'a');
});
