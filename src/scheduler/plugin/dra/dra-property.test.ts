// Pods and claims that come and go while writes fail: no device is ever given twice, and what can be placed is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Draft } from '../../../api/meta.ts';
import { coreV1, resourceV1 } from '../../../api/refs.ts';
import type { ResourceClaim } from '../../../api/type/resource-v1.ts';
import { type SchedulerBench, schedulerBench, testNode, testPod } from '../../test-cluster.ts';

const driver = 'd.example.com';
const names = ['a', 'b', 'c'];
const apiVersion = 'resource.k8s.io/v1';
const deviceClass = { kind: 'DeviceClass', apiVersion, metadata: { name: 'any' }, spec: {} };
const slices = names.slice(0, 2).map(node => ({
  kind: 'ResourceSlice',
  apiVersion,
  metadata: { name: node },
  spec: {
    driver,
    nodeName: node,
    pool: { name: node, generation: 1, resourceSliceCount: 1 },
    devices: [{ name: 'x' }, { name: 'y' }],
  },
}));

type Step =
  | { readonly do: 'pod'; readonly count: number; readonly shares: boolean }
  | { readonly do: 'free' | 'fail' | 'wait'; readonly pick: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('pod' as const), count: fc.integer({ min: 1, max: 2 }), shares: fc.boolean() }),
  fc.record({ do: fc.constantFrom('free', 'fail', 'wait'), pick: fc.nat(20) }),
);

function given(b: SchedulerBench): string[] {
  return b.client
    .objects(resourceV1.resourceclaims)
    .flatMap(c => c.status?.allocation?.devices?.results?.map(r => `${r.pool}/${r.device}`) ?? []);
}

test('no device is given twice, whatever fails', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async steps => {
      await using b = await schedulerBench({ objects: [...names.map(n => testNode(n)), deviceClass, ...slices] });
      let pods = 0;
      let claim = '';
      for (const s of steps) {
        if (s.do === 'pod') {
          const name = `p${++pods}`;
          if (!claim || !s.shares) {
            claim = `c${pods}`;
            const exactly = { deviceClassName: 'any', allocationMode: 'ExactCount', count: s.count };
            b.client.set(resourceV1.resourceclaims, {
              metadata: { name: claim, namespace: 'default', uid: `uid-${claim}` },
              spec: { devices: { requests: [{ name: 'r', exactly }] } },
              status: {},
            } as Draft<ResourceClaim>);
          }
          b.client.set(
            coreV1.pods,
            testPod(name, { spec: { resourceClaims: [{ name: 'r', resourceClaimName: claim }] } }),
          );
        } else if (s.do === 'fail') {
          const subresource = s.pick % 2 ? 'status' : '';
          b.client.failNext('update', resourceV1.resourceclaims, new Error('failed'), { subresource });
        } else if (s.do === 'wait') await b.clock.advance(s.pick * 500);
        else {
          // As the claims' controller does when the last pod has gone.
          const all = b.client.objects(resourceV1.resourceclaims).filter(c => c.status?.allocation);
          const gone = all[s.pick % Math.max(1, all.length)];
          if (gone) {
            for (const { name } of gone.status?.reservedFor ?? [])
              if (b.client.object(coreV1.pods, `default/${name}`)) b.client.remove(coreV1.pods, `default/${name}`);
            const now = b.client.object(resourceV1.resourceclaims, `default/${gone.metadata.name}`)!;
            b.client.set(resourceV1.resourceclaims, { ...now, status: {} } as Draft<ResourceClaim>);
          }
        }
        const now = given(b);
        assert.equal(new Set(now).size, now.length, now.join());
      }
      await b.clock.advance(60_000);
      await b.settle();
      const now = given(b);
      assert.equal(new Set(now).size, now.length, now.join());
      for (const pod of b.client.objects(coreV1.pods)) {
        const { resourceClaimName } = pod.spec.resourceClaims![0]!;
        const its = b.client.object(resourceV1.resourceclaims, `default/${resourceClaimName}`)!;
        const { allocation, reservedFor } = its.status ?? {};
        if (pod.spec.nodeName) {
          assert.equal(allocation?.devices?.results?.[0]?.pool, pod.spec.nodeName);
          assert.ok(reservedFor?.some(r => r.uid === pod.metadata.uid));
        } else if (allocation) assert.fail(`${pod.metadata.name} waits although ${resourceClaimName} is allocated`);
        else {
          const want = its.spec.devices!.requests![0]!.exactly!.count!;
          for (const node of ['a', 'b'])
            assert.ok(
              2 - now.filter(d => d.startsWith(`${node}/`)).length < want,
              `${pod.metadata.name} would fit ${node}`,
            );
        }
      }
    }),
    { numRuns: 25 },
  );
});
