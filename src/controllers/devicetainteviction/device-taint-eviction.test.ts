import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { coreV1, resourceV1, resourceV1beta2 } from '../../api/refs.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { DeviceToleration, ResourceClaim, ResourceSlice } from '../../api/type/resource-v1.ts';
import type { DeviceTaintRule } from '../../api/type/resource-v1beta2.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { deviceTaintEvictionController } from './device-taint-eviction.ts';

const startMs = Date.UTC(2026, 0, 1);
const slice = (effect?: 'NoExecute' | 'NoSchedule', generation = 1): Draft<ResourceSlice> => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceSlice',
  metadata: { name: `s${generation}` },
  spec: {
    driver: 'd',
    pool: { name: 'pool', generation, resourceSliceCount: 1 },
    devices: [
      {
        name: 'gpu',
        ...(effect ? { taints: [{ key: 'k', value: 'v', effect, timeAdded: '2026-01-01T00:00:00Z' }] } : {}),
      },
    ],
  },
});
const pod: Draft<Pod> = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'a', uid: 'u' },
  spec: { nodeName: 'n', containers: [], resourceClaims: [{ name: 'c', resourceClaimName: 'c' }] },
  status: { phase: 'Running' },
};
const claim = (tolerations?: DeviceToleration[]): Draft<ResourceClaim> => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaim',
  metadata: { name: 'c', namespace: 'a' },
  status: {
    reservedFor: [{ resource: 'pods', name: 'p', uid: 'u' }],
    allocation: {
      devices: {
        results: [{ request: 'r', driver: 'd', pool: 'pool', device: 'gpu', ...(tolerations ? { tolerations } : {}) }],
      },
    },
  },
});

const bench = (tolerations?: DeviceToleration[], first = slice()) =>
  controllerBench([deviceTaintEvictionController()], { startMs, objects: [first, claim(tolerations), pod] });

describe('device-taint-eviction-controller', () => {
  it('deletes the pod of a device that gets a taint', async () => {
    await using b = await bench();
    assert.ok(b.client.object(coreV1.pods, 'a/p'));
    b.client.set(resourceV1.resourceslices, slice('NoSchedule'));
    await b.settle();
    assert.ok(b.client.object(coreV1.pods, 'a/p'));
    b.client.set(resourceV1.resourceslices, slice('NoExecute'));
    await b.settle();
    assert.ok(b.client.writes().includes('delete pods a/p'), b.client.writes().join());
    assert.deepEqual(b.events(), ['Normal DeviceTaintManagerEviction: Marking for deletion']);
    const patch = b.client.actions.find(a => a.verb === 'patch')?.body;
    assert.equal((patch.body ?? patch).status.conditions[0].reason, 'DeletionByDeviceTaintManager');
  });

  it('waits as long as is tolerated, and not at all when the taint goes', async () => {
    await using b = await bench([{ operator: 'Exists', tolerationSeconds: 60 }], slice('NoExecute'));
    await b.advance(30_000);
    b.client.set(resourceV1.resourceslices, slice());
    await b.advance(60_000);
    assert.ok(b.client.object(coreV1.pods, 'a/p'));
    assert.deepEqual(b.events(), ['Normal DeviceTaintManagerEviction: Cancelling deletion']);
    b.client.set(resourceV1.resourceslices, slice('NoExecute'));
    await b.settle();
    assert.ok(b.client.writes().includes('delete pods a/p'), 'the minute since the taint came is over');
  });

  it('leaves what tolerates for ever, and older generations of a pool out', async () => {
    await using b = await bench([{ key: 'k', operator: 'Equal', value: 'v' }], slice('NoExecute'));
    await b.advance(3_600_000);
    assert.ok(b.client.object(coreV1.pods, 'a/p'));
    await using c = await bench(undefined, slice(undefined, 2));
    c.client.set(resourceV1.resourceslices, slice('NoExecute', 1));
    await c.settle();
    assert.ok(c.client.object(coreV1.pods, 'a/p'));
  });
});

const rules = resourceV1beta2.devicetaintrules;
const rule = (
  effect: 'NoExecute' | 'NoSchedule' | 'None',
  deviceSelector?: object,
  generation = 1,
): Draft<DeviceTaintRule> => ({
  apiVersion: 'resource.k8s.io/v1beta2',
  kind: 'DeviceTaintRule',
  metadata: { name: 'r', uid: 'rule', generation },
  spec: {
    ...(deviceSelector ? { deviceSelector } : {}),
    taint: { key: 'k', value: 'v', effect, timeAdded: '2026-01-01T00:00:00Z' },
  },
});
const ruleBench = (first: Draft<DeviceTaintRule>, tolerations?: DeviceToleration[]) =>
  controllerBench([deviceTaintEvictionController({ usesRules: true })], {
    startMs,
    objects: [slice(), claim(tolerations), pod, first],
  });
type Bench = Awaited<ReturnType<typeof ruleBench>>;
const told = (b: Bench) => {
  const [c] = b.client.object(rules, 'r')?.status?.conditions ?? [];
  return c && `${c.type}=${c.status} ${c.reason} ${c.observedGeneration}: ${c.message}`;
};

describe('rules of device-taint-eviction-controller', () => {
  it('says what would happen, does it when told to, and says when that is done', async () => {
    await using b = await ruleBench(rule('None', { driver: 'd' }));
    const preview =
      'EvictionInProgress=False NoEffect 1: 1 published device selected. 1 allocated device selected. 1 pod would be evicted in 1 namespace if the effect was NoExecute. This information will not be updated again. Recreate the DeviceTaintRule to trigger an update.';
    assert.equal(told(b), preview);
    b.client.remove(resourceV1.resourceslices, 's1');
    await b.advance(60_000);
    assert.equal(told(b), preview);
    b.client.set(rules, { ...(b.client.object(rules, 'r') as object), ...rule('NoExecute', { driver: 'd' }, 2) });
    await b.settle();
    assert.ok(b.client.writes().includes('delete pods a/p'), b.client.writes().join());
    await b.advance(30_000);
    assert.equal(told(b), 'EvictionInProgress=False Completed 2: 1 pod evicted since starting the controller.');
  });

  it('leaves alone what it does not select, is tolerated, or only keeps new pods away', async () => {
    for (const [one, tolerations] of [
      [rule('NoExecute')],
      [rule('NoExecute', { driver: 'd', device: 'other' })],
      [rule('NoSchedule', {})],
      [rule('NoExecute', {}), [{ key: 'k', operator: 'Exists' }]],
    ] as [Draft<DeviceTaintRule>, DeviceToleration[]?][]) {
      await using b = await ruleBench(one, tolerations);
      await b.advance(60_000);
      assert.equal(b.client.object(coreV1.pods, 'a/p')?.metadata.deletionTimestamp, undefined);
      const expected =
        one.spec!.taint!.effect === 'NoSchedule'
          ? 'EvictionInProgress=False OtherEffect 1: Eviction only happens for the NoExecute effect.'
          : 'EvictionInProgress=False Completed 1: ';
      assert.equal(told(b), expected);
    }
  });

  it('tells of pods that have to go while they are tolerated for a time', async () => {
    await using b = await ruleBench(rule('NoExecute', { pool: 'pool', device: 'gpu' }), [
      { key: 'k', operator: 'Exists', tolerationSeconds: 60 },
    ]);
    assert.equal(told(b), 'EvictionInProgress=True PodsPendingEviction 1: 1 pod needs to be evicted in 1 namespace.');
    await b.advance(59_000);
    assert.equal(b.client.object(coreV1.pods, 'a/p')?.metadata.deletionTimestamp, undefined);
    await b.advance(20_000);
    assert.ok(b.client.object(coreV1.pods, 'a/p')?.metadata.deletionTimestamp);
    assert.equal(told(b), 'EvictionInProgress=False Completed 1: 1 pod evicted since starting the controller.');
  });
});
