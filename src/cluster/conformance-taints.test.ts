// The official suite's tests of evictions by NoExecute taints, on simulated nodes and virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { conformanceBench } from './test-conformance.ts';

type Any = any;

const { client, cluster, until, namespace, get, gone } = conformanceBench('t', 22);
const key = 'kubernetes.io/e2e-evict-taint-key';
const taint = { key, value: 'evictTaintVal', effect: 'NoExecute' };
const setTaints = (name: string, taints: object[]) =>
  client.patch(coreV1.nodes, { name }, { type: 'merge', body: { spec: { taints } } });

async function runPod(ns: string, name: string, tolerationSeconds: number, more: object = {}): Promise<Any> {
  const tolerations = [{ ...taint, tolerationSeconds }];
  const containers = [{ name: 'c', image: 'registry.example/pause:1' }];
  await client.create(coreV1.pods, { metadata: { namespace: ns, name }, spec: { containers, tolerations, ...more } });
  return until(async () => {
    const pod = await get(coreV1.pods, ns, name);
    return pod.status.phase === 'Running' && pod;
  });
}

test('[sig-node] NoExecuteTaintManager Single Pod [Serial] removing taint cancels eviction [Disruptive]', async () => {
  const ns = await namespace();
  const { spec } = await runPod(ns, 'p', 10);
  await setTaints(spec.nodeName, [taint]);
  await cluster.advance('5s');
  assert.equal((await get(coreV1.pods, ns, 'p')).metadata.deletionTimestamp, undefined);
  await setTaints(spec.nodeName, []);
  await cluster.advance('2m');
  const after = await get(coreV1.pods, ns, 'p');
  assert.deepEqual([after.metadata.deletionTimestamp, after.status.phase], [undefined, 'Running']);
});

test('[sig-node] NoExecuteTaintManager Multiple Pods [Serial] evicts pods with minTolerationSeconds [Disruptive]', async () => {
  const ns = await namespace();
  const { spec } = await runPod(ns, 'p1', 5);
  await runPod(ns, 'p2', 25, { nodeName: spec.nodeName });
  await setTaints(spec.nodeName, [taint]);
  const isGone = (name: string) => async () => gone(get(coreV1.pods, ns, name));
  await until(isGone('p1'), '40s');
  assert.equal((await get(coreV1.pods, ns, 'p2')).metadata.deletionTimestamp, undefined);
  await until(isGone('p2'), '40s');
  await setTaints(spec.nodeName, []);
});
