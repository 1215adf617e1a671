// The essence of the official suite's tests of disruption budgets and evictions, on virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1, policyV1 } from '../api/refs.ts';
import { StatusError } from '../api/status.ts';
import { conformanceBench, behavingTemplate as template } from './test-conformance.ts';

const { client, until, namespace, podsOf, get, patch, gone } = conformanceBench('e', 18);
const budget = (ns: string, spec: object) =>
  client.create(policyV1.poddisruptionbudgets, {
    metadata: { namespace: ns, name: 'b', labels: { e2e: ns } },
    spec: { selector: { matchLabels: { foo: 'bar' } }, ...spec },
  });
const runPods = async (ns: string, n: number) => {
  for (let i = 0; i < n; i++)
    await client.create(coreV1.pods, {
      metadata: { namespace: ns, name: `p${i}`, labels: { foo: 'bar' } },
      spec: template({}).spec,
    });
  await until(async () => (await podsOf(ns)).filter(p => p.status.phase === 'Running').length === n);
};
const allowed = (ns: string, n: number) =>
  until(async () => {
    const { status, metadata } = await get(policyV1.poddisruptionbudgets, ns, 'b');
    return status.observedGeneration === metadata.generation && status.disruptionsAllowed === n;
  });
const evict = (ns: string, name: string) =>
  client.createSubresource(coreV1.pods, { namespace: ns, name }, 'eviction', {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace: ns },
  });

test('[sig-apps] DisruptionController should block an eviction until the PDB is updated to allow it', async () => {
  const ns = await namespace();
  await budget(ns, { minAvailable: 3 });
  await runPods(ns, 3);
  await allowed(ns, 0);
  await assert.rejects(evict(ns, 'p0'), (error: unknown) => {
    assert.ok(error instanceof StatusError);
    assert.deepEqual([error.code, error.reason], [429, 'TooManyRequests']);
    assert.equal(error.message, "Cannot evict pod as it would violate the pod's disruption budget.");
    assert.equal(error.status.details?.causes?.[0]?.reason, 'DisruptionBudget');
    return true;
  });
  await patch(policyV1.poddisruptionbudgets, ns, 'b', { spec: { minAvailable: 2 } });
  await allowed(ns, 1);
  await evict(ns, 'p0');
  await until(() => gone(get(coreV1.pods, ns, 'p0')));
  await assert.rejects(evict(ns, 'p1'), /disruption budget/);
});

test('[sig-apps] DisruptionController should create a PodDisruptionBudget', async () => {
  const ns = await namespace();
  await budget(ns, { minAvailable: '1%' });
  await allowed(ns, 0);
  const updated = await patch(policyV1.poddisruptionbudgets, ns, 'b', { spec: { minAvailable: '2%' } });
  assert.equal(updated.spec.minAvailable, '2%');
  await client.delete(policyV1.poddisruptionbudgets, { namespace: ns, name: 'b' });
  assert.ok(await gone(get(policyV1.poddisruptionbudgets, ns, 'b')));
});

test('[sig-apps] DisruptionController should observe PodDisruptionBudget status updated', async () => {
  const ns = await namespace();
  await budget(ns, { minAvailable: 1 });
  await runPods(ns, 3);
  await allowed(ns, 2);
  const { status } = await get(policyV1.poddisruptionbudgets, ns, 'b');
  assert.deepEqual([status.currentHealthy, status.desiredHealthy, status.expectedPods], [3, 1, 3]);
});

test('[sig-apps] DisruptionController should update/patch PodDisruptionBudget status', async () => {
  const ns = await namespace();
  await budget(ns, { minAvailable: 1 });
  await runPods(ns, 1);
  await allowed(ns, 0);
  const read = await get(policyV1.poddisruptionbudgets, ns, 'b');
  const updated = await client.updateStatus(policyV1.poddisruptionbudgets, {
    ...read,
    status: { ...read.status, disruptedPods: { p0: '2026-01-01T00:00:00Z' } },
  });
  assert.deepEqual(Object.keys(updated.status.disruptedPods), ['p0']);
  const patched = await patch(
    policyV1.poddisruptionbudgets,
    ns,
    'b',
    { status: { disruptedPods: { p0: '2026-01-01T00:00:00Z', p1: '2026-01-01T00:00:00Z' } } },
    { subresource: 'status' },
  );
  assert.ok(patched.status.disruptedPods.p1);
});

test('[sig-apps] DisruptionController Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets', async () => {
  const [a, b] = [await namespace(), await namespace()];
  for (const ns of [a, b])
    await client.create(policyV1.poddisruptionbudgets, {
      metadata: { namespace: ns, name: 'b', labels: { set: a } },
      spec: { minAvailable: 1 },
    });
  assert.equal((await client.list(policyV1.poddisruptionbudgets, { labelSelector: `set=${a}` })).items.length, 2);
  await client.deleteCollection(policyV1.poddisruptionbudgets, { namespace: a });
  assert.equal((await client.list(policyV1.poddisruptionbudgets, { labelSelector: `set=${a}` })).items.length, 1);
});
