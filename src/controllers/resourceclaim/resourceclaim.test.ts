import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { coreV1, resourceV1 } from '../../api/refs.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { ResourceClaim } from '../../api/type/resource-v1.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { generatedPrefix } from './kernel/claim.ts';
import { resourceClaimController } from './resourceclaim.ts';

const template = {
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaimTemplate',
  metadata: { name: 'gpu', namespace: 'a' },
  spec: { metadata: { labels: { x: 'y' } }, spec: { devices: { requests: [{ name: 'r' }] } } },
};
const pod = (more: Draft<Pod> = {}): Draft<Pod> => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'a' },
  spec: { containers: [], resourceClaims: [{ name: 'dev', resourceClaimTemplateName: 'gpu' }] },
  ...more,
});

describe('resourceclaim-controller', () => {
  it('makes a claim from its template once, and tells the pod', async () => {
    await using bench = await controllerBench([resourceClaimController()], { objects: [template, pod()] });
    const claims = bench.client.objects(resourceV1.resourceclaims);
    assert.equal(claims.length, 1);
    const [claim] = claims;
    assert.match(claim!.metadata.name, /^p-dev-/);
    assert.deepEqual(claim!.metadata.labels, { x: 'y' });
    assert.deepEqual(claim!.metadata.annotations, { 'resource.kubernetes.io/pod-claim-name': 'dev' });
    assert.deepEqual(bench.client.object(coreV1.pods, 'a/p')?.status?.resourceClaimStatuses, [
      { name: 'dev', resourceClaimName: claim!.metadata.name },
    ]);
    bench.client.clearActions();
    await bench.advance(60_000);
    assert.deepEqual(bench.client.writes(), []);
  });

  it('says that a template is missing, and goes on when it comes', async () => {
    await using bench = await controllerBench([resourceClaimController()], { objects: [pod()] });
    assert.equal(
      bench.events()[0],
      'Warning FailedResourceClaimCreation: PodResourceClaim dev: resource claim template "gpu": resourceclaimtemplate.resource.k8s.io "gpu" not found',
    );
    bench.client.set(resourceV1.resourceclaimtemplates, template as never);
    await bench.settle();
    assert.equal(bench.client.objects(resourceV1.resourceclaims).length, 1);
  });

  it('lets a claim go when its holder is done, and deletes what was made for it', async () => {
    await using bench = await controllerBench([resourceClaimController()], { objects: [template, pod()] });
    const [claim] = bench.client.objects(resourceV1.resourceclaims);
    const { uid } = bench.client.object(coreV1.pods, 'a/p')!.metadata;
    bench.client.set<ResourceClaim>(resourceV1.resourceclaims, {
      ...claim,
      metadata: { ...claim!.metadata, finalizers: ['resource.kubernetes.io/delete-protection'] },
      status: { allocation: {}, reservedFor: [{ resource: 'pods', name: 'p', uid }] },
    } as never);
    await bench.settle();
    assert.equal(bench.client.objects(resourceV1.resourceclaims)[0]?.status?.reservedFor?.length, 1);
    const now = bench.client.object(coreV1.pods, 'a/p')!;
    bench.client.set<Pod>(coreV1.pods, { ...now, status: { ...now.status, phase: 'Succeeded' } } as never);
    await bench.settle();
    assert.deepEqual(bench.client.objects(resourceV1.resourceclaims), []);
  });

  it('reserves for a pod that has its node already', async () => {
    const shared = {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaim',
      metadata: { name: 'shared', namespace: 'a' },
      status: { allocation: {} },
    };
    const placed = pod({
      spec: { nodeName: 'n', containers: [], resourceClaims: [{ name: 'dev', resourceClaimName: 'shared' }] },
    });
    await using bench = await controllerBench([resourceClaimController()], { objects: [shared, placed] });
    assert.equal(bench.client.objects(resourceV1.resourceclaims)[0]?.status?.reservedFor?.[0]?.name, 'p');
  });
});

it('generated names leave room for their random end', () => {
  assert.equal(generatedPrefix('p', 'dev'), 'p-dev-');
  for (const [p, c] of [
    ['p'.repeat(63), 'c'.repeat(63)],
    ['p', 'c'.repeat(63)],
    ['p'.repeat(63), 'c'],
  ] as const)
    assert.ok(generatedPrefix(p, c).length <= 58, generatedPrefix(p, c));
});
